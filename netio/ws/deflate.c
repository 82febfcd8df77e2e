/* SPDX-License-Identifier: MIT */
// The one file that uses zlib.

#include "netio/ws/deflate.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#define UNPACKED_MAX 8192u
#define MEMORY_LEVEL 8

// What a sender leaves off the end of each message, for it is always the same.
static const unsigned char message_tail[] = {0x00, 0x00, 0xff, 0xff};

bool
wi_ws_has_deflate(void)
{
    return true;
}

static void *
take_memory(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return wi_heap_alloc((size_t)count * size);
}

static void
give_memory(void *opaque, void *memory)
{
    (void)opaque;
    wi_heap_free(memory);
}

/* ---- packing ---- */

struct wi_ws_packer {
    z_stream *stream;         // NULL: no message was packed since the context was new
    struct weir_block *block; // that is being filled
    size_t used;
    int window_bits;
    int level;
    bool keeps_context;
};

struct wi_ws_packer *
wi_ws_packer_make(unsigned window_bits, bool keeps_context, int level)
{
    struct wi_ws_packer *packer = wi_heap_zalloc(sizeof(*packer));

    if (packer != NULL) {
        packer->window_bits = (int)window_bits;
        packer->level = level;
        packer->keeps_context = keeps_context;
    }
    return packer;
}

static void
end_packing(struct wi_ws_packer *packer)
{
    if (packer->stream != NULL) {
        deflateEnd(packer->stream);
        wi_heap_free(packer->stream);
        packer->stream = NULL;
    }
}

void
wi_ws_packer_free(struct wi_ws_packer *packer)
{
    if (packer != NULL) {
        wi_ws_packer_reset(packer);
        end_packing(packer);
        wi_heap_free(packer);
    }
}

bool
wi_ws_packer_keeps(const struct wi_ws_packer *packer)
{
    return packer->keeps_context;
}

void
wi_ws_packer_reset(struct wi_ws_packer *packer)
{
    if (packer->block != NULL) {
        weir_block_return(packer->block);
        packer->block = NULL;
    }
    packer->used = 0;
    if (packer->stream != NULL) {
        deflateReset(packer->stream);
    }
}

