/* SPDX-License-Identifier: MIT */
/* A stranger's program that uses HTTP: a server is made, and freed again. */

#include <weir/http.h>
#include <weir/weir.h>

#include <stdio.h>

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    static const struct weir_http_head head = {.status = 204};

    (void)request;
    (void)user;
    if (weir_http_respond(http, &head, NULL, NULL) < 0) {
        weir_http_abort(http);
    }
}

int
main(void)
{
    static const struct weir_http_handlers handlers = {.request = on_request};
    const struct weir_http_server_options options = {.handlers = &handlers};
    struct weir_runtime *runtime;
    struct weir_http_server *server;

    if (weir_runtime_create(NULL, &runtime) < 0 ||
        weir_http_server_create(runtime, &options, &server) < 0 ||
        weir_runtime_stop(runtime, weir_deadline_after(UINT64_C(1000000000))) < 0 ||
        weir_http_server_free(server) < 0 || weir_runtime_free(runtime) < 0) {
        return 1;
    }
    printf("%u %s\n", 204, weir_http_reason(204));
    return 0;
}
