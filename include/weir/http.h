/* SPDX-License-Identifier: MIT */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

/**
 * @file
 * HTTP/1.1, server and client: component weir::http, library libweir_http. docs/http.md shows it.
 *
 * A handle `weir_http` names one *exchange*: a request and its response. It is a value; it is stale
 * when the exchange is over, and every call then answers -WEIR_ESTALE. Bodies are written with the
 * one write of weir/write.h and read as streams are read. Events run on the connection's loop.
 *
 * One write is one piece of the body, framed as the message needs it (length, chunks, or the end of
 * the connection): the framing goes around the caller's own bytes, which are not copied, and leaves
 * with them in one send. Results count the caller's bytes, not the framing.
 */

#include "weir/base.h"
#include "weir/net.h"
#include "weir/runtime.h"
#include "weir/stream.h"
#include "weir/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Names one exchange. All bits zero never names anything. */
typedef struct weir_http {
    uint64_t bits;
} weir_http;

/** A name and a value: views, not terminated. */
struct weir_http_field {
    const char *name;
    const char *value;
    uint32_t name_size;
    uint32_t value_size;
};

/** A field of two literals. */
#define WEIR_HTTP_FIELD(name_, value_)                                                \
    {                                                                                 \
        .name = (name_), .value = (value_), .name_size = (uint32_t)sizeof(name_) - 1, \
        .value_size = (uint32_t)sizeof(value_) - 1                                    \
    }

/** What a received head says, and what a head to send asks for. */
enum weir_http_flag {
    WEIR_HTTP_HAS_LENGTH = 1 << 0, /* `length` is the body's size */
    WEIR_HTTP_CHUNKED = 1 << 1,    /* received: the body comes in chunks */
    WEIR_HTTP_CLOSE = 1 << 2,      /* the connection ends behind this message */
    WEIR_HTTP_UPGRADE = 1 << 3,    /* received: asks for, or switches to, another protocol */
    WEIR_HTTP_CONTINUE = 1 << 4,   /* received: the client waits for a 100 before it sends */
    WEIR_HTTP_NO_DATE = 1 << 5,    /* to send: no Date field */
};

/** A received request. Its views lie in the pool blocks in which it arrived. */
struct weir_http_request {
    const char *method; /* as sent, known to the parser; CONNECT is answered 501 by the library */
    const char *target; /* as sent: origin, absolute or asterisk form */
    const struct weir_http_field *fields;
    uint32_t method_size;
    uint32_t target_size;
    unsigned field_count;
    unsigned flags;  /* enum weir_http_flag */
    unsigned minor;  /* of HTTP/1.x: 0 or 1 */
    uint64_t length; /* with HAS_LENGTH */
};

/** A received response. */
struct weir_http_response {
    unsigned status;
    unsigned flags;
    unsigned minor;
    unsigned field_count;
    const char *reason;
    uint32_t reason_size;
    const struct weir_http_field *fields;
    uint64_t length;
};

/** A status line and fields, checked and made into bytes once: see weir_http_prepare(). */
struct weir_http_prepared;

/** The head of a response to send. Borrowed until return. */
struct weir_http_head {
    unsigned status;                      /* 200 … 599 */
    const char *reason;                   /* terminated; NULL: the standard one */
    const struct weir_http_field *fields; /* Date, Connection, Content-Length and Transfer-Encoding
                                             are the library's: naming one here is -EINVAL */
    unsigned field_count;
    unsigned flags;                            /* HAS_LENGTH, CLOSE, NO_DATE */
    uint64_t length;                           /* with HAS_LENGTH: the body must match it exactly */
    const struct weir_http_prepared *prepared; /* in place of status, reason and fields, which are
                                                  zero then */
};

/** The head of a request to send. Borrowed until return. */
struct weir_http_ask {
    const char *method;                   /* terminated; NULL: GET */
    const char *target;                   /* terminated: "/path?query" */
    const char *host;                     /* terminated; NULL: the client's */
    const struct weir_http_field *fields; /* as of weir_http_head, and not Host */
    unsigned field_count;
    unsigned flags; /* HAS_LENGTH, CLOSE, CONTINUE: wait for a 100 before the body */
    uint64_t length;
};

/** How an exchange ended. */
struct weir_http_ended {
    int status; /* 0: both messages are complete; else the first reason */
    enum weir_origin origin;
    unsigned code;     /* the response's status, 0: none was begun */
    uint64_t sent;     /* bytes of the body that were given to the connection, without framing */
    uint64_t received; /* bytes of the body that were taken from it */
};

