// SPDX-License-Identifier: MIT
// Memory as the fibers see it: store buffers, who has seen what of whom, and races.
//
// Memory itself always holds what the last fiber that stored to a word made of it, so that the
// fiber's own plain reads of the word are right. `seen` holds what all others see of words with
// stores on their way.
//
// Order is counted as by C11: clocks of fibers, what a release leaves at a word, what an acquire
// takes from it, fences beside relaxed accesses, release sequences.

#include "tests/sched/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#undef memcpy
#undef memset

#define BUFFER_MAX  8u
#define WORDS_MAX   16384u
#define ARENA_SIZE  (UINT64_C(64) << 20)
#define GRANULE     4u
#define FREED_BLOCK 64u

#define SITES_MAX     8192u
#define SCENARIOS_MAX 128u
#define WORD_SITES    12u

extern char __executable_start[], __data_start[], _end[];
extern char __start_sched_tls[], __stop_sched_tls[];

struct clock {
    uint32_t of[SCHED_FIBERS_MAX];
};

// An atomic word that was accessed in this run.
struct word {
    uintptr_t at;
    uint64_t run;
    size_t size;
    unsigned pending;        // stores on their way
    uint64_t seen;           // while there are any
    struct clock release;    // what who acquires it has seen
    unsigned users, writers; // fibers, as bits
    uint16_t sites[WORD_SITES];
    unsigned site_count;
};

struct store {
    struct word *word;
    uint64_t value;
    struct clock release;
};

struct fiber_memory {
    struct clock now;
    struct clock pending;   // what an acquire fence would take
    struct clock fenced;    // what relaxed stores release: the last release fence
    struct clock dependent; // ordered before stores only
    struct store buffer[BUFFER_MAX];
    unsigned buffered;
};

// Plain accesses to four bytes. Atomic ones count as reads.
struct cell {
    uint64_t run;
    uint32_t write;
    uint32_t writer;
    uint32_t reads[SCHED_FIBERS_MAX];
    const char *write_pc, *read_pc; // the last ones
};

static struct memory {
    uint64_t run;
    struct fiber_memory fibers[SCHED_FIBERS_MAX];
    struct word words[WORDS_MAX];
    unsigned word_count;
    char *arena;
    size_t used;
    struct cell *arena_cells, *data_cells, *stack_cells;
    const char *stacks;
    size_t stacks_size;
    const char *pc;  // of the access now
    bool *is_shared; // by sites, of the scenario now
    const void *scenarios[SCENARIOS_MAX];
    bool is_shared_of[SCENARIOS_MAX][SITES_MAX];
    bool has_learned;
    uint64_t *freed;   // by blocks of the arena: the run in which it was freed
    uint64_t *touched; // by pages of the arena: the run in which it was accessed
} * memory;

static void *
map(size_t size)
{
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mapped == MAP_FAILED) {
        perror("weir-sched: mmap");
        exit(2);
    }
    return mapped;
}

void
sched_memory_start(const char *stacks, size_t stacks_size)
{
    memory = map(sizeof(*memory));
    memory->stacks = stacks;
    memory->stacks_size = stacks_size;
    memory->stack_cells = map(stacks_size / GRANULE * sizeof(struct cell));
    memory->arena = map(ARENA_SIZE);
    memory->arena_cells = map(ARENA_SIZE / GRANULE * sizeof(struct cell));
    memory->data_cells = map(((size_t)(_end - __data_start) / GRANULE + 2) * sizeof(struct cell));
    memory->freed = map(ARENA_SIZE / FREED_BLOCK * sizeof(uint64_t));
    memory->touched = map(ARENA_SIZE / 4096 * sizeof(uint64_t));
}

void
sched_memory_reset(void)
{
    memory->run++;
    memory->used = 0;
    memory->word_count = 0;
    memset(memory->fibers, 0, sizeof(memory->fibers));
    for (unsigned i = 0; i < SCHED_FIBERS_MAX; i++) {
        memory->fibers[i].now.of[i] = 1;
    }
}

/* ---- clocks ---- */

