/* SPDX-License-Identifier: MIT */

#include "tests/fuzz/ws_model.h"

#include "tests/fuzz/fuzz.h"
#include "tests/lib/utf8_model.h"

#include <string.h>
#ifdef WEIR_HAS_ZLIB
#include <zlib.h>
#endif

/* ---- text ---- */

// Is there anything that makes a character of these bytes and some more?
static bool
may_become_character(const uint8_t *bytes, size_t size)
{
    static const uint8_t next[] = {0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf};
    uint8_t tried[4] = {0};

    if (size > 3) {
        return false;
    }
    memcpy(tried, bytes, size);
    for (unsigned i = 0; i < 6 * 6 * 6; i++) {
        for (size_t j = size; j < 4; j++) {
            tried[j] = next[(j == size ? i : j == size + 1 ? i / 6 : i / 36) % 6];
        }
        if (utf8_model_character(tried, 4) > size) {
            return true;
        }
    }
    return false;
}

static bool
is_text(const uint8_t *bytes, size_t size, bool is_whole)
{
    while (size != 0) {
        size_t length = utf8_model_character(bytes, size);

        if (length == 0) {
            return !is_whole && may_become_character(bytes, size);
        }
        bytes += length;
        size -= length;
    }
    return true;
}

/* ---- compressed messages ---- */

#ifdef WEIR_HAS_ZLIB

// At most `room` bytes. WS_MORE: all of it; WS_BAD; WS_UNKNOWN: a block says that it is the last.
static enum ws_end
unpack(z_stream *stream, const uint8_t *from, size_t size, uint8_t *to, size_t room,
       size_t *ret_size)
{
    static const uint8_t tail[] = {0, 0, 0xff, 0xff};

    stream->next_out = to;
    stream->avail_out = (unsigned)room;
    for (unsigned i = 0; i < 2; i++) {
        stream->next_in = (uint8_t *)(uintptr_t)(i == 0 ? from : tail);
        stream->avail_in = (unsigned)(i == 0 ? size : sizeof(tail));
        while (stream->avail_in != 0) {
            int result = inflate(stream, Z_SYNC_FLUSH);

            if (result == Z_STREAM_END) {
                return WS_UNKNOWN;
            }
            if (result != Z_OK || stream->avail_out == 0) {
                return WS_BAD;
            }
        }
    }
    *ret_size = room - stream->avail_out;
    return (stream->data_type & 128) != 0 ? WS_MORE : WS_BAD;
}

struct unpacker {
    z_stream stream;
};

static void
unpacker_open(struct unpacker *unpacker)
{
    *unpacker = (struct unpacker){0};
    fuzz_require(inflateInit2(&unpacker->stream, -15) == Z_OK);
}

static void
unpacker_close(struct unpacker *unpacker)
{
    inflateEnd(&unpacker->stream);
}

#else

struct unpacker {
    struct {
        int unused;
    } stream;
};

static enum ws_end
unpack(void *stream, const uint8_t *from, size_t size, uint8_t *to, size_t room, size_t *ret_size)
{
    (void)stream;
    (void)from;
    (void)size;
    (void)to;
    (void)room;
    (void)ret_size;
    return WS_UNKNOWN;
}

static void
unpacker_open(struct unpacker *unpacker)
{
    *unpacker = (struct unpacker){{0}};
}

static void
unpacker_close(struct unpacker *unpacker)
{
    (void)unpacker;
}

#endif

/* ---- what a server reads ---- */

struct reader {
    struct ws_story *story;
    struct unpacker unpacker;
    bool is_packing_agreed;
    bool is_open; // a message
    bool is_packed;
    unsigned opcode;
    unsigned fragments;
    uint8_t message[8192]; // as it came
    size_t message_size;
};

static void
end(struct ws_story *story, enum ws_end how, unsigned code)
{
    story->end = how;
    story->code = code;
}

static void
add(struct ws_story *story, unsigned kind, const uint8_t *data, size_t size)
{
    fuzz_require(story->count < WS_EVENTS_MAX && size <= WS_DATA_MAX - story->size);
    story->events[story->count++] = (struct ws_event){(enum ws_event_kind)kind, story->size, size};
    if (size != 0) {
        memcpy(story->data + story->size, data, size);
    }
    story->size += size;
}

