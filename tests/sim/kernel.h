/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

// A kernel in memory behind runtime/os.h, in virtual time: sockets with small buffers whose bytes
// are on their way for a while, readiness that comes late and merged, calls that fail. Every chance
// it takes is the seed's.
//
// Each call is a place where another thread may run: see sim_preempt().

#include "runtime/os.h"
#include "tests/sim/sim.h"

#define SIM_FIRST_FD 5000
#define SIM_FILE_FD  20000 // the file of write 0, and so on
#define SIM_FILES    160
#define SIM_BACKLOG  16

#define SIM_PORT_LISTENERS 1000 // weir listens from here on
#define SIM_PORT_HOST      2000 // a peer that accepts everybody
#define SIM_PORT_REFUSES   2001
#define SIM_PORT_SILENT    2002 // never answers
#define SIM_PORT_OWN       3000 // from here on: each socket of the simulation's has its own

// Chances per thousand. All zero: a kernel that is kind.
struct sim_faults {
    unsigned preempt;    // another thread runs inside a call
    unsigned short_send; // fewer bytes are taken than there is room for
    unsigned send_again; // -EAGAIN, and the edge comes later
    unsigned send_fails; // -ENOBUFS, -ENOMEM
    unsigned short_receive;
    unsigned spurious;   // readiness is told again
    unsigned few_events; // a wait tells one event only
    unsigned late;       // bytes, room and ends are told late
    unsigned poll_fails;
    unsigned no_descriptor; // -EMFILE and its like, also of accept
    unsigned option_fails;
    unsigned connection_lost; // -ECONNABORTED of accept
    unsigned unreachable;     // a connect fails at once
    unsigned interrupted;     // a wait ends with nothing
    unsigned no_zerocopy;     // -ENOBUFS of such a send, and nothing else is wrong
    unsigned no_sendfile;     // -EINVAL: this file cannot be sent so
    unsigned descriptors;     // weir may have so many open; 0: no limit
};
extern struct sim_faults sim_faults;
#define SIM_KIND_CAPACITY 1000000
extern bool sim_kind_now;
void sim_be_kind(void); // from here on: no faults, large buffers

// PLAIN: the program's own, which weir watches. SIGNAL: where its signals arrive.
enum sim_kind { SIM_NONE, SIM_POLLER, SIM_WAKE, SIM_SOCKET, SIM_PLAIN, SIM_SIGNAL };
enum sim_state { SIM_NEW, SIM_LISTENING, SIM_CONNECTING, SIM_CONNECTED };

// One direction of a connection. It outlives both ends, for the model looks at it.
struct sim_pipe {
    unsigned char *log; // all that was ever sent, where weir sends to itself
    size_t log_room;
    bool is_logged;
    unsigned pattern; // else what a peer sends: the pattern from here on, again and again
    size_t sent, visible, taken; // offsets in the log
    size_t capacity;             // of sent - taken
    uint64_t visible_at;         // when all that was sent becomes visible; 0: it is
    bool fin;                    // behind `sent`
    uint64_t fin_at;             // when it becomes visible; 0 with fin: it is
    bool closed;                 // the receiver has gone
};

struct sim_file {
    enum sim_kind kind;
    enum sim_state state;
    int index;
    bool is_peers;  // a peer of the simulation's, not weir's
    uint64_t count; // WAKE
    // SOCKET.
    int family;
    int port, remote_port;
    struct sim_pipe *in, *out;
    int peer;   // index; -1: none
    int error;  // due, once
    bool reset; // no more bytes in any direction
    bool cut;   // by reset, fin or shutdown: nothing more comes in
    bool sent_fin;
    bool ended;          // weir sent an end, and reads on
    bool no_space;       // a send found too little room
    uint64_t room_at;    // when the edge is due; 0: none is
    uint64_t connect_at; // CONNECTING: when it is decided; 0: never
    uint64_t reset_at;   // when a reset of the peer's arrives; 0: none
    bool linger_reset;
    int pending[SIM_BACKLOG];
    int pending_count, backlog;
    bool stamps;
    size_t stamped; // reported up to here
    bool has_report;
    struct sim_lent *lent, **lent_last; // memory that is sent from
    uint32_t lent_count;
    struct sim_report *reports;
    bool copies, lends; // SO_ZEROCOPY: the device copies all the same; it is on
    // PLAIN and SIGNAL.
    uint32_t ready;
    uint64_t signals, raised; // sets
    // In a poller.
    int poller; // index; -1: in none
    uint32_t events;
    void *tag;
    bool changed;
    unsigned edges_in, edges_out, seen_in, seen_out;
    // What the model wants to know.
    void *owner;
};

extern struct sim_file sim_files[SIM_FILES];
extern int sim_files_used; // none beyond has ever been open in this run
extern uint64_t sim_now;

void sim_kernel_init(void);
struct sim_file *sim_file(int fd);
struct sim_file *sim_socket(int fd);
int sim_open(enum sim_kind kind);
struct sim_file *sim_peer(const struct sim_file *file);
// Two connected sockets, the second one a peer's.
void sim_pair(int family, struct sim_file **ret_weirs, struct sim_file **ret_peers);
void sim_join(struct sim_file *a, struct sim_file *b);
void sim_changed(struct sim_file *file);
void sim_close_file(struct sim_file *file);
unsigned sim_open_count(void);

// Time and what it brings.
uint64_t sim_soon(void);       // when something sent now arrives
uint64_t sim_next_event(void); // UINT64_MAX: none is due
void sim_advance(uint64_t now_ns);
bool sim_poller_is_ready(int fd);

// A peer's calls.
size_t sim_peer_send(struct sim_file *file, size_t size);
size_t sim_peer_receive(struct sim_file *file, size_t size);
void sim_peer_end(struct sim_file *file);
void sim_peer_reset(struct sim_file *file);
void sim_lose(struct sim_file *file); // nothing passes any more; weir's side is told at last
void sim_peer_connect(struct sim_file *file, int port);

size_t sim_room(const struct sim_file *file);
// Are these the bytes that were sent from there on?
bool sim_pipe_has(const struct sim_pipe *pipe, size_t at, const unsigned char *bytes, size_t size);
ssize_t sim_send(struct sim_file *file, const struct iovec *iov, size_t count, size_t limit);
int sim_told(struct sim_file *file, int error); // notes it; -error
int sim_send_refusal(struct sim_file *file);    // 0: it may send
bool sim_is_out_of_descriptors(void);
void sim_raise(int signal);

// Memory that the kernel sends from, without a copy.
void sim_lend(struct sim_file *file, const struct iovec *iov, size_t size);
void sim_lent_changed(struct sim_file *file);
uint64_t sim_lent_due(const struct sim_file *file); // 0: nothing is
void sim_lent_end(struct sim_file *file);

// The world: another thread may run here.
void sim_preempt(void);
// The model: weir's bytes that the kernel took, and an end it sent.
void sim_wire(struct sim_file *file, const unsigned char *bytes, size_t size);
void sim_wire_fin(struct sim_file *file);
void sim_wire_short(struct sim_file *file);
void sim_wire_reset(struct sim_file *file);
void sim_wire_error(struct sim_file *file, int error);
void sim_wire_bound(struct sim_file *file); // it was bound to a port: whose is it?

#endif /* TESTS_SIM_KERNEL_H */
