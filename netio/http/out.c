/* SPDX-License-Identifier: MIT */

#include "netio/http/out.h"

static struct wi_http_out *
out_of(const struct wi_http_conn *conn)
{
    return &conn->home->out;
}

// What is in the block that is being filled goes to the chain with it. How much that is.
static size_t
close_block(struct wi_http_out *out)
{
    struct weir_block *block = out->block;
    size_t size = WEIR_BLOCK_SIZE - out->room;

    if (block == NULL) {
        return 0;
    }
    out->block = NULL;
    out->room = 0;
    if (wi_unlikely(size == 0 || weir_chain_append_block(&out->chain, block, size) < 0)) {
        weir_block_return(block);
        return 0;
    }
    return size;
}

static char *
fresh_room(struct wi_http_conn *conn, size_t size)
{
    struct wi_http_out *out = out_of(conn);
    struct weir_block *block = size <= WEIR_BLOCK_SIZE ? weir_block_lease(WEIR_BLOCK_SIZE) : NULL;

    if (block == NULL) {
        return NULL;
    }
    out->size += close_block(out);
    out->conn = conn;
    out->block = block;
    out->at = (char *)weir_block_data(block);
    out->room = WEIR_BLOCK_SIZE;
    return out->at;
}

char *
wi_http_out_room(struct wi_http_conn *conn, size_t size)
{
    return wi_likely(size <= out_of(conn)->room) ? out_of(conn)->at : fresh_room(conn, size);
}

int
wi_http_out_append(struct wi_http_conn *conn, const void *data, size_t size)
{
    struct wi_http_out *out = out_of(conn);
    int result;

    out->size += close_block(out);
    out->conn = conn;
    result = weir_chain_append(&out->chain, data, size);
    out->size += result == 0 ? size : 0;
    return result;
}

void
wi_http_out_splice(struct wi_http_conn *conn, struct weir_chain *chain)
{
    struct wi_http_out *out = out_of(conn);

    out->size += close_block(out);
    out->size += weir_chain_size(chain);
    out->conn = conn;
    weir_chain_splice(&out->chain, chain);
}

int
wi_http_out_flush(struct wi_http_conn *conn)
{
    struct wi_http_out *out = out_of(conn);
    int result;

    if (out->conn != conn) {
        return 0;
    }
    wi_add_relaxed(&conn->given, out->size + close_block(out));
    out->conn = NULL;
    out->size = 0;
    if (out->chain.head == NULL) {
        return 0;
    }
    result = weir_write_chain(wi_http_stream(conn), &out->chain, NULL, NULL);
    if (result < 0) {
        weir_chain_return(&out->chain);
        weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
    }
    return result;
}

void
wi_http_out_drop(struct wi_http_conn *conn)
{
    struct wi_http_out *out = out_of(conn);

    if (out->conn == conn) {
        (void)close_block(out);
        weir_chain_return(&out->chain);
        out->conn = NULL;
        out->size = 0;
    }
}