/** Events of exchanges. Every function may be NULL but `request` of a server and `response` of a
 *  client. All run on the connection's loop and may call anything that does not block. `user` is
 *  the options' until weir_http_set_user(). */
struct weir_http_handlers {
    /** Server: a request's head is complete. Answer now with weir_http_respond(), or later: see
     *  weir_http_defer(). The views are valid until this returns. */
    void (*request)(weir_http http, const struct weir_http_request *request, void *user);
    /** Client: a response's head is complete; also of each 1xx. Likewise. */
    void (*response)(weir_http http, const struct weir_http_response *response, void *user);
    /** A piece of the received body, where it arrived. NULL: the body is read with
     *  weir_http_read(). */
    void (*body)(weir_http http, const void *data, size_t size, void *user);
    /** The received body is complete; with chunks, the trailers that came behind them. */
    void (*body_end)(weir_http http, const struct weir_http_field *trailers, unsigned count,
                     void *user);
    /** Everything queued was sent down to the stream's low mark after a refusal. */
    void (*writable)(weir_http http, void *user);
    /** The peer sends nothing more; a client may end its side and still wait for the answer. */
    void (*peer_fin)(weir_http http, void *user);
    /** Last and once per exchange that was told: it is over, and the handle stale on return. */
    void (*ended)(weir_http http, const struct weir_http_ended *ended, void *user);
    /** Server: the library refused what could not be told as a request, with this status, and the
     *  connection ends. The user pointer is the options'. */
    void (*refused)(weir_stream stream, unsigned status, void *user);
};

#define WEIR_HTTP_UNLIMITED UINT64_MAX

/** Bounds. 0 is the default; a request beyond one is answered with the status in brackets and its
 *  connection closed; a response beyond one ends its exchange with -EMSGSIZE. */
struct weir_http_limits {
    uint32_t line_max;         /* request or status line; 8 KiB [414] */
    uint32_t head_max;         /* the whole head, and trailers; 32 KiB [431] */
    uint32_t fields_max;       /* how many fields; 100, at most 240 [431] */
    uint64_t body_max;         /* received body; 32 MiB; WEIR_HTTP_UNLIMITED [413] */
    uint64_t discard_max;      /* of a body nobody reads, to keep the connection; 256 KiB */
    uint32_t requests_max;     /* per connection, then it is closed; no limit */
    uint64_t head_ns;          /* a head, from its first byte on; 30 s [408] */
    uint64_t idle_ns;          /* between exchanges; 120 s */
    uint64_t grace_ns;         /* before a data rate is looked at; 5 s */
    uint32_t receive_rate_min; /* bytes per second of a body, framing counted; 240; UINT32_MAX: no
                                  bound [408] */
    uint32_t send_rate_min;    /* bytes per second while something waits to be sent, heads and
                                  framing counted; 240; UINT32_MAX: no bound */
};

/* ---- server -----------------------------------------------------------------------------------
 * */

struct weir_http_server; /* see weir_http_server_create() */

/** How a server is made. */
struct weir_http_server_options {
    const struct weir_http_handlers *handlers; /* borrowed until weir_http_server_free() */
    void *user;
    struct weir_http_limits limits;
};

/**
 * Make a server: what connections have in common. It listens to nothing by itself.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  gives @p ret_server; copies @p options.
 * @return 0, -EINVAL (no `request` function, a bound out of range), -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_http_server_create(struct weir_runtime *runtime,
                                                    const struct weir_http_server_options *options,
                                                    struct weir_http_server **ret_server);

/**
 * Fill in what weir_listen() needs so that accepted streams are served: `accepted`, `arg`, and of
 * `stream` the flags NODELAY and REST. The rest stays as it is; over any transport.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API void weir_http_server_prepare(struct weir_http_server *server, struct weir_listen *listen);

/**
 * Serve a stream that is there already: adopted, or accepted by a function of the program's own.
 *
 * Threads: the stream's loop.
 * Blocks:  never.
 * Memory:  takes over the stream's handlers and user pointer on success.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread), -WEIR_EENDED (draining), -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_http_attach(struct weir_http_server *server, weir_stream stream);

/**
 * Let every connection end in good order: idle ones close now, others behind the response they are
 * at, which says so. Close listeners before. Idempotent.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -WEIR_ELANEFULL, -ENOMEM: some loop was not told, call again.
 */
WEIR_API int weir_http_server_drain(struct weir_http_server *server);

