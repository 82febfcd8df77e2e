/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WS_H
#define WEIR_WS_H

/**
 * @file
 * WebSocket (RFC 6455, RFC 7692), server and client: component weir::ws, library libweir_ws, on
 * weir::http. docs/websocket.md shows it.
 *
 * A handle `weir_ws` names one connection. It is a value; it is stale when `closed` has returned,
 * and every call then answers -WEIR_ESTALE. Messages are written with the one write of
 * weir/write.h, from any thread. Events run on the connection's loop.
 *
 * One write is one frame, a whole message unless it says otherwise. A server's frame goes in front
 * of the caller's own bytes, which are not copied; a client masks what it sends, in blocks of the
 * pool. Results count the caller's bytes.
 */

#include "weir/base.h"
#include "weir/http.h"
#include "weir/net.h"
#include "weir/pool.h"
#include "weir/runtime.h"
#include "weir/stream.h"
#include "weir/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Names one connection. All bits zero never names anything. */
typedef struct weir_ws {
    uint64_t bits;
} weir_ws;

/** What a frame that is sent is. Exactly one of the first three. */
enum weir_ws_flag {
    WEIR_WS_TEXT = 1 << 0,     /* a message of UTF-8 */
    WEIR_WS_BINARY = 1 << 1,   /* a message of bytes */
    WEIR_WS_CONTINUE = 1 << 2, /* goes on with the message whose last frame said PART */
    WEIR_WS_PART = 1 << 3,     /* more of this message follows, by CONTINUE */
    WEIR_WS_PLAIN = 1 << 4,    /* not compressed, whatever was agreed on */
};

/** Why a connection is closed (RFC 6455, section 7.4). 3000 to 4999 are the program's own. */
enum weir_ws_code {
    WEIR_WS_NORMAL = 1000,
    WEIR_WS_GOING_AWAY = 1001,
    WEIR_WS_PROTOCOL_ERROR = 1002,
    WEIR_WS_UNSUPPORTED = 1003,
    WEIR_WS_NO_CODE = 1005,  /* never sent: a Close without a code came */
    WEIR_WS_ABNORMAL = 1006, /* never sent: no Close came */
    WEIR_WS_BAD_DATA = 1007, /* a text that is not UTF-8 */
    WEIR_WS_POLICY = 1008,
    WEIR_WS_TOO_BIG = 1009,
    WEIR_WS_NO_EXTENSION = 1010,
    WEIR_WS_INTERNAL_ERROR = 1011,
    WEIR_WS_RESTART = 1012,
    WEIR_WS_TRY_AGAIN = 1013,
};

#define WEIR_WS_REASON_MAX  123u /* bytes of a Close's reason */
#define WEIR_WS_CONTROL_MAX 125u /* bytes of a ping */

/** A whole message that arrived. */
struct weir_ws_message {
    const void *data; /* its bytes where they arrived, in one piece; NULL: in the chain */
    size_t size;
    struct weir_chain chain; /* see weir_ws_take() */
    bool is_text;
};

/** A piece of a message, as it arrived. */
struct weir_ws_piece {
    const void *data;
    size_t size; /* 0 is possible, in the last one */
    bool is_text;
    bool is_first;
    bool is_last;
};

/** How a client's handshake ended. Views are valid until the function returns. */
struct weir_ws_opened {
    int status; /* 0: it is open; else why not, and `closed` follows */
    enum weir_origin origin;
    unsigned code;                             /* the HTTP status; 0: no response came */
    const struct weir_http_response *response; /* NULL: none came */
    const char *protocol;                      /* terminated; "": none was agreed on */
    bool is_deflate;                           /* permessage-deflate was agreed on */
};

/** How a connection ended. */
struct weir_ws_closed {
    int status; /* 0: both sides said Close, or this one was not at fault in waiting for it; else
                   the first reason: -EPROTO, -EILSEQ, -EMSGSIZE, -ETIMEDOUT, -ECONNRESET … */
    enum weir_origin origin;
    unsigned code;      /* what the peer's Close said; NO_CODE, ABNORMAL */
    unsigned sent_code; /* what ours said; 0: none was sent */
    const char *reason; /* the peer's, UTF-8, not terminated; valid until the function returns */
    size_t reason_size;
    uint64_t bytes_sent; /* by the stream, all told */
    uint64_t bytes_received;
};