static void
join(struct clock *into, const struct clock *from)
{
    for (unsigned i = 0; i < SCHED_FIBERS_MAX; i++) {
        into->of[i] = into->of[i] > from->of[i] ? into->of[i] : from->of[i];
    }
}

static struct fiber_memory *
own(void)
{
    return &memory->fibers[sched_current()];
}

void
sched_memory_fork(unsigned parent, unsigned child)
{
    join(&memory->fibers[child].now, &memory->fibers[parent].now);
    memory->fibers[parent].now.of[parent]++;
}

void
sched_memory_join(unsigned parent, unsigned child)
{
    join(&memory->fibers[parent].now, &memory->fibers[child].now);
}

/* ---- races ---- */

static struct cell *
cell_of(uintptr_t at)
{
    uintptr_t arena = (uintptr_t)memory->arena;
    uintptr_t data = (uintptr_t)__data_start;

    if (at - arena < ARENA_SIZE) {
        memory->touched[(at - arena) / 4096] = memory->run;
        return &memory->arena_cells[(at - arena) / GRANULE];
    }
    if (at - data < (uintptr_t)(_end - __data_start) &&
        !(at >= (uintptr_t)__start_sched_tls && at < (uintptr_t)__stop_sched_tls)) {
        return &memory->data_cells[(at - data) / GRANULE];
    }
    if (at - (uintptr_t)memory->stacks < memory->stacks_size) {
        return &memory->stack_cells[(at - (uintptr_t)memory->stacks) / GRANULE];
    }
    return NULL;
}

static void
check_alive(uintptr_t at)
{
    uintptr_t offset = at - (uintptr_t)memory->arena;

    if (offset < ARENA_SIZE && memory->freed[offset / FREED_BLOCK] == memory->run) {
        sched_fail("freed memory is accessed at %#tx", memory->pc - __executable_start);
    }
}

enum access { PLAIN_READ, PLAIN_WRITE, ATOMIC };

static void
touch_cell(struct cell *cell, enum access access)
{
    static const char *const words[] = {"a read", "a write", "an atomic access"};
    struct fiber_memory *self = own();
    unsigned me = sched_current();

    if (cell->run != memory->run) {
        memset(cell, 0, sizeof(*cell));
        cell->run = memory->run;
    }
    if (cell->write > self->now.of[cell->writer]) {
        sched_fail("a race: %s at %#tx after another fiber's write at %#tx", words[access],
                   memory->pc - __executable_start, cell->write_pc - __executable_start);
    }
    if (access != PLAIN_WRITE) {
        cell->reads[me] = self->now.of[me];
        cell->read_pc = memory->pc;
        return;
    }
    for (unsigned i = 0; i < SCHED_FIBERS_MAX; i++) {
        if (cell->reads[i] > self->now.of[i] && cell->reads[i] > self->dependent.of[i]) {
            sched_fail("a race: a write at %#tx after another fiber's access, the last at %#tx",
                       memory->pc - __executable_start, cell->read_pc - __executable_start);
        }
        cell->reads[i] = 0;
    }
    cell->write = self->now.of[me];
    cell->writer = me;
    cell->write_pc = memory->pc;
}

static void
touch_cells(uintptr_t first, size_t size, enum access access)
{
    check_alive(first);
    if (!sched_is_watched()) {
        return;
    }
    for (uintptr_t part = first & ~(uintptr_t)(GRANULE - 1); part < first + size; part += GRANULE) {
        struct cell *cell = cell_of(part);

        if (cell != NULL) {
            touch_cell(cell, access);
        }
    }
}

// Always inlined, so that the address is that of the code that accesses.
static inline __attribute__((always_inline)) void
touch(const volatile void *at, size_t size, enum access access)
{
    if (memory != NULL && memory->run != 0) {
        memory->pc = __builtin_return_address(0);
        touch_cells((uintptr_t)at, size, access);
    }
}

void
sched_read(const void *at, size_t size)
{
    touch(at, size, PLAIN_READ);
}