static void
read_close(struct ws_story *story, const uint8_t *data, size_t size)
{
    unsigned code = size >= 2 ? (unsigned)data[0] << 8 | data[1] : 1005;
    bool may_be = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                  (code >= 3000 && code <= 4999);

    if (size == 0) {
        end(story, WS_CLOSED, 1005);
    } else if (size == 1 || !may_be) {
        end(story, WS_FAILED, 1002);
    } else if (!is_text(data + 2, size - 2, true)) {
        end(story, WS_FAILED, 1007);
    } else {
        end(story, WS_CLOSED, code);
    }
}

static void
end_message(struct reader *reader)
{
    static uint8_t unpacked[WS_MESSAGE_MAX + 1];
    struct ws_story *story = reader->story;
    const uint8_t *data = reader->message;
    size_t size = reader->message_size;

    if (reader->is_packed) {
        enum ws_end how =
            unpack(&reader->unpacker.stream, data, size, unpacked, sizeof(unpacked), &size);

        if (how == WS_MORE && (size > WS_MESSAGE_MAX ||
                               (reader->opcode == WS_TEXT && !is_text(unpacked, size, true)))) {
            how = WS_BAD;
        }
        if (how != WS_MORE) {
            end(story, how, 0);
            return;
        }
        data = unpacked;
    }
    reader->is_open = false;
    add(story, reader->opcode, data, size);
}

// A data frame's head is there: may it be?
static bool
begin_frame(struct reader *reader, unsigned first, uint64_t length)
{
    struct ws_story *story = reader->story;
    unsigned opcode = first & 0xf;

    if ((opcode == 0) != reader->is_open) {
        end(story, WS_FAILED, 1002);
        return false;
    }
    if (!reader->is_open) {
        reader->is_open = true;
        reader->is_packed = (first & 0x40) != 0;
        reader->opcode = opcode;
        reader->fragments = 0;
        reader->message_size = 0;
        story->sure = story->count;
    }
    if (++reader->fragments > WS_FRAGMENTS_MAX) {
        end(story, WS_FAILED, 1008);
        return false;
    }
    if (!reader->is_packed && length > WS_MESSAGE_MAX - reader->message_size) {
        end(story, WS_FAILED, 1009);
        return false;
    }
    return true;
}

static void
read_data(struct reader *reader, unsigned first, const uint8_t *data, size_t size, bool is_all)
{
    bool is_last = is_all && (first & 0x80);

    fuzz_require(size <= sizeof(reader->message) - reader->message_size);
    memcpy(reader->message + reader->message_size, data, size);
    reader->message_size += size;
    if (!reader->is_packed && reader->opcode == WS_TEXT &&
        !is_text(reader->message, reader->message_size, is_last)) {
        end(reader->story, WS_FAILED, 1007);
    } else if (is_last) {
        end_message(reader);
    }
}

static bool
is_good_start(const struct reader *reader, unsigned first)
{
    unsigned opcode = first & 0xf;
    bool is_data = opcode <= 2;

    if ((first & 0x30) != 0 || (!is_data && (opcode < 8 || opcode > 10))) {
        return false;
    }
    if (first & 0x40) {
        return reader->is_packing_agreed && (opcode == 1 || opcode == 2);
    }
    return is_data || (first & 0x80) != 0;
}