/** Events. Every function may be NULL, but for one of `message` and `piece`, which exclude each
 *  other. All run on the connection's loop and may call anything that does not block. */
struct weir_ws_handlers {
    /** Client: the handshake is over, well or not. First and once. */
    void (*opened)(weir_ws ws, const struct weir_ws_opened *opened, void *user);
    /** A message is complete. Its bytes are the library's again when this returns, unless
     *  weir_ws_take() took them. */
    void (*message)(weir_ws ws, struct weir_ws_message *message, void *user);
    /** A piece of a message arrived. Of text, what came so far is UTF-8, and the last piece does
     *  not end in the middle of a character. */
    void (*piece)(weir_ws ws, const struct weir_ws_piece *piece, void *user);
    /** A ping was answered, or a pong came that nobody asked for. */
    void (*pong)(weir_ws ws, const void *data, size_t size, void *user);
    /** The peer says Close; it is answered with the same code when this returns, unless
     *  weir_ws_close() was called. Nothing more arrives. */
    void (*closing)(weir_ws ws, unsigned code, const char *reason, size_t size, void *user);
    /** Everything queued was sent down to the stream's low mark after a refusal. */
    void (*writable)(weir_ws ws, void *user);
    /** Last and once, of each connection that weir_ws_accept() or weir_ws_connect() gave. The
     *  handle is stale when this returns. */
    void (*closed)(weir_ws ws, const struct weir_ws_closed *closed, void *user);
};

#define WEIR_WS_UNLIMITED UINT64_MAX

/** Bounds. 0 is the default. In brackets the code with which the connection is failed beyond. */
struct weir_ws_limits {
    uint64_t message_max;   /* bytes of a message, after decompression; 16 MiB; UNLIMITED, which
                               wants a `piece` function [1009] */
    uint64_t frame_max;     /* payload of a data frame as it arrives; no bound [1009] */
    uint32_t fragments_max; /* frames of one message; 65536 [1008] */
    uint32_t controls_max;  /* control frames that arrive in one second; 1000 [1008] */
    uint64_t open_ns;       /* client: from the dial to the end of the handshake; 10 s */
    uint64_t close_ns;      /* for the peer's Close after ours, and for its end after both; 5 s */
    uint64_t ping_ns;       /* ping a peer that was silent for so long; 30 s; WEIR_NEVER: do not */
    uint64_t pong_ns;       /* and give it up if it stays so for so much longer; 30 s */
};

/** permessage-deflate. Off unless `is_on`, and -ENOTSUP in a build without zlib. */
struct weir_ws_deflate {
    bool is_on;                /* a server: accept an offer; a client: make one */
    bool no_context;           /* every message that is sent is compressed by itself: less memory */
    bool no_peer_context;      /* ask the peer to do so */
    unsigned window_bits;      /* 9 to 15 of what is sent; 0: 15 */
    unsigned peer_window_bits; /* ask the peer to use at most so many; 0: 15 */
    int level;                 /* zlib's, 1 to 9; 0: 1 */
    size_t size_min;           /* smaller messages are sent as they are; 0: 64 */
};

/** What connections have in common. */
struct weir_ws_options {
    const struct weir_ws_handlers *handlers; /* borrowed until the server is freed, or `closed` */
    void *user;
    struct weir_ws_limits limits;
    struct weir_ws_deflate deflate;
    const char *const *protocols; /* subprotocols, best first, terminated tokens; copied */
    unsigned protocol_count;      /* at most 32 */
};

/* ---- server -----------------------------------------------------------------------------------
 * */

struct weir_ws_server; /* see weir_ws_server_create() */

/** May this request, from a page of @p origin (NULL: no browser's), open a WebSocket? 0, or the
 *  HTTP status to refuse it with, 400 to 599. */
typedef unsigned weir_ws_origin_fn(const struct weir_http_request *request,
                                   const struct weir_http_field *origin, void *user);

/** How a server is made. */
struct weir_ws_server_options {
    struct weir_ws_options ws;
    weir_ws_origin_fn *origin; /* NULL: as a same-origin policy: if there is an Origin field, its
                                  host and port are those of the Host field */
};