void
sched_write(void *at, size_t size)
{
    touch(at, size, PLAIN_WRITE);
}

void
sched_lose(const void *at, size_t size)
{
    uintptr_t arena = (uintptr_t)memory->arena;
    uintptr_t first = (uintptr_t)at;

    for (uintptr_t part = first; sched_is_watched() && part < first + size; part += GRANULE) {
        if (memory->touched[(part - arena) / 4096] != memory->run) {
            part = (part | 4095) + 1 - GRANULE; // nobody was on this page
        } else {
            struct cell *cell = cell_of(part);

            if (cell->run == memory->run) {
                touch_cell(cell, PLAIN_WRITE);
            }
        }
    }
}

/* ---- the arena ---- */

void *
sched_arena_take(size_t size, size_t alignment)
{
    size_t begin = (memory->used + alignment - 1) & ~(alignment - 1);

    if (begin + size > ARENA_SIZE) {
        sched_fail("the scenario takes more than %llu bytes", (unsigned long long)ARENA_SIZE);
    }
    memory->used = (begin + size + FREED_BLOCK - 1) & ~(size_t)(FREED_BLOCK - 1);
    return memory->arena + begin;
}

void
sched_arena_free(void *freed, size_t size)
{
    size_t offset = (size_t)((char *)freed - memory->arena);

    if (memory->freed[offset / FREED_BLOCK] == memory->run) {
        sched_fail("memory is freed twice");
    }
    sched_lose(freed, size);
    for (size_t at = offset; at < offset + size; at += FREED_BLOCK) {
        memory->freed[at / FREED_BLOCK] = memory->run;
    }
}

bool
sched_is_freed(const void *block)
{
    return memory->freed[(size_t)((const char *)block - memory->arena) / FREED_BLOCK] ==
           memory->run;
}

/* ---- atomic words ---- */

static struct word *
word_of(const volatile void *at, size_t size)
{
    uintptr_t key = (uintptr_t)at;
    size_t i = (key >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> 50;

    while (memory->words[i].run == memory->run && memory->words[i].at != key) {
        i = (i + 1) % WORDS_MAX;
    }
    if (memory->words[i].run != memory->run) {
        if (++memory->word_count == WORDS_MAX) {
            sched_fail("the scenario has more than %u atomic words", WORDS_MAX - 1);
        }
        memory->words[i] = (struct word){.at = key, .run = memory->run, .size = size};
    }
    return &memory->words[i];
}

static uint64_t
read_word(const volatile void *at, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, (const void *)(uintptr_t)at, size);
    return value;
}

static void
write_word(uintptr_t at, uint64_t value, size_t size)
{
    memcpy((void *)at, &value, size);
}

unsigned
sched_memory_buffered(unsigned fiber)
{
    return memory->fibers[fiber].buffered;
}

void
sched_memory_drain_one(unsigned fiber)
{
    struct fiber_memory *self = &memory->fibers[fiber];
    struct word *word = self->buffer[0].word;

    word->seen = self->buffer[0].value;
    word->release = self->buffer[0].release;
    if (--word->pending == 0) {
        write_word(word->at, word->seen, word->size);
    }
    self->buffered--;
    memmove(self->buffer, self->buffer + 1, self->buffered * sizeof(self->buffer[0]));
}

void
sched_drain(void)
{
    while (own()->buffered != 0) {
        sched_memory_drain_one(sched_current());
    }
}

uint64_t
sched_peek(const void *at, size_t size)
{
    const struct word *word = word_of(at, size);

    return word->pending != 0 ? word->seen : read_word(at, size);
}

/* ---- what is shared ---- */

void
sched_memory_begin(const void *scenario)
{
    unsigned i = 0;

    while (memory->scenarios[i] != NULL && memory->scenarios[i] != scenario) {
        i++;
    }
    if (i == SCENARIOS_MAX - 1 || __stop_sched_sites - __start_sched_sites > SITES_MAX) {
        fprintf(stderr, "weir-sched: more scenarios or places than it has room for\n");
        exit(2);
    }
    memory->scenarios[i] = scenario;
    memory->is_shared = memory->is_shared_of[i];
}

