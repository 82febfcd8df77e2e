/* SPDX-License-Identifier: MIT */
#ifndef STORM_READER_H
#define STORM_READER_H

// Takes a byte stream apart into records, however it was cut, and compares every byte with what the
// header promises. Knows nothing of sockets.

#include "record.h"

// A whole record has been read and its bytes are right. NULL: go on; else what is wrong with it.
typedef const char *reader_fn(void *arg, const struct record *record);

struct reader {
    struct record head;
    uint64_t got;      // bytes of the current record
    uint64_t wrong_at; // which byte of it was wrong, when one was
    uint8_t wrong_byte;
};

// NULL, or what is wrong; the reader must not be fed again then.
const char *reader_feed(struct reader *reader, const uint8_t *data, size_t size, reader_fn *fn,
                        void *arg);

#endif /* STORM_READER_H */
