/* SPDX-License-Identifier: MIT */
// Bodies that are made in place: a section of the stream's, committed as a piece.

#include "netio/http/conn.h"

#include <errno.h>

int
weir_http_produce(weir_http http, struct weir_iter *ret_iter)
{
    struct wi_http_conn *conn;
    uint64_t entered;
    int result = wi_http_enter(http, 1u << WI_HTTP_BODY, &conn, &entered);

    if (result < 0) {
        return result == -EALREADY ? -EINVAL : result;
    }
    result = weir_produce(wi_http_stream(conn), ret_iter);
    if (result == 0 && !wi_http_is_here(conn)) {
        wi_store_relaxed(&conn->section, http.bits);
        wi_http_leave_and_keep(conn, entered);
    } else {
        wi_http_leave(conn, entered);
    }
    return result;
}

// The section's blocks, whatever has become of the exchange. A connection whose section is another
// thread's is kept for it; one of the loop's own goes with the stream.
static int
take_section(weir_http http, struct weir_iter end, struct weir_chain *ret_chain)
{
    struct wi_http_conn *conn = wi_http_conn_at(http);
    bool is_kept = conn != NULL && wi_load_relaxed(&conn->section) == http.bits;
    int result;

    if (conn == NULL) {
        return -WEIR_ESTALE;
    }
    if (!is_kept && wi_http_conn_here(http, &result) == NULL) {
        return result == -EXDEV ? -EINVAL : result; // no thread but the loop has one
    }
    result = weir_produce_take(wi_http_stream(conn), end, ret_chain);
    if (is_kept && result != -EINVAL) {
        wi_store_relaxed(&conn->section, 0);
        wi_http_let_go(conn);
    }
    return result;
}

int
weir_http_commit(weir_http http, struct weir_iter end, const struct weir_write *request,
                 weir_op *ret_op)
{
    static const struct weir_write corked = {.flags = WEIR_MORE};
    struct weir_write write = request != NULL ? *request : corked;
    struct weir_chain chain = {NULL, NULL};
    int result = take_section(http, end, &chain);

    if (result < 0) {
        return result;
    }
    if (write.iov_count != 0 || write.chain != NULL || write.shared != NULL || write.file != NULL) {
        result = -EINVAL;
    } else {
        write.chain = &chain;
        result = weir_http_write(http, &write, ret_op);
    }
    weir_chain_return(&chain);
    return result;
}