bool
sched_memory_has_learned(void)
{
    bool has_learned = memory->has_learned;

    memory->has_learned = false;
    return has_learned;
}

static void
learn(unsigned site)
{
    if (!memory->is_shared[site]) {
        memory->is_shared[site] = true;
        memory->has_learned = true;
    }
}

// The place accesses the word. Once several fibers have, and one of them wrote, this and all other
// places that did are where it matters when fibers change.
static void
note_use(struct word *word, const struct sched_site *site, bool is_write)
{
    unsigned number = (unsigned)(site - __start_sched_sites);

    if (sched_current() == 0) {
        return;
    }
    word->users |= 1u << sched_current();
    word->writers |= is_write ? 1u << sched_current() : 0;
    if (word->writers != 0 && (word->users & (word->users - 1)) != 0) {
        learn(number);
        while (word->site_count != 0) {
            learn(word->sites[--word->site_count]);
        }
        return;
    }
    for (unsigned i = 0; i < word->site_count; i++) {
        if (word->sites[i] == number) {
            return;
        }
    }
    if (word->site_count == WORD_SITES) {
        learn(number); // no room to remember it
    } else {
        word->sites[word->site_count++] = (uint16_t)number;
    }
}

// @p is_update: it lets stores out.
static void
point_at(const struct sched_site *site, bool is_update)
{
    unsigned buffered = own()->buffered;

    sched_point_quiet(!memory->is_shared[site - __start_sched_sites] &&
                      (is_update ? buffered == 0 : buffered != BUFFER_MAX));
}

static unsigned
order_of(struct sched_site *site)
{
    site->was_hit = 1;
    return site->order & ~site->weakened;
}

static void
acquire(struct fiber_memory *self, const struct clock *release, unsigned order)
{
    if (order & SCHED_ACQUIRE) {
        join(&self->now, release);
    }
    if (order & SCHED_DEPENDENT) {
        join(&self->dependent, release);
    }
    join(&self->pending, release);
}

// What a store by the calling fiber lets others acquire.
static struct clock
released(struct fiber_memory *self, unsigned order)
{
    struct clock release = self->fenced;

    if (order & SCHED_RELEASE) {
        release = self->now;
        self->now.of[sched_current()]++;
    }
    return release;
}

uint64_t
sched_load(struct sched_site *site, const volatile void *at, size_t size)
{
    struct fiber_memory *self;
    struct word *word;
    unsigned order = order_of(site);

    point_at(site, false);
    touch(at, size, ATOMIC);
    self = own();
    word = word_of(at, size);
    note_use(word, site, false);
    for (unsigned i = self->buffered; i-- > 0;) {
        if (self->buffer[i].word == word) {
            return self->buffer[i].value;
        }
    }
    acquire(self, &word->release, order);
    return word->pending != 0 ? word->seen : read_word(at, size);
}

void
sched_store(struct sched_site *site, volatile void *at, uint64_t value, size_t size)
{
    struct fiber_memory *self;
    struct word *word;
    struct clock release;
    unsigned order = order_of(site);

    point_at(site, false);
    touch(at, size, ATOMIC);
    self = own();
    word = word_of(at, size);
    note_use(word, site, true);
    release = released(self, order);
    if (sched_current() == 0) {
        word->release = release;
        write_word(word->at, value, size);
        return;
    }
    if (self->buffered == BUFFER_MAX) {
        sched_memory_drain_one(sched_current());
    }
    if (word->pending++ == 0) {
        word->seen = read_word(at, size);
    }
    write_word(word->at, value, size);
    self->buffer[self->buffered++] = (struct store){word, value, release};
}

// A read-modify-write, all at once. @p is_done: it does store.
static void
write_now(struct word *word, uint64_t value, unsigned order)
{
    struct clock release = released(own(), order);

    join(&word->release, &release); // the sequence that the last release heads goes on
    if (word->pending != 0) {
        word->seen = value;
    } else {
        write_word(word->at, value, word->size);
    }
}

