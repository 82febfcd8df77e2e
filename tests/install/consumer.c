/* SPDX-License-Identifier: MIT */
/*
 * A stranger's program: it starts a runtime, sends itself one function, and stops. Before and
 * after, it asks the dynamic linker where its malloc comes from: the C library, as if weir were
 * not there.
 */

#define _GNU_SOURCE 1

#include <weir/weir.h>

#include <dlfcn.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const allocator[] = {"malloc", "calloc", "realloc", "free", "posix_memalign"};

static int
foreign_allocators(void)
{
    int foreign = 0;

    for (size_t i = 0; i < sizeof allocator / sizeof allocator[0]; i++) {
        void *address = dlsym(RTLD_DEFAULT, allocator[i]);
        Dl_info info = {0};

        if (address == NULL || dladdr(address, &info) == 0 || info.dli_fname == NULL ||
            strstr(info.dli_fname, "libc.") == NULL) {
            fprintf(stderr, "%s comes from %s\n", allocator[i],
                    info.dli_fname != NULL ? info.dli_fname : "nowhere");
            foreign++;
        }
    }
    return foreign;
}

static void
say_hello(struct weir_loop *loop, void *arg)
{
    (void)loop;
    sem_post(arg);
}

static int
use_weir(void)
{
    struct weir_runtime *runtime;
    sem_t said;

    sem_init(&said, 0, 0);
    int status = weir_runtime_create(NULL, &runtime);
    if (status < 0) {
        fprintf(stderr, "weir_runtime_create: %s\n", weir_strerror(status));
        return status;
    }
    status = weir_post(weir_runtime_loop(runtime, 0), say_hello, &said);
    if (status == 0) {
        sem_wait(&said);
        status = weir_runtime_stop(runtime, weir_deadline_after(UINT64_C(5000000000)));
    }
    if (status < 0) {
        fprintf(stderr, "weir: %s\n", weir_strerror(status));
        return status;
    }
    sem_destroy(&said);
    return weir_runtime_free(runtime);
}

int
main(void)
{
    if (foreign_allocators() > 0 || use_weir() < 0 || foreign_allocators() > 0) {
        return EXIT_FAILURE;
    }
    printf("weir %s, malloc is libc's, mimalloc is %s\n", weir_version(),
           dlsym(RTLD_DEFAULT, "mi_version") != NULL ? "loaded beside it" : "not loaded");
    return EXIT_SUCCESS;
}
