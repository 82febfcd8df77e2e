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
    result = weir_produce(conn->stream, ret_iter);
    wi_http_leave(conn, entered);
    return result;
}

int
weir_http_commit(weir_http http, struct weir_iter end, const struct weir_write *request,
                 weir_op *ret_op)
{
    static const struct weir_write corked = {.flags = WEIR_MORE};
    struct weir_write write = request != NULL ? *request : corked;
    struct wi_http_conn *conn = wi_http_conn_at(http);
    struct weir_chain chain = {NULL, NULL};
    int result = conn == NULL ? -WEIR_ESTALE : weir_produce_take(conn->stream, end, &chain);

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