/**
 * Make a server: what accepted connections have in common.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  gives @p ret_server; copies @p options.
 * @return 0, -EINVAL (neither or both of `message` and `piece`, a bound or a protocol out of
 *   range), -ENOTSUP (deflate in a build without it), -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_ws_server_create(struct weir_runtime *runtime,
                                                  const struct weir_ws_server_options *options,
                                                  struct weir_ws_server **ret_server);

/**
 * Does the request ask for a WebSocket? Nothing else about it is looked at.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API bool weir_ws_is_asked(const struct weir_http_request *request);

/** What is special about one accepted connection. All zero is a good default. */
struct weir_ws_accept {
    void *user;                           /* NULL: the server's */
    const char *protocol;                 /* to agree on, "" for none; NULL: the first of the
                                             server's that was offered */
    const struct weir_http_field *fields; /* more fields of the response */
    unsigned field_count;
};

/**
 * Answer a request with 101: from here the connection speaks WebSocket. Bytes that arrived behind
 * the request are its first frames. @p request is what the `request` function was shown, or what
 * weir_http_defer() gave.
 *
 * A request that is none for a WebSocket is answered here: 400, 426 with the version that is
 * spoken, or as the origin function says, 403 by default.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * Memory:  borrows all but what it says.
 * Calls:   `ended` of the exchange, inside; `closed` once, later, iff this returns 0.
 * @return 0; -EPROTO, -EPROTONOSUPPORT, -EACCES: not a handshake, another version, not this
 *   origin, and it was answered; -ENOMEM, -WEIR_EENDED (draining): answered with 503, or reset
 *   where there was no memory even for that; or as weir_http_hijack(), nothing was done.
 */
WEIR_API WEIR_NODISCARD int weir_ws_accept(struct weir_ws_server *server, weir_http http,
                                           const struct weir_http_request *request,
                                           const struct weir_ws_accept *accept, weir_ws *ret_ws);

/**
 * Say Close with 1001 on every connection; new ones are answered with 503. Idempotent. Give peers a
 * moment, until weir_ws_server_connections() is 0 or it takes too long: weir_runtime_stop() closes
 * streams at once.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -WEIR_ELANEFULL, -ENOMEM: some loop was not told, call again.
 */
WEIR_API int weir_ws_server_drain(struct weir_ws_server *server);

/**
 * How many connections are open.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API unsigned weir_ws_server_connections(const struct weir_ws_server *server);

/**
 * Free a server. NULL is legal.
 *
 * Threads: any; no other thread may be inside a call on it. Best behind weir_runtime_stop().
 * Blocks:  never.
 * @return 0, or -EBUSY: connections are open.
 */
WEIR_API int weir_ws_server_free(struct weir_ws_server *server);

/* ---- client -----------------------------------------------------------------------------------
 * */

/** How a client connects. */
struct weir_ws_connect {
    struct weir_ws_options ws;
    struct weir_dial dial;                /* stream.handlers and user are the library's */
    const char *host;                     /* the Host field */
    const char *target;                   /* "/path?query"; NULL: "/" */
    const struct weir_http_field *fields; /* more fields of the request: Origin, Cookie … */
    unsigned field_count;
};

/**
 * Connect, and ask for a WebSocket. The handshake is checked: 101, Upgrade, Connection, the key's
 * answer, a subprotocol that was offered, no extension that was not.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * Memory:  borrows @p request until return, but for the handlers.
 * Calls:   `opened` once, then `closed` once, both later, iff this returns 0.
 * @return 0, -EXDEV (another thread), -EINVAL, -ENOTSUP (deflate in a build without it), -ENOMEM,
 *   or as weir_dial(), -ECONNREFUSED and the like of a Unix socket, too.
 */
WEIR_API WEIR_NODISCARD int weir_ws_connect(struct weir_loop *loop,
                                            const struct weir_ws_connect *request, weir_ws *ret_ws);

/* ---- a connection -----------------------------------------------------------------------------
 * */

