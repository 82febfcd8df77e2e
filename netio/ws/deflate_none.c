/* SPDX-License-Identifier: MIT */
// deflate.h in a build without zlib: there is nothing that could be agreed on.

#include "netio/ws/deflate.h"

#include <errno.h>

bool
wi_ws_has_deflate(void)
{
    return false;
}

struct wi_ws_packer *
wi_ws_packer_make(unsigned window_bits, bool keeps_context, int level)
{
    (void)window_bits;
    (void)keeps_context;
    (void)level;
    return NULL;
}

void
wi_ws_packer_free(struct wi_ws_packer *packer)
{
    (void)packer;
}

int
wi_ws_pack(struct wi_ws_packer *packer, const void *data, size_t size, struct weir_chain *chain)
{
    (void)packer;
    (void)data;
    (void)size;
    (void)chain;
    return -ENOTSUP;
}

int
wi_ws_pack_end(struct wi_ws_packer *packer, struct weir_chain *chain)
{
    (void)packer;
    (void)chain;
    return -ENOTSUP;
}

void
wi_ws_packer_reset(struct wi_ws_packer *packer)
{
    (void)packer;
}

bool
wi_ws_packer_keeps(const struct wi_ws_packer *packer)
{
    (void)packer;
    return false;
}

struct wi_ws_unpacker *
wi_ws_unpacker_make(unsigned window_bits, bool keeps_context)
{
    (void)window_bits;
    (void)keeps_context;
    return NULL;
}

void
wi_ws_unpacker_free(struct wi_ws_unpacker *unpacker)
{
    (void)unpacker;
}

void
wi_ws_unpacker_rest(struct wi_ws_unpacker *unpacker)
{
    (void)unpacker;
}

void
wi_ws_unpacker_give(struct wi_ws_unpacker *unpacker, const unsigned char *data, size_t size)
{
    (void)unpacker;
    (void)data;
    (void)size;
}

int
wi_ws_unpack(struct wi_ws_unpacker *unpacker, bool is_last, struct wi_ws_unpacked *ret_out)
{
    (void)unpacker;
    (void)is_last;
    *ret_out = (struct wi_ws_unpacked){0};
    return -ENOTSUP;
}
