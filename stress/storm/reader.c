/* SPDX-License-Identifier: MIT */
#include "reader.h"

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// The two differ, so this ends.
static void
find_wrong(struct reader *reader, const uint8_t *data, size_t at)
{
    const uint8_t *right = pattern_of(&reader->head) + at;
    size_t i = 0;

    while (data[i] == right[i]) {
        i++;
    }
    reader->wrong_at = reader->got + i;
    reader->wrong_byte = data[i];
}

const char *
reader_feed(struct reader *reader, const uint8_t *data, size_t size, reader_fn *fn, void *arg)
{
    const size_t head_size = sizeof(reader->head);

    while (size > 0) {
        size_t step;

        if (reader->got < head_size) {
            step = smaller(size, head_size - (size_t)reader->got);
            memcpy((uint8_t *)&reader->head + reader->got, data, step);
            if (reader->got + step == head_size && !record_is_sealed(&reader->head)) {
                return "bytes that are no header where a record must begin";
            }
            if (reader->got + step == head_size && reader->head.size > pattern_size_max()) {
                return "a record larger than any that was written";
            }
        } else {
            size_t at = (size_t)reader->got - head_size;

            step = smaller(size, reader->head.size - at);
            if (memcmp(data, pattern_of(&reader->head) + at, step) != 0) {
                find_wrong(reader, data, at);
                return "a payload with wrong bytes";
            }
        }
        reader->got += step;
        data += step;
        size -= step;
        if (reader->got >= head_size && reader->got == head_size + reader->head.size) {
            const char *wrong = fn(arg, &reader->head);

            reader->got = 0;
            if (wrong != NULL) {
                return wrong;
            }
        }
    }
    return NULL;
}