// One frame. Its size; 0: it is not all there, or the story has ended.
static size_t
read_frame(struct reader *reader, const uint8_t *bytes, size_t size)
{
    static uint8_t payload[8192];
    struct ws_story *story = reader->story;
    size_t head = 2;
    uint64_t length;
    size_t there;

    if (!is_good_start(reader, bytes[0]) ||
        (size >= 2 && (!(bytes[1] & 0x80) || ((bytes[0] & 8) && (bytes[1] & 0x7f) > 125)))) {
        end(story, WS_FAILED, 1002);
        return 0;
    }
    if (size < 2) {
        return 0;
    }
    length = bytes[1] & 0x7f;
    if (length >= 126) {
        size_t width = length == 126 ? 2 : 8;

        if (size < 2 + width) {
            return 0;
        }
        length = 0;
        for (size_t i = 0; i < width; i++) {
            length = length << 8 | bytes[2 + i];
        }
        if (length < (width == 2 ? 126u : 65536u) || length >> 63 != 0) {
            end(story, WS_FAILED, 1002);
            return 0;
        }
        head += width;
    }
    if (size < head + 4) {
        return 0;
    }
    if (!(bytes[0] & 8) && !begin_frame(reader, bytes[0], length)) {
        return 0;
    }
    there = size - head - 4 < length ? size - head - 4 : (size_t)length;
    fuzz_require(there <= sizeof(payload));
    for (size_t i = 0; i < there; i++) {
        payload[i] = bytes[head + 4 + i] ^ bytes[head + i % 4];
    }
    if (!(bytes[0] & 8)) {
        read_data(reader, bytes[0], payload, there, there == length);
    } else if (there == length && (bytes[0] & 0xf) == 8) {
        read_close(story, payload, there);
    } else if (there == length) {
        add(story, bytes[0] & 0xf, payload, there);
    }
    return there == length && story->end == WS_MORE ? head + 4 + there : 0;
}

void
ws_model_read(struct ws_story *story, const uint8_t *bytes, size_t size, bool is_packed)
{
    static struct reader reader;
    size_t frame;

    memset(&reader, 0, sizeof(reader));
    reader.story = story;
    reader.is_packing_agreed = is_packed;
    unpacker_open(&reader.unpacker);
    story->count = 0;
    story->size = 0;
    end(story, WS_MORE, 0);
    while (size != 0 && (frame = read_frame(&reader, bytes, size)) != 0) {
        bytes += frame;
        size -= frame;
    }
    if (!reader.is_open || !reader.is_packed) {
        story->sure = story->count;
    } else { // it may have failed, by what there is of a compressed message, before what came then
        story->end = story->end == WS_FAILED || story->end == WS_BAD ? WS_BAD : WS_UNKNOWN;
    }
    unpacker_close(&reader.unpacker);
}

/* ---- what a server writes ---- */

static void
sent_add(struct ws_sent *sent, unsigned kind, const uint8_t *data, size_t size)
{
    fuzz_require(sent->count < WS_EVENTS_MAX && size <= WS_DATA_MAX - sent->size);
    sent->events[sent->count++] = (struct ws_event){(enum ws_event_kind)kind, sent->size, size};
    if (size != 0) {
        memcpy(sent->data + sent->size, data, size);
    }
    sent->size += size;
}

void
ws_model_sent(struct ws_sent *sent, const uint8_t *bytes, size_t size)
{
    static uint8_t unpacked[WS_MESSAGE_MAX + 1];
    struct unpacker unpacker;

    unpacker_open(&unpacker);
    sent->count = 0;
    sent->size = 0;
    sent->has_close = false;
    while (size != 0) {
        unsigned opcode = bytes[0] & 0xf;
        size_t head = 2;
        size_t length;

        fuzz_require(!sent->has_close); // nothing follows it
        fuzz_require((bytes[0] & 0x80) && !(bytes[0] & 0x30) && size >= 2);
        length = bytes[1];
        fuzz_require(length <= 126); // no mask, and nothing as large as that
        if (length == 126) {
            fuzz_require(size >= 4 && opcode < 8);
            length = (size_t)bytes[2] << 8 | bytes[3];
            fuzz_require(length >= 126);
            head = 4;
        }
        fuzz_require(length <= size - head);
        if (opcode == 8) {
            fuzz_require(length == 0 || length == 2);
            sent->has_close = true;
            sent->code = length == 0 ? 1005 : (unsigned)bytes[2] << 8 | bytes[3];
        } else if (bytes[0] & 0x40) {
            size_t got = 0;

            fuzz_require(opcode == 1 || opcode == 2);
            fuzz_require(unpack(&unpacker.stream, bytes + head, length, unpacked, sizeof(unpacked),
                                &got) == WS_MORE);
            sent_add(sent, opcode, unpacked, got);
        } else {
            fuzz_require(opcode == 1 || opcode == 2 || opcode == 10);
            sent_add(sent, opcode, bytes + head, length);
        }
        bytes += head + length;
        size -= head + length;
    }
    unpacker_close(&unpacker);
}