/**
 * How many connections are open.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API unsigned weir_http_server_connections(const struct weir_http_server *server);

/**
 * Free a server. NULL is legal.
 *
 * Threads: any; no other thread may be inside a call on it. Best behind weir_runtime_stop().
 * Blocks:  never.
 * @return 0, or -EBUSY: connections are open.
 */
WEIR_API int weir_http_server_free(struct weir_http_server *server);

/* ---- an exchange ------------------------------------------------------------------------------
 * */

/**
 * Go on with the exchange after its `request` or `response` function has returned, and from other
 * threads: to be called before the handle is given to one, which is answered -EBUSY until then. A
 * function that returns without having ended the response has deferred it, too. The head's views
 * may have moved: @p ret_request has them again, valid until the exchange is over.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread), -EINVAL (a client's), -ENOMEM.
 */
WEIR_API int weir_http_defer(weir_http http, const struct weir_http_request **ret_request);

/**
 * Respond: the head, and with it a first piece of the body or all of it, in one gathered send.
 *
 * @p body NULL: there is none, and the response is complete. Otherwise its WEIR_CHUNK_END says that
 * nothing follows, and the length is then known; without it the body stays open for
 * weir_http_write(), also when it has zero bytes, which is how a head is sent alone. A body that is
 * left open has the length the head names, else chunks, else (HTTP/1.0) ends with the connection.
 * The answer to HEAD, and 204 and 304, have no body: the bytes given are counted and not sent.
 *
 * Threads: any, once deferred; one at a time per exchange.
 * Blocks:  never.
 * Memory:  borrows @p head until return; the body's as weir_write().
 * Calls:   body->done as weir_write(). Without one, and at level SENT with copied bytes, small
 *          responses of a turn leave together.
 * @return as weir_http_write(), and -EALREADY: a response has been begun; -EINVAL: a bad status,
 *   name or value, a field that is the library's, or a body that is not `length`.
 */
WEIR_API WEIR_NODISCARD int weir_http_respond(weir_http http, const struct weir_http_head *head,
                                              const struct weir_write *body, weir_op *ret_op);

/**
 * Write a piece of the open body: a server's response or a client's request. One write is one
 * chunk, contiguous on the wire with its framing. Zero bytes are a flush (K7, K51) and never the
 * end; WEIR_CHUNK_END ends the body behind the bytes. WEIR_CHUNK insists on chunks.
 *
 * What differs from weir_write(): the tear policy is FINISH in place of STOP, for a message cut in
 * the middle is no use; a piece without which the rest makes no sense (with the head, the end, or
 * in a body with a length) tears the connection, which is then reset, when it is cancelled before
 * its first byte. A chunk that is cancelled before its first byte is left out. WEIR_SOME in chunks
 * means all; elsewhere what was not taken may be written again. `sent` and `accepted` count the
 * caller's bytes.
 *
 * Threads: any, once deferred; several threads may write chunks of one body.
 * Blocks:  never.
 * Memory:  as weir_write().
 * Calls:   request->done as weir_write(), with the connection's stream.
 * @return as weir_write(), and
 *   -WEIR_ESTALE  the exchange is over
 *   -WEIR_EENDED  the body has ended; a client's connection was closed
 *   -EBUSY        not deferred, or the end, a head or a file is being written by another thread
 *   -EMSGSIZE     more than the length, or an end before it; nothing was sent
 *   -EINVAL       no head was sent, FIN, START or PRIORITY, CHUNK where there are none, SOME with
 *                 CHUNK_END
 *   -ENOTSUP      NOWAIT in chunks
 */
WEIR_API WEIR_NODISCARD int weir_http_write(weir_http http, const struct weir_write *request,
                                            weir_op *ret_op);

/**
 * weir_http_write() of a last piece, with trailers behind the last chunk. Without chunks trailers
 * are -EINVAL.
 *
 * Threads: as weir_http_write().
 * Blocks:  never.
 * Memory:  borrows @p trailers until return.
 * Calls:   as weir_http_write().
 * @param request  NULL: no more bytes.
 * @return as weir_http_write().
 */
WEIR_API WEIR_NODISCARD int weir_http_end(weir_http http, const struct weir_http_field *trailers,
                                          unsigned trailer_count, const struct weir_write *request,
                                          weir_op *ret_op);

/**
 * Produce straight into the open body, as weir_produce().
 *
 * Threads: as weir_produce().
 * Blocks:  never.
 * @return as weir_produce() and weir_http_write().
 */
WEIR_API WEIR_NODISCARD int weir_http_produce(weir_http http, struct weir_iter *ret_iter);

