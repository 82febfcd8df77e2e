/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "verdict.h"

#include <sys/mman.h>
#include <unistd.h>

#define OFFSETS 65536u // a payload may begin at any 8th byte below

static uint8_t *table;
static size_t table_size;
static size_t table_payload_max;

void
pattern_create(uint64_t seed, size_t size_max)
{
    size_t size = (size_max + OFFSETS + 4095) & ~(size_t)4095;
    struct random random;

    table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    storm_require(table != MAP_FAILED, "memory for the pattern");
    random_init(&random, seed, 0);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = random_next(&random);

        memcpy(table + i, &word, 8);
    }
    storm_require(mprotect(table, size, PROT_READ) == 0, "mprotect");
    table_size = size;
    table_payload_max = size_max;
}

const uint8_t *
pattern_of(const struct record *record)
{
    return table + pattern_offset_of(record);
}

uint64_t
pattern_offset_of(const struct record *record)
{
    return (record->check >> 20) & (OFFSETS - 8);
}

int
pattern_file(void)
{
    int fd = memfd_create("weir-storm pattern", MFD_CLOEXEC);

    storm_require(fd >= 0, "a file for the pattern");
    for (size_t written = 0; written < table_size;) {
        ssize_t size = write(fd, table + written, table_size - written);

        storm_require(size > 0, "memory for the pattern's file");
        written += (size_t)size;
    }
    return fd;
}

size_t
pattern_size_max(void)
{
    return table_payload_max;
}