static int
begin_packing(struct wi_ws_packer *packer)
{
    if (packer->stream != NULL) {
        return 0;
    }
    packer->stream = wi_heap_zalloc(sizeof(*packer->stream));
    if (packer->stream == NULL) {
        return -ENOMEM;
    }
    packer->stream->zalloc = take_memory;
    packer->stream->zfree = give_memory;
    if (deflateInit2(packer->stream, packer->level, Z_DEFLATED, -packer->window_bits, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        wi_heap_free(packer->stream);
        packer->stream = NULL;
        return -ENOMEM;
    }
    return 0;
}

// Somewhere to put the next bytes.
static int
make_room(struct wi_ws_packer *packer, struct weir_chain *chain)
{
    if (packer->block != NULL && packer->used == WEIR_BLOCK_SIZE) {
        int result = weir_chain_append_block(chain, packer->block, packer->used);

        if (result < 0) {
            return result;
        }
        packer->block = NULL;
    }
    if (packer->block == NULL) {
        packer->block = weir_block_lease(WEIR_BLOCK_SIZE);
        packer->used = 0;
    }
    return packer->block == NULL ? -ENOMEM : 0;
}

// One look of zlib's at its input. False: it has no more for us.
static int
pack_step(struct wi_ws_packer *packer, int flush, struct weir_chain *chain, bool *ret_has_more)
{
    z_stream *stream = packer->stream;
    int result = make_room(packer, chain);

    if (result < 0) {
        return result;
    }
    stream->next_out = weir_block_data(packer->block) + packer->used;
    stream->avail_out = (unsigned)(WEIR_BLOCK_SIZE - packer->used);
    result = deflate(stream, flush);
    packer->used = WEIR_BLOCK_SIZE - stream->avail_out;
    *ret_has_more = stream->avail_out == 0;
    return result == Z_OK || result == Z_BUF_ERROR ? 0 : -ENOMEM;
}

int
wi_ws_pack(struct wi_ws_packer *packer, const void *data, size_t size, struct weir_chain *chain)
{
    const unsigned char *from = data;
    int result = begin_packing(packer);

    while (result == 0 && size != 0) {
        unsigned part = size < UINT_MAX / 2 ? (unsigned)size : UINT_MAX / 2;
        bool has_more = true;

        packer->stream->next_in = (unsigned char *)(uintptr_t)from;
        packer->stream->avail_in = part;
        while (result == 0 && has_more) {
            result = pack_step(packer, Z_NO_FLUSH, chain, &has_more);
        }
        from += part;
        size -= part;
    }
    return result;
}

// Without the message's tail.
static int
cut_tail(struct weir_chain *chain)
{
    struct weir_chain front = {NULL, NULL};
    size_t size = weir_chain_size(chain);
    int result = weir_chain_split(chain, size - sizeof(message_tail), &front);

    if (result == 0) {
        weir_chain_return(chain);
        *chain = front;
    }
    return result;
}

int
wi_ws_pack_end(struct wi_ws_packer *packer, struct weir_chain *chain)
{
    int result = begin_packing(packer);
    bool has_more = true;

    while (result == 0 && has_more) {
        result = pack_step(packer, Z_SYNC_FLUSH, chain, &has_more);
    }
    if (result == 0) {
        bool is_here = packer->used >= sizeof(message_tail);
        size_t size = is_here ? packer->used - sizeof(message_tail) : packer->used;

        result = weir_chain_append_block(chain, packer->block, size);
        packer->block = result == 0 ? NULL : packer->block;
        result = result == 0 && !is_here ? cut_tail(chain) : result;
    }
    if (!packer->keeps_context && result == 0) {
        end_packing(packer);
    }
    return result;
}

/* ---- unpacking ---- */

struct unpacking {
    z_stream stream;
    unsigned char out[UNPACKED_MAX];
};

struct wi_ws_unpacker {
    struct unpacking *state; // NULL: no message came since the context was new
    const unsigned char *data;
    size_t size;
    int window_bits;
    bool keeps_context;
    bool has_tail; // the tail was given
};

struct wi_ws_unpacker *
wi_ws_unpacker_make(unsigned window_bits, bool keeps_context)
{
    struct wi_ws_unpacker *unpacker = wi_heap_zalloc(sizeof(*unpacker));

    if (unpacker != NULL) {
        unpacker->window_bits = (int)window_bits;
        unpacker->keeps_context = keeps_context;
    }
    return unpacker;
}

static void
end_unpacking(struct wi_ws_unpacker *unpacker)
{
    if (unpacker->state != NULL) {
        inflateEnd(&unpacker->state->stream);
        wi_heap_free(unpacker->state);
        unpacker->state = NULL;
    }
}

void
wi_ws_unpacker_free(struct wi_ws_unpacker *unpacker)
{
    if (unpacker != NULL) {
        end_unpacking(unpacker);
        wi_heap_free(unpacker);
    }
}

void
wi_ws_unpacker_rest(struct wi_ws_unpacker *unpacker)
{
    if (!unpacker->keeps_context) {
        end_unpacking(unpacker);
    }
}

static int
begin_unpacking(struct wi_ws_unpacker *unpacker)
{
    z_stream *stream;

    if (unpacker->state != NULL) {
        return 0;
    }
    unpacker->state = wi_heap_alloc(sizeof(*unpacker->state));
    if (unpacker->state == NULL) {
        return -ENOMEM;
    }
    stream = &unpacker->state->stream;
    *stream = (z_stream){.zalloc = take_memory, .zfree = give_memory};
    if (inflateInit2(stream, -unpacker->window_bits) != Z_OK) {
        wi_heap_free(unpacker->state);
        unpacker->state = NULL;
        return -ENOMEM;
    }
    return 0;
}

void
wi_ws_unpacker_give(struct wi_ws_unpacker *unpacker, const unsigned char *data, size_t size)
{
    unpacker->data = data;
    unpacker->size = size;
}

// A block said that it is the last one (RFC 7692, section 7.2.3.4): more may follow all the same,
// and refer to what was before.
static int
go_on(z_stream *stream)
{
    unsigned char *window = wi_heap_alloc(32768);
    unsigned size = 0;
    int result = -ENOMEM;

    if (window != NULL && inflateGetDictionary(stream, window, &size) == Z_OK &&
        inflateReset(stream) == Z_OK &&
        (size == 0 || inflateSetDictionary(stream, window, size) == Z_OK)) {
        result = 0;
    }
    wi_heap_free(window);
    return result;
}

// Fill the room, from what was given and, behind it, the tail of a message that is complete.
static int
fill(struct wi_ws_unpacker *unpacker, bool is_last)
{
    z_stream *stream = &unpacker->state->stream;

    for (;;) {
        int result;

        if (unpacker->size == 0 && is_last && !unpacker->has_tail) {
            unpacker->has_tail = true;
            wi_ws_unpacker_give(unpacker, message_tail, sizeof(message_tail));
        }
        stream->next_in = (unsigned char *)(uintptr_t)unpacker->data;
        stream->avail_in = (unsigned)unpacker->size;
        result = inflate(stream, Z_SYNC_FLUSH);
        unpacker->data = stream->next_in;
        unpacker->size = stream->avail_in;
        if (result == Z_STREAM_END) {
            result = go_on(stream) == 0 ? Z_OK : Z_MEM_ERROR;
        }
        if (result != Z_OK && result != Z_BUF_ERROR) {
            return result == Z_MEM_ERROR ? -ENOMEM : -EILSEQ;
        }
        if (stream->avail_out == 0 || (unpacker->size == 0 && (!is_last || unpacker->has_tail))) {
            return 0;
        }
    }
}

// zlib stands behind a whole block, at a byte's end.
static bool
is_at_end(const z_stream *stream)
{
    return (stream->data_type & 128) != 0 && (stream->data_type & 7) == 0;
}

int
wi_ws_unpack(struct wi_ws_unpacker *unpacker, bool is_last, struct wi_ws_unpacked *ret_out)
{
    int result = begin_unpacking(unpacker);
    z_stream *stream;

    *ret_out = (struct wi_ws_unpacked){0};
    if (result < 0) {
        return result;
    }
    stream = &unpacker->state->stream;
    stream->next_out = unpacker->state->out;
    stream->avail_out = UNPACKED_MAX;
    result = fill(unpacker, is_last);
    if (result < 0) {
        return result;
    }
    ret_out->data = unpacker->state->out;
    ret_out->size = UNPACKED_MAX - stream->avail_out;
    ret_out->has_more = stream->avail_out == 0;
    if (is_last && !ret_out->has_more) {
        unpacker->has_tail = false;
        return is_at_end(stream) ? 0 : -EILSEQ;
    }
    return 0;
}