uint64_t
sched_update(struct sched_site *site, enum sched_update how, volatile void *at, uint64_t operand,
             size_t size)
{
    unsigned order = order_of(site);
    struct word *word;
    uint64_t before;
    uint64_t after = operand;

    point_at(site, true);
    touch(at, size, ATOMIC);
    sched_drain();
    word = word_of(at, size);
    note_use(word, site, true);
    before = word->pending != 0 ? word->seen : read_word(at, size);
    acquire(own(), &word->release, order);
    switch (how) {
    case SCHED_ADD:
        after = before + operand;
        break;
    case SCHED_SUB:
        after = before - operand;
        break;
    case SCHED_OR:
        after = before | operand;
        break;
    case SCHED_AND:
        after = before & operand;
        break;
    case SCHED_SWAP:
        break;
    }
    after &= size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
    write_now(word, after, order);
    return before;
}

bool
sched_cas(struct sched_site *site, volatile void *at, void *expected, uint64_t value, size_t size)
{
    unsigned order = order_of(site);
    struct word *word;
    uint64_t before;

    point_at(site, true);
    touch(at, size, ATOMIC);
    sched_drain();
    word = word_of(at, size);
    note_use(word, site, true);
    before = word->pending != 0 ? word->seen : read_word(at, size);
    acquire(own(), &word->release, order);
    if (before != read_word(expected, size)) {
        write_word((uintptr_t)expected, before, size);
        return false;
    }
    write_now(word, value & (size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1), order);
    return true;
}

void
sched_fence(struct sched_site *site)
{
    struct fiber_memory *self;
    unsigned order = order_of(site);

    sched_point_quiet(own()->buffered == 0);
    self = own();
    if (order & SCHED_FULL) {
        sched_drain();
    }
    if (order & SCHED_ACQUIRE) {
        join(&self->now, &self->pending);
    }
    if (order & SCHED_RELEASE) {
        self->fenced = self->now;
        self->now.of[sched_current()]++;
    }
}

void
sched_count(struct sched_site *site, volatile void *counter, uint64_t more)
{
    struct word *word = word_of(counter, sizeof(more));
    uint64_t value = read_word(counter, sizeof(more)) + more;

    if (memory->is_shared[site - __start_sched_sites] || word->pending != 0) {
        sched_store(site, counter, value, sizeof(value));
    } else {
        note_use(word, site, true);
        write_word(word->at, value, sizeof(value));
    }
}

/* ---- what the compiler tells of plain accesses (-fsanitize=thread) ---- */

void
sched_copy(void *to, const void *from, size_t size)
{
    touch(from, size, PLAIN_READ);
    touch(to, size, PLAIN_WRITE);
    memcpy(to, from, size);
}

void
sched_fill(void *to, int byte, size_t size)
{
    touch(to, size, PLAIN_WRITE);
    memset(to, byte, size);
}

#define HOOKS(size)                              \
    void __tsan_read##size(void *at);            \
    void __tsan_write##size(void *at);           \
    void __tsan_unaligned_read##size(void *at);  \
    void __tsan_unaligned_write##size(void *at); \
    void __tsan_read##size(void *at)             \
    {                                            \
        touch(at, size, PLAIN_READ);             \
    }                                            \
    void __tsan_write##size(void *at)            \
    {                                            \
        touch(at, size, PLAIN_WRITE);            \
    }                                            \
    void __tsan_unaligned_read##size(void *at)   \
    {                                            \
        touch(at, size, PLAIN_READ);             \
    }                                            \
    void __tsan_unaligned_write##size(void *at)  \
    {                                            \
        touch(at, size, PLAIN_WRITE);            \
    }

HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);

void
__tsan_init(void)
{
}

void
__tsan_func_entry(void *caller)
{
    (void)caller;
}

void
__tsan_func_exit(void)
{
}

void
__tsan_read_range(void *at, size_t size)
{
    touch(at, size, PLAIN_READ);
}

void
__tsan_write_range(void *at, size_t size)
{
    touch(at, size, PLAIN_WRITE);
}