/**
 * Send a message, or a part of one, as one frame. Frames of several threads never mix.
 *
 * A message in parts begins with TEXT or BINARY and PART, goes on with CONTINUE and PART, and ends
 * with CONTINUE; while it is open other messages are -EBUSY, pings and Close are not. Several
 * threads that write parts of one message must agree on their order themselves.
 *
 * What differs from weir_write(): the tear policy is FINISH in place of STOP, so a message of which
 * a part was taken runs to its end (`late_cancel`), and one that is cancelled before its first byte
 * is left out. A part of a message cannot be left out: cancelled before its first byte it resets
 * the connection. SOME means all. A client's bytes are masked before this returns, so given memory
 * is released inside.
 *
 * Compressed bytes are the library's own: with deflate the caller's memory is let go before this
 * returns; `sent` is all or nothing; and a message that can be cancelled (it has a handle, a token
 * or a deadline), or is sent while another thread compresses, goes uncompressed where the context
 * is kept, for it may be left out and the context may not.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  as weir_write().
 * Calls:   request->done as weir_write(), with the connection's stream.
 * @param flags  enum weir_ws_flag
 * @return as weir_write(), and
 *   -WEIR_ESTALE  the connection is gone
 *   -ENOTCONN     the handshake is not over
 *   -WEIR_EENDED  Close was said
 *   -EBUSY        another message, or this one by another thread, is being sent in parts
 *   -EALREADY     CONTINUE, and no message is open
 *   -EILSEQ       not UTF-8; nothing was sent
 *   -EINVAL       flags; FIN, START, PRIORITY, CHUNK, CHUNK_END
 *   -ENOTSUP      NOWAIT, a file
 */
WEIR_API WEIR_NODISCARD int weir_ws_write(weir_ws ws, unsigned flags,
                                          const struct weir_write *request, weir_op *ret_op);

/**
 * Send a whole message of bytes that are copied: the shortest weir_ws_write().
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  copies @p data.
 * @param flags  TEXT or BINARY
 * @return 0, or as weir_ws_write().
 */
WEIR_API WEIR_NODISCARD int weir_ws_send(weir_ws ws, unsigned flags, const void *data, size_t size);

/**
 * Send a ping. `pong` tells the answer, with the same bytes.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  copies @p data.
 * @return 0, -EMSGSIZE (more than WEIR_WS_CONTROL_MAX bytes), or as weir_ws_write().
 */
WEIR_API WEIR_NODISCARD int weir_ws_ping(weir_ws ws, const void *data, size_t size);

/**
 * Say Close, behind all that was written before. The connection then ends when the peer has said
 * so, too, or after limits.close_ns; messages that arrive until then are still told.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  copies @p reason.
 * Calls:   `closed`, later.
 * @param code    1000 to 1003, 1007 to 1014, 3000 to 4999; NO_CODE: none, and no reason
 * @param reason  UTF-8, at most WEIR_WS_REASON_MAX bytes
 * @return 0, -WEIR_ESTALE, -WEIR_EENDED (Close was said already), -ENOTCONN (the handshake is not
 *   over; weir_ws_abort() ends it), -EINVAL, -EILSEQ (the reason is not UTF-8).
 */
WEIR_API int weir_ws_close(weir_ws ws, unsigned code, const char *reason, size_t size);

/**
 * Give up: reset the connection, or stop connecting.
 *
 * Threads: any; while connecting the loop's.
 * Blocks:  never.
 * Calls:   `closed`, later, with -ECONNABORTED.
 * @return 0, -WEIR_ESTALE, -EXDEV (connecting, and another thread).
 */
WEIR_API int weir_ws_abort(weir_ws ws);

/**
 * Stop telling messages and pieces; the peer is held back. Pings are not answered meanwhile.
 * Idempotent.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread).
 */
WEIR_API int weir_ws_pause(weir_ws ws);

/**
 * Go on. Idempotent.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread).
 */
WEIR_API int weir_ws_resume(weir_ws ws);

/**
 * Inside `message`: the message as blocks, the caller's. They are moved if it came in blocks, else
 * copied.
 *
 * Threads: the loop's, inside `message`.
 * Blocks:  never.
 * Memory:  gives @p ret_chain, which must be empty.
 * @return 0, -EINVAL (taken before), -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_ws_take(struct weir_ws_message *message,
                                         struct weir_chain *ret_chain);

/**
 * The subprotocol that was agreed on, "" for none; NULL when stale, or not on the loop.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * Memory:  borrowed from the server, or until `closed`.
 */
WEIR_API const char *weir_ws_protocol(weir_ws ws);

/**
 * Replace the user pointer.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread).
 */
WEIR_API int weir_ws_set_user(weir_ws ws, void *user);

/**
 * The connection's stream, for its addresses, loop, and queue. Not to be written to, read from or
 * closed. All zero when stale, or while connecting.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API weir_stream weir_ws_stream(weir_ws ws);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_WS_H */
