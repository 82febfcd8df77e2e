/* SPDX-License-Identifier: MIT */
#include "chaos.h"

#include "link.h"
#include "verdict.h"

#include <errno.h>

#define CLOSES_MAX 16u // per turn, so that a long turn is not made up for at once

void
chaos_init(struct chaos *chaos, const struct storm *storm)
{
    random_init(&chaos->random, storm->options->seed, UINT64_C(0x44440000));
    chaos->next_ns = weir_now_ns();
}

// Abort by a token that the stream is bound to.
static void
abort_by_token(struct storm *storm, struct link *link, weir_stream stream)
{
    weir_token token;
    int status = weir_token_create(storm->runtime, (weir_token){0}, &token);

    if (status != 0) {
        storm_broke("no token: %s", weir_strerror(status));
        return;
    }
    atomic_fetch_or(&link->asked, 1u << WEIR_CLOSE_ABORT);
    atomic_store(&link->is_bound, true);
    status = weir_token_bind(token, stream);
    if (status != 0 && status != -WEIR_ESTALE && status != -EBUSY) { // busy: it is dying already
        storm_broke("binding a token answered %s", weir_strerror(status));
    }
    weir_token_fire(token, 0, link->id);
    weir_token_free(token);
}

// The peer's end answers ours; then the link is closed.
static void
end(struct link *link, weir_stream stream)
{
    int status = weir_end(stream);

    if (status == -WEIR_ETORN) {
        link_close(link, stream, WEIR_CLOSE_ABORT);
    }
}

static void
close_one(struct chaos *chaos, struct storm *storm, struct connection *connection)
{
    struct link *link = link_hold(connection);
    uint32_t dice = random_below(&chaos->random, 100);

    if (link == NULL) {
        return;
    }
    weir_stream stream = link_stream(link);
    atomic_fetch_add(&storm->closes, 1);
    if (dice < 30) {
        link_close(link, stream, WEIR_CLOSE_DRAIN);
    } else if (dice < 45) {
        link_close(link, stream, WEIR_CLOSE_FLUSH);
    } else if (dice < 60) {
        link_close(link, stream, WEIR_CLOSE_ABORT);
    } else if (dice < 80) {
        end(link, stream);
    } else if (dice < 90) {
        abort_by_token(storm, link, stream);
    } else {
        atomic_store(&connection->wants_reset, true);
    }
    link_release(link);
}

static void
dial_again(struct storm *storm, struct connection *connection)
{
    if (atomic_load(&connection->is_down) && link_dial(storm, connection)) {
        atomic_store(&connection->is_down, false);
    }
}

void
chaos_turn(struct chaos *chaos, struct storm *storm)
{
    const struct options *options = storm->options;
    uint64_t now_ns = weir_now_ns();

    for (unsigned i = 0; i < options->connections; i++) {
        dial_again(storm, &storm->connections[i]);
    }
    if (options->close_rate <= 0) {
        return;
    }
    for (unsigned i = 0; i < CLOSES_MAX && chaos->next_ns <= now_ns; i++) {
        close_one(chaos, storm,
                  &storm->connections[random_below(&chaos->random, options->connections)]);
        chaos->next_ns += (uint64_t)(1e9 / options->close_rate);
    }
    if (chaos->next_ns < now_ns) {
        chaos->next_ns = now_ns;
    }
}

void
chaos_drain_all(struct storm *storm)
{
    for (unsigned i = 0; i < storm->options->connections; i++) {
        struct link *link = link_hold(&storm->connections[i]);

        if (link != NULL) {
            link_close(link, link_stream(link), WEIR_CLOSE_DRAIN);
            link_release(link);
        }
    }
}
