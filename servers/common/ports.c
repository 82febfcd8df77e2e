/* SPDX-License-Identifier: MIT */
#include "common/ports.h"

#include "common/program.h"
#include "common/systemd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- places ---- */

#define PASSED "systemd:"

bool
given_place(const struct given *given, unsigned word, struct place *ret_place)
{
    const char *text = given->words[word];
    size_t prefix = strlen(PASSED);

    *ret_place = (struct place){.name = ""};
    if (strncmp(text, PASSED, prefix) == 0) {
        if (strlen(text) - prefix >= PLACE_NAME_SIZE) {
            return given_refuse(given, word, "a name of a socket has fewer than %u bytes",
                                PLACE_NAME_SIZE);
        }
        snprintf(ret_place->name, PLACE_NAME_SIZE, "%s", text + prefix);
        return true;
    }
    if (!given_endpoint(given, word, &ret_place->endpoint)) {
        return false;
    }
    return ret_place->endpoint.kind != WEIR_ENDPOINT_NAME ||
           given_refuse(given, word,
                        "a name cannot be listened on, only its addresses in numbers, or *");
}

void
place_format(const struct place *place, char text[WEIR_ENDPOINT_TEXT_SIZE])
{
    if (place->endpoint.kind == WEIR_ENDPOINT_NONE) {
        snprintf(text, WEIR_ENDPOINT_TEXT_SIZE, PASSED "%s", place->name);
    } else {
        weir_endpoint_format(&place->endpoint, text, WEIR_ENDPOINT_TEXT_SIZE);
    }
}

// Say in the request what the place is. 0, or -ENOENT: the socket was not handed over.
static int
fill_request(struct weir_listen *request, const struct place *place, bool reuseport)
{
    int family = place->endpoint.address.as.any.sa_family;

    if (place->endpoint.kind == WEIR_ENDPOINT_NONE) {
        request->fd = systemd_claim(place->name);
        request->flags |= WEIR_LISTEN_ADOPT;
        return request->fd < 0 ? -ENOENT : 0;
    }
    request->endpoint = &place->endpoint;
    if (family == AF_UNIX) {
        request->flags |= WEIR_LISTEN_UNLINK;
    } else if (reuseport && (family == AF_INET || family == AF_INET6 ||
                             place->endpoint.kind == WEIR_ENDPOINT_ANY)) {
        request->flags |= WEIR_LISTEN_REUSEPORT;
    }
    return 0;
}

bool
ports_listen(struct weir_runtime *runtime, struct weir_listen *request, const struct place *place,
             bool reuseport, weir_listener *ret_listener, struct weir_address *ret_bound)
{
    char text[WEIR_ENDPOINT_TEXT_SIZE];
    int status = fill_request(request, place, reuseport);

    place_format(place, text);
    if (status != 0) {
        complain("cannot listen on %s: no such socket was handed over", text);
        return false;
    }
    status = weir_listen(runtime, request, ret_listener);
    if (status == 0) {
        status = weir_listener_address(*ret_listener, ret_bound);
    }
    if (status != 0) {
        complain("cannot listen on %s: %s", text, weir_strerror(status));
    }
    return status == 0;
}

/* ---- the file ---- */

static int
write_file(const char *path, const char *scratch, const unsigned *ports, unsigned count)
{
    FILE *file = fopen(scratch, "we");
    bool is_written = true;
    int status = 0;

    if (file == NULL) {
        return -errno;
    }
    for (unsigned i = 0; i < count; i++) {
        is_written &= fprintf(file, "%u\n", ports[i]) > 0;
    }
    if (fclose(file) != 0 || !is_written || rename(scratch, path) != 0) {
        status = -errno;
        unlink(scratch);
    }
    return status;
}

bool
ports_write(const char *path, const unsigned *ports, unsigned count)
{
    char scratch[4096];
    int status = -ENAMETOOLONG;

    if (path == NULL) {
        return true;
    }
    if (snprintf(scratch, sizeof(scratch), "%s.%d", path, (int)getpid()) < (int)sizeof(scratch)) {
        status = write_file(path, scratch, ports, count);
    }
    if (status != 0) {
        complain("cannot write %s: %s", path, strerror(-status));
    }
    return status == 0;
}
