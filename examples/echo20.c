/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <weir/weir.h>

static void
on_sent(weir_stream stream, const struct weir_result *result, void *arg)
{
    if (result->status != 0) /* else the echo has left, and its blocks are back */
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain bytes = {NULL, NULL};

    if (weir_take(stream, SIZE_MAX, &bytes) < 0 ||
        weir_write_chain(stream, &bytes, on_sent, NULL) < 0) {
        weir_chain_return(&bytes); /* a refused write leaves its memory with the caller */
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
    return (struct weir_consumed){0, 0};
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0);
}

int
main(void)
{
    static const struct weir_handlers handlers = {.data = on_data, .peer_fin = on_peer_fin};
    struct weir_endpoint endpoint;
    struct weir_listen request = {
        .endpoint = &endpoint,
        .stream = {.handlers = &handlers, .flags = WEIR_STREAM_REST}, /* bounds what is queued */
    };
    struct weir_runtime *runtime;
    weir_listener listener;
    sigset_t signals;
    int number, status = weir_runtime_create(NULL, &runtime); /* one loop per core */

    if (status == 0 && (status = weir_endpoint_parse(&endpoint, "tcp://127.0.0.1:7007", NULL)) == 0)
        status = weir_listen(runtime, &request, &listener);
    if (status < 0) {
        fprintf(stderr, "echo: %s\n", weir_strerror(status));
        return 1;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* the loops' threads block all signals anyway */
    sigwait(&signals, &number);
    weir_runtime_stop(runtime, weir_deadline_after(UINT64_C(5000000000)));
    return weir_runtime_free(runtime) == 0 ? 0 : 1;
}
