/* SPDX-License-Identifier: MIT */

// A dump of all loops when a signal arrives.

#include "mem/heap.h"
#include "runtime/runtime.h"
#include "weir/stats.h"

#include <errno.h>
#include <stdio.h>

struct dumper {
    struct weir_runtime *runtime;
    weir_dump_fn *fn;
    void *arg;
    wi_atomic_bool telling; // one line at a time
    wi_atomic_u32 holders;  // the watch, and loops that are still to be described
};

struct prefixed {
    struct dumper *dumper;
    unsigned loop;
};

static void
let_go(struct dumper *dumper)
{
    // ORDER(dump) both ways: the last one frees what the others have used.
    if (wi_sub_acq_rel(&dumper->holders, 1) == 1) {
        wi_heap_free(dumper);
    }
}

static void
tell(const char *line, void *arg)
{
    const struct prefixed *prefixed = arg;
    struct dumper *dumper = prefixed->dumper;
    char text[300];

    snprintf(text, sizeof(text), "%u: %s", prefixed->loop, line);
    while (wi_swap_acquire(&dumper->telling, true)) { // ORDER(dump) observe: the line before
        wi_os_yield();
    }
    if (dumper->fn != NULL) {
        dumper->fn(text, dumper->arg);
    } else {
        wi_log(wi_runtime_of(dumper->runtime), WEIR_LOG_INFO, "%s", text);
    }
    wi_store_release(&dumper->telling, false); // ORDER(dump) publish
}

static void
dump_here(struct weir_loop *loop, void *arg)
{
    struct dumper *dumper = arg;
    struct prefixed prefixed = {.dumper = dumper, .loop = wi_loop_of(loop)->index};

    weir_dump(loop, tell, &prefixed);
    let_go(dumper);
}

static void
dump_all(struct dumper *dumper)
{
    for (unsigned i = 0; i < weir_runtime_loop_count(dumper->runtime); i++) {
        int result;

        wi_add_relaxed(&dumper->holders, 1);
        result = weir_post(weir_runtime_loop(dumper->runtime, i), dump_here, dumper);
        if (result < 0) {
            struct prefixed prefixed = {.dumper = dumper, .loop = i};
            char text[100];

            snprintf(text, sizeof(text), "not described: %s", weir_strerror(result));
            tell(text, &prefixed);
            let_go(dumper);
        }
    }
}

static void
signal_arrived(weir_watch watch, int signal, void *arg)
{
    struct dumper *dumper = arg;

    (void)watch;
    if (signal != 0) {
        dump_all(dumper);
    } else {
        let_go(dumper);
    }
}

int
weir_dump_on_signal(struct weir_runtime *runtime, int signal, weir_dump_fn *fn, void *arg,
                    weir_watch *ret_watch)
{
    struct dumper *dumper;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (runtime == NULL || ret_watch == NULL ||
        (fn == NULL && wi_runtime_of(runtime)->options.log == NULL)) {
        return -EINVAL;
    }
    dumper = wi_heap_zalloc(sizeof(*dumper));
    if (dumper == NULL) {
        return -ENOMEM;
    }
    dumper->runtime = runtime;
    dumper->fn = fn;
    dumper->arg = arg;
    wi_store_relaxed(&dumper->holders, 1);
    result = weir_signal_start(weir_runtime_loop(runtime, 0), &signal, 1, signal_arrived, dumper,
                               ret_watch);
    if (result < 0) {
        wi_heap_free(dumper);
    }
    return result;
}
