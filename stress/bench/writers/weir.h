/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_WEIR_H
#define BENCH_WRITERS_WEIR_H

// Writes from foreign threads on weir: one weir_write() for each, with its own completion.
//
//   borrow   the bytes stay the producer's until the completion
//   copy     WEIR_COPY
//   inline   borrow, and the stream may send inside the call
//   shared   payloads for many streams are copied once, into one that is counted (weir_shared)

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/weir.h"
#include "lib/writers.h"

#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#define LANE_ENTRIES_MIN 16384 // the default
#define STOP_NS          UINT64_C(5000000000)

struct weir_queued {
    struct bench_write write;
    struct iovec bytes;
    struct weir_write request;
};

static struct {
    bool is_sharing;
    unsigned write_flags;
    struct weir_runtime *runtime;
    unsigned stream_count;
    weir_stream *streams;
} writer;

static const char *const style_names[] = {"borrow", "copy", "inline", "shared", NULL};

static void
on_written(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    require_weir(result->status, "write");
    bench_write_done(arg);
}

// What does not change from one submit to the next is said once.
static void
writer_write_init(struct bench_write *write)
{
    struct weir_queued *queued = (struct weir_queued *)write;

    queued->bytes = (struct iovec){
        .iov_base = (void *)(uintptr_t)write->data,
        .iov_len = write->size,
    };
    queued->request = (struct weir_write){
        .iov = &queued->bytes,
        .iov_count = 1,
        .flags = writer.write_flags,
        .done = on_written,
        .arg = write,
    };
}

// The payload of a row of writes, which its first makes and its last lets go.
static void
submit_shared(struct bench_write *write)
{
    static _Thread_local struct weir_shared *payload;
    struct weir_write request = {.done = on_written, .arg = write};

    if (write->connection == 0 || write->share == 1) {
        payload = weir_shared_create(write->data, write->size);
        bench_require(payload != NULL, "weir_shared_create");
    }
    request.shared = payload;
    require_weir(weir_write(writer.streams[write->connection], &request, NULL), "weir_write");
    if (write->connection + 1 == write->share || write->share == 1) {
        weir_shared_unref(payload);
    }
}

static void
writer_submit(struct bench_write *write)
{
    if (writer.is_sharing) {
        submit_shared(write);
        return;
    }
    const struct weir_queued *queued = (const struct weir_queued *)write;
    int result = weir_write(writer.streams[write->connection], &queued->request, NULL);

    require_weir(result, "weir_write");
    if (result == 1) {
        bench_write_done(write);
    }
}

// A lane with room for more than a producer's window is never full.
static unsigned
lane_entries(unsigned window)
{
    unsigned entries = LANE_ENTRIES_MIN;

    while (entries <= window) {
        entries *= 2;
    }
    return entries;
}

static void
writer_open(const struct bench_target *target)
{
    bool is_inline = strcmp(target->variant, "inline") == 0;
    bool is_copied = strcmp(target->variant, "copy") == 0;
    struct weir_runtime_options options = {
        .loops = 1,
        .lane_entries = lane_entries(target->window),
    };
    struct weir_stream_options stream_options = {
        .flags = WEIR_STREAM_NODELAY | (is_inline ? (unsigned)WEIR_STREAM_INLINE : 0),
    };

    writer.is_sharing = strcmp(target->variant, "shared") == 0;
    writer.write_flags =
        (is_inline ? (unsigned)WEIR_INLINE_OK : 0) | (is_copied ? (unsigned)WEIR_COPY : 0);
    require_weir(weir_runtime_create(&options, &writer.runtime), "weir_runtime_create");
    writer.stream_count = target->connections;
    writer.streams = calloc(writer.stream_count, sizeof(*writer.streams));
    bench_require(writer.streams != NULL, "calloc");
    for (unsigned i = 0; i < writer.stream_count; i++) {
        require_weir(weir_adopt(weir_runtime_loop(writer.runtime, 0), bench_connect(target->port),
                                &stream_options, &writer.streams[i]),
                     "weir_adopt");
    }
}

static void
writer_close(void)
{
    for (unsigned i = 0; i < writer.stream_count; i++) {
        require_weir(weir_close(writer.streams[i], WEIR_CLOSE_FLUSH, 0, 0), "weir_close");
    }
    require_weir(weir_runtime_stop(writer.runtime, weir_deadline_after(STOP_NS)),
                 "weir_runtime_stop");
    require_weir(weir_runtime_free(writer.runtime), "weir_runtime_free");
    free(writer.streams);
}

static struct bench_counts
writer_counts(void)
{
    struct weir_stats stats;

    require_weir(weir_stats(writer.runtime, &stats), "weir_stats");
    return (struct bench_counts){
        .sends = stats.system_sends,
        .sleeps = stats.sleeps,
        .wakes = stats.wakes,
    };
}

static const struct bench_backend weir_backend = {
    .name = "weir",
    .variant_option = "style",
    .variants = style_names,
    .write_size = sizeof(struct weir_queued),
    .open = writer_open,
    .close = writer_close,
    .submit = writer_submit,
    .write_init = writer_write_init,
    .counts = writer_counts,
};

#endif /* BENCH_WRITERS_WEIR_H */
