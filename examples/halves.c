// SPDX-License-Identifier: MIT
//
// Half-close in band (weir/inband.h): a question as long as one likes, its end, and the answer
// after it, over a connection whose own half-close is not used.
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

// ---- who answers: counts until the end, then says how much it was ------------------------------

struct count {
    struct weir_inband *flow;
    unsigned long bytes;
};

static struct weir_consumed
count_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct count *count = user;
    size_t size = 0;

    weir_iter_length(begin, end, &size);
    count->bytes += size;
    return (struct weir_consumed){size, size};
}

static void
count_end(weir_stream stream, bool ambiguous, void *user)
{
    struct count *count = user;
    char text[40];
    struct iovec piece = {text, 0};
    struct weir_write request = {.iov = &piece, .iov_count = 1, .flags = WEIR_COPY | WEIR_FIN};

    piece.iov_len = (size_t)snprintf(text, sizeof(text), "%lu bytes", count->bytes);
    if (weir_inband_write(count->flow, &request, NULL) < 0)
        weir_inband_close(count->flow, WEIR_CLOSE_ABORT, 0, 0);
}

static void
count_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct count *count = user;

    weir_inband_unref(count->flow);
}

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    static const struct weir_handlers handlers = {
        .data = count_data, .peer_fin = count_end, .closed = count_closed};
    static struct count count; // this program has one connection
    struct weir_inband_options options = {.handlers = &handlers, .user = &count};

    if (weir_inband_open(stream, &options, &count.flow) < 0)
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

// ---- who asks ---------------------------------------------------------------------------------

struct ask {
    struct weir_inband *flow;
    char answer[64];
    size_t size;
    int status;
};

static struct weir_consumed
ask_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct ask *ask = user;
    size_t size =
        weir_iter_copy_out(&begin, ask->answer + ask->size, sizeof(ask->answer) - 1 - ask->size);

    ask->size += size;
    return (struct weir_consumed){size, size};
}

static void
ask_end(weir_stream stream, bool ambiguous, void *user)
{
    struct ask *ask = user;

    weir_inband_close(ask->flow, WEIR_CLOSE_DRAIN, 0, 0);
}

static void
ask_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct ask *ask = user;

    ask->status = closed->status;
    weir_inband_unref(ask->flow);
}

static void
on_started(weir_stream stream, int status, void *user)
{
    static const struct weir_handlers handlers = {
        .data = ask_data, .peer_fin = ask_end, .closed = ask_closed};
    static char question[1000000];
    struct ask *ask = user;
    struct iovec piece = {question, sizeof(question)};
    struct weir_write request = {.iov = &piece, .iov_count = 1, .flags = WEIR_FIN};
    struct weir_inband_options options = {.handlers = &handlers, .user = ask};

    ask->status = status;
    if (status == 0 && (ask->status = weir_inband_open(stream, &options, &ask->flow)) == 0)
        ask->status = weir_inband_write(ask->flow, &request, NULL);
    if (ask->status < 0)
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

int
main(void)
{
    static const struct weir_handlers asking = {.started = on_started};
    static struct ask ask;
    struct weir_listen listen = {.accepted = on_accepted};
    struct weir_dial dial = {.stream = {.handlers = &asking, .user = &ask}};
    struct weir_runtime *runtime;
    weir_listener listener;
    weir_stream stream;
    int status = weir_runtime_create(NULL, &runtime);

    if (status == 0 && (status = weir_address_ip(&listen.address, "127.0.0.1", 0)) == 0 &&
        (status = weir_listen(runtime, &listen, &listener)) == 0 &&
        (status = weir_listener_address(listener, &dial.address)) == 0 &&
        (status = weir_dial(weir_runtime_loop(runtime, 0), &dial, &stream)) == 0)
        weir_closed_wait(stream, weir_deadline_after(UINT64_C(10000000000)));
    if (status < 0) {
        fprintf(stderr, "halves: %s\n", weir_strerror(status));
        return 1;
    }
    weir_runtime_stop(runtime, weir_deadline_after(UINT64_C(5000000000)));
    printf("the answer is: %s\n", ask.answer);
    return weir_runtime_free(runtime) == 0 && ask.status == 0 &&
                   strcmp(ask.answer, "1000000 bytes") == 0
               ? 0
               : 1;
}
