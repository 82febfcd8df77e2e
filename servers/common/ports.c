/* SPDX-License-Identifier: MIT */
#include "common/ports.h"

#include "common/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool
ports_listen(struct weir_runtime *runtime, struct weir_listen *request, bool reuseport,
             weir_listener *ret_listener, struct weir_address *ret_bound)
{
    const struct weir_endpoint *endpoint = request->endpoint;
    int family = endpoint->address.as.any.sa_family;
    char text[WEIR_ENDPOINT_TEXT_SIZE];
    int status;

    if (family == AF_UNIX) {
        request->flags |= WEIR_LISTEN_UNLINK;
    } else if (reuseport &&
               (family == AF_INET || family == AF_INET6 || endpoint->kind == WEIR_ENDPOINT_ANY)) {
        request->flags |= WEIR_LISTEN_REUSEPORT;
    }
    status = weir_listen(runtime, request, ret_listener);
    if (status == 0) {
        status = weir_listener_address(*ret_listener, ret_bound);
    }
    if (status != 0) {
        weir_endpoint_format(endpoint, text, sizeof(text));
        complain("cannot listen on %s: %s", text, weir_strerror(status));
    }
    return status == 0;
}

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
