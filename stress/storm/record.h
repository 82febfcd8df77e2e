/* SPDX-License-Identifier: MIT */
#ifndef STORM_RECORD_H
#define STORM_RECORD_H

// What travels. A message is one record: a header that describes itself, and a payload that follows
// from the header. The receiver answers with acknowledgements, and when a connection has ended it
// reports what it saw to the writer's process by another way.

#include "random.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RECORD_MAGIC 0x72696577u

enum record_flag {
    RECORD_HELLO = 1 << 0,     // the first of a connection; carries how to treat it
    RECORD_BROADCAST = 1 << 1, // the same bytes go to several connections: no link, no sequence
    RECORD_PRIORITY = 1 << 2,  // ordered among its like only
    RECORD_RESET = 1 << 3,     // asks the receiver to reset the connection
    RECORD_QUIET = 1 << 4,     // hello: no acknowledgements
    RECORD_PACED = 1 << 5,     // hello: read slowly
};
#define RECORD_MEMORY_SHIFT 8 // above the flags: what kind of memory it came from

struct record {
    uint32_t magic;
    uint16_t producer;
    uint16_t flags;
    uint32_t link;      // which connection
    uint32_t sequence;  // of this producer on this connection; gaps were cancelled or refused
    uint32_t size;      // of the payload
    uint32_t attempt;   // tells a message from another that was refused in its place
    uint64_t submit_ns; // 0: not measured
    uint64_t check;     // of all above; every record has its own
};
static_assert(sizeof(struct record) == 40, "a record's header is the same in both processes");

static inline uint64_t
record_check(const struct record *record)
{
    uint64_t words[4];

    memcpy(words, record, sizeof(words));
    uint64_t check = words[0] * UINT64_C(0x9e3779b97f4a7c15);
    check = (check ^ (check >> 32) ^ words[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    check = (check ^ (check >> 29) ^ words[2]) * UINT64_C(0x94d049bb133111eb);
    check = (check ^ (check >> 31) ^ words[3]) * UINT64_C(0x9e3779b97f4a7c15);
    return check ^ (check >> 32);
}

static inline void
record_seal(struct record *record)
{
    record->magic = RECORD_MAGIC;
    record->check = record_check(record);
}

static inline bool
record_is_sealed(const struct record *record)
{
    return record->magic == RECORD_MAGIC && record->check == record_check(record);
}

// The payloads: any stretch of one random table that nobody can write to.
void pattern_create(uint64_t seed, size_t size_max);
const uint8_t *pattern_of(const struct record *record);
size_t pattern_size_max(void);

// The table as a file, and where in it a record's payload begins. The caller closes it.
int pattern_file(void);
uint64_t pattern_offset_of(const struct record *record);

// Records counted, in the order they came and regardless of it.
struct digest {
    uint64_t count;
    uint64_t order; // hash that depends on the order
    uint64_t set;   // hash that does not
};

static inline void
digest_add(struct digest *digest, uint64_t check)
{
    digest->count++;
    digest->order = random_mix(digest->order ^ check);
    digest->set += check;
}

// What the receiver sends back: all it has seen so far.
struct ack {
    uint64_t bytes;
    struct digest digest;
    uint64_t submit_ns; // of the newest record that carries one, 0: none since the last
};
static_assert(sizeof(struct ack) == 40, "an acknowledgement is the same in both processes");

enum report_end {
    REPORT_EOF,    // the writer ended
    REPORT_RESET,  // the writer reset the connection
    REPORT_ASKED,  // the receiver did, as it was asked to
    REPORT_BROKEN, // the receiver did, for what it saw was wrong
};

struct report {
    uint32_t link;
    uint32_t end; // enum report_end
    uint64_t bytes;
    uint64_t tail; // bytes behind the last whole record
    struct digest digest;
};

#endif /* STORM_RECORD_H */
