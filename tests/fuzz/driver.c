// SPDX-License-Identifier: MIT
// Drives a fuzz target without libFuzzer, for gcc and valgrind: every file that is named, or is in
// a folder that is named, then so many inputs made at random.
//
//     fuzz_<target> [--seed N] [--random COUNT] PATH...

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX    (1u << 20)
#define RANDOM_MAX   600u
#define HANG_SECONDS 30u

static uint8_t input[INPUT_MAX];
static char now_running[4096];
static unsigned count;

static void
say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void
tell_hang(int number)
{
    (void)number;
    say("fuzz: it does not return\n");
    abort();
}

// Returning lets abort() end the process.
static void
tell(int number)
{
    (void)number;
    say(now_running);
}

// A copy of exactly its size, so that a sanitizer sees a read behind it.
static void
run(size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    if (copy == NULL) {
        perror("fuzz");
        exit(2);
    }
    memcpy(copy, input, size);
    alarm(HANG_SECONDS);
    LLVMFuzzerTestOneInput(copy, size);
    alarm(0);
    free(copy);
    count++;
}

static void
run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL) {
        fprintf(stderr, "fuzz: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    size = fread(input, 1, sizeof(input), file);
    fclose(file);
    snprintf(now_running, sizeof(now_running), "fuzz: while running %s\n", path);
    run(size);
}

static void
run_path(const char *path)
{
    struct stat status;
    struct dirent *entry;
    DIR *folder;

    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        run_file(path);
        return;
    }
    folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char inside[2048];

        if (entry->d_name[0] != '.') {
            snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
            run_file(inside);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static uint32_t
random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static void
run_random(uint64_t seed, unsigned long inputs)
{
    for (unsigned long i = 0; i < inputs; i++) {
        uint64_t state = seed + i;
        size_t size = random_next(&state) % RANDOM_MAX;

        for (size_t at = 0; at < size; at++) {
            input[at] = (uint8_t)random_next(&state);
        }
        snprintf(now_running, sizeof(now_running), "fuzz: again with --seed %llu --random 1\n",
                 (unsigned long long)(seed + i));
        run(size);
    }
}

int
main(int argc, char **argv)
{
    const char *text = getenv("WEIR_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20151;
    unsigned long inputs = 0;

    signal(SIGABRT, tell);
    signal(SIGALRM, tell_hang);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--random") == 0 && i + 1 < argc) {
            inputs = strtoul(argv[++i], NULL, 0);
        } else {
            run_path(argv[i]);
        }
    }
    run_random(seed, inputs);
    printf("%u inputs, seed %llu\n", count, (unsigned long long)seed);
    return count == 0 ? 2 : 0;
}
