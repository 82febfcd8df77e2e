/* SPDX-License-Identifier: MIT */
#ifndef STORM_GUESTS_H
#define STORM_GUESTS_H

// Streams of a house whose clients have said who they are: what each was sent and what came from
// it, to be compared with what the client says.

#include "house.h"
#include "reader.h"

struct guest {
    uint32_t id;             // the client's number
    _Atomic uint64_t stream; // its bits; 0: not there yet, or closed
    void *own;               // the scenario's

    // Written by whoever writes to the stream.
    _Atomic uint64_t accepted;     // messages
    _Atomic uint64_t accepted_set; // sum of their checks
    _Atomic uint64_t refused;

    // Its loop's only, until it has closed.
    struct reader reader;
    uint32_t sequence_in;
    uint64_t got;       // messages
    uint64_t completed; // messages, with success
    uint64_t failed;
    bool is_closing;
    struct weir_closed closed;
};

struct guests {
    struct house *house;
    struct guest *list;
    uint32_t first_id;
    unsigned count;
    _Atomic uint64_t arrived;
    void (*on_arrived)(struct guest *guest); // loop thread; may be NULL
};

// Listen for the clients @p first_id and so on, @p count of them. One set of guests in a process.
// @p stream: its handlers are replaced.
void guests_start(struct guests *guests, struct house *house, enum house_transport transport,
                  const struct weir_stream_options *stream);
void guests_free(struct guests *guests);

weir_stream guest_stream(const struct guest *guest);

// Write one message that is to complete with guest_done(), or with a function that calls it.
int guest_write(struct guest *guest, const struct weir_write *write, uint64_t check);

// Loop thread. What is common to every completion.
void guest_done(struct guest *guest, const struct weir_result *result);

// Any thread. Close in peace, after all that is queued.
void guest_close(struct guest *guest);

// Wait until all have arrived.
void guests_await(struct guests *guests);

// At the end: each client has what its stream was given, and the other way round.
void guests_claim(const struct guests *guests, const struct crowd *crowd, struct result *result);

#endif /* STORM_GUESTS_H */