/**
 * Commit what was produced as one piece of the body, as weir_commit(): NULL as @p request corks.
 *
 * Threads: the one that produced.
 * Blocks:  never.
 * Memory:  takes the section's blocks, on success and on refusal.
 * Calls:   as weir_http_write().
 * @return as weir_commit() and weir_http_write().
 */
WEIR_API WEIR_NODISCARD int weir_http_commit(weir_http http, struct weir_iter end,
                                             const struct weir_write *request, weir_op *ret_op);

/**
 * Make status, reason and fields into bytes once, for the heads of many responses: what is the same
 * in all of them is neither checked nor written again. Date, framing and Connection are each
 * response's own, and so are flags and length, which are zero here.
 *
 * Threads: any; what it gives is never changed, and may be used by all.
 * Blocks:  never.
 * Memory:  copies @p head; gives @p ret_prepared.
 * @return 0, -EINVAL, -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_http_prepare(const struct weir_http_head *head,
                                              struct weir_http_prepared **ret_prepared);

/**
 * Free it; no call uses it any more. Responses that were begun with it do not need it. NULL is
 * legal.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  takes @p prepared.
 */
WEIR_API void weir_http_prepared_free(struct weir_http_prepared *prepared);

/**
 * Send an interim response, 100 to 199 but 101, before the response. A 100 is sent by the library
 * itself when the body of a request that waits for one is first read, and not twice.
 *
 * Threads: as weir_http_respond().
 * Blocks:  never.
 * @return as weir_http_respond(); -ENOTSUP: the client speaks HTTP/1.0.
 */
WEIR_API WEIR_NODISCARD int weir_http_interim(weir_http http, const struct weir_http_head *head);

/** How a read of a body ended: weir_read_result's fields, for an exchange. */
struct weir_http_read_result {
    weir_op op;
    int status;              /* 0, or why; what was read before that is in `size` all the same */
    bool eof;                /* the body is complete: nothing follows these bytes */
    size_t size;             /* bytes read */
    void *buffer;            /* the caller's memory, in that form */
    struct weir_chain chain; /* else blocks, given to the callback: it returns them */
};

typedef void weir_http_read_fn(weir_http http, struct weir_http_read_result *result, void *arg);

/** One read of the body. */
struct weir_http_read {
    void *buffer;         /* NULL: fresh blocks */
    size_t size;          /* of the buffer; without one the most wanted, 0: what there is */
    size_t size_min;      /* wait for so many (N43: read_all), or the end; 0 counts as 1 */
    uint64_t deadline_ns; /* absolute; 0 or WEIR_NEVER: none */
    weir_token token;
    weir_http_read_fn *done;
    void *arg;
};

/**
 * Read the received body: a server's request or a client's response, without its framing. Reads
 * queue in order; a cancel or deadline loses no byte: what a read had got is in its result. Zero
 * bytes wanted in a buffer complete with 0 and are no end (N42).
 *
 * Threads: any, once deferred.
 * Blocks:  never.
 * Memory:  borrows request->buffer until the completion.
 * Calls:   request->done exactly once on the loop iff this returns 0.
 * @return 0, -EINVAL, -WEIR_ESTALE, -EBUSY (not deferred, or the handlers have a body function),
 *   -ECANCELED, -WEIR_ELANEFULL, -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_http_read(weir_http http, const struct weir_http_read *request,
                                           weir_op *ret_op);

/**
 * Stop calling the body function; the peer is held back. Idempotent.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread).
 */
WEIR_API int weir_http_pause(weir_http http);

/**
 * Go on calling the body function. Idempotent.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread).
 */
WEIR_API int weir_http_resume(weir_http http);

/**
 * Give up: reset the connection. The peer never sees an end of the message (K52). Responses to
 * requests before it that are complete and wait for the end of the turn are sent first.
 *
 * Threads: any, once deferred.
 * Blocks:  never.
 * Calls:   `ended` with -ECONNABORTED.
 * @return 0, -WEIR_ESTALE, -EBUSY (not deferred).
 */
WEIR_API int weir_http_abort(weir_http http);

/**
 * Leave HTTP: the raw stream is the caller's, with every byte that arrived behind the head still to
 * be read, first. @p head, as a rule a 101, is sent before; it gets no field by itself but Date, so
 * Connection and Upgrade are allowed in it. NULL sends nothing. With NULL @p handlers the stream is
 * read by pulls.
 *
 * Threads: the loop's, inside `request`, `response` or later, before a response was begun.
 * Blocks:  never.
 * Calls:   `ended` with 0, inside; then nothing more of HTTP.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread), -EALREADY (a response has been begun), -EINVAL
 *   (the head; a request with a body, which is not read), or as weir_write(): nothing was done.
 */
WEIR_API WEIR_NODISCARD int weir_http_hijack(weir_http http, const struct weir_http_head *head,
                                             const struct weir_handlers *handlers, void *user,
                                             weir_stream *ret_stream);

/**
 * Replace the exchange's user pointer.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread).
 */
WEIR_API int weir_http_set_user(weir_http http, void *user);

/**
 * The connection's stream: for its addresses and loop, tokens and looking. Writing to it or reading
 * from it is for weir_http_hijack(). All zero when stale.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API weir_stream weir_http_stream(weir_http http);

/**
 * The first field of that name, in any case; NULL: none.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API const struct weir_http_field *weir_http_find(const struct weir_http_field *fields,
                                                      unsigned count, const char *name);

/**
 * Is @p token one of the elements of the comma-separated field @p name, in any case?
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API bool weir_http_has_token(const struct weir_http_field *fields, unsigned count,
                                  const char *name, const char *token);

/**
 * The standard reason of a status, "" for one without.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  the text is static.
 */
WEIR_API const char *weir_http_reason(unsigned status);

/* ---- client -----------------------------------------------------------------------------------
 * */

/** A client of one address: one connection at a time, kept for the next exchange. */
struct weir_http_client;

/** How a client is made. */
struct weir_http_client_options {
    struct weir_dial dial;                     /* stream.handlers and user are the library's */
    const char *host;                          /* the Host field; copied */
    const struct weir_http_handlers *handlers; /* borrowed until weir_http_client_free() */
    void *user;
    struct weir_http_limits limits;
    uint64_t response_ns;   /* from the end of the request to the response's head; 0: 60 s */
    unsigned redirects_max; /* weir_http_transact() follows so many, on this address; 0: none */
    unsigned waiting_max;   /* exchanges that wait for the connection; 0: 1024 */
};

/**
 * Make a client on a loop. It connects with the first exchange, and again when it must.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  gives @p ret_client; copies @p options.
 * @return 0, -EINVAL, -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_http_client_create(struct weir_loop *loop,
                                                    const struct weir_http_client_options *options,
                                                    struct weir_http_client **ret_client);

/**
 * Free a client: its connection is closed, exchanges end with -ECONNABORTED. NULL is legal.
 *
 * Threads: the loop's, or any behind weir_runtime_stop().
 * Blocks:  never.
 */
WEIR_API void weir_http_client_free(struct weir_http_client *client);

/**
 * Begin an exchange: the request's head and a first piece of its body, or all of it, as
 * weir_http_respond() does. Only when the connection is free: -EBUSY otherwise. A request on a kept
 * connection that the server has closed meanwhile ends with -ECONNRESET; the library repeats none.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * Calls:   `response` or not, then `ended`, iff this returns 0.
 * @return 0, -EXDEV (another thread), -EBUSY (an exchange is open), or as weir_http_respond() and
 *   weir_dial().
 */
WEIR_API WEIR_NODISCARD int weir_http_ask(struct weir_http_client *client,
                                          const struct weir_http_ask *ask,
                                          const struct weir_write *body, void *user,
                                          weir_http *ret_http);

/** What weir_http_transact() brought. */
struct weir_http_transacted {
    int status;                                /* 0, or why there is no response */
    const struct weir_http_response *response; /* valid until the function returns */
    struct weir_chain body;                    /* the function returns it */
    size_t body_size;
    unsigned redirects; /* followed */
};

typedef void weir_http_transact_fn(struct weir_http_client *client,
                                   struct weir_http_transacted *result, void *arg);

/** What weir_http_transact() does. */
struct weir_http_transaction {
    const struct weir_http_ask *ask; /* its flags are not looked at */
    const void *body;
    size_t body_size;
    uint64_t deadline_ns; /* absolute; 0 or WEIR_NEVER: none */
    weir_http_transact_fn *done;
    void *arg;
};

/**
 * A request, its response and the whole body, bounded by limits.body_max (N45). They queue in
 * order; the deadline spans waiting, connecting, sending and the last byte of the answer, and
 * closes the connection when it passes in the middle.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * Memory:  borrows @p request and what it names until return: all is copied.
 * Calls:   request->done exactly once, later, on the loop, iff this returns 0.
 * @return 0, -EXDEV (another thread), -EINVAL, -ENOBUFS (waiting_max), -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_http_transact(struct weir_http_client *client,
                                               const struct weir_http_transaction *request);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_HTTP_H */
