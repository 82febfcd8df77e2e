/* SPDX-License-Identifier: MIT */
/* A stranger's program that uses WebSocket: a server is made, with and without compression. */

#include <weir/weir.h>
#include <weir/ws.h>

#include <errno.h>
#include <stdio.h>

static void
on_message(weir_ws ws, struct weir_ws_message *message, void *user)
{
    (void)user;
    if (weir_ws_send(ws, WEIR_WS_TEXT, message->data, message->size) < 0) {
        weir_ws_abort(ws);
    }
}

int
main(void)
{
    static const struct weir_ws_handlers handlers = {.message = on_message};
    struct weir_ws_server_options options = {.ws = {.handlers = &handlers}};
    struct weir_runtime *runtime;
    struct weir_ws_server *plain;
    struct weir_ws_server *deflating = NULL;
    weir_ws nothing = {0};
    int result;

    if (weir_runtime_create(NULL, &runtime) < 0 ||
        weir_ws_server_create(runtime, &options, &plain) < 0) {
        return 1;
    }
    options.ws.deflate.is_on = true;
    result = weir_ws_server_create(runtime, &options, &deflating);
    if ((result != 0 && result != -ENOTSUP) ||
        weir_ws_send(nothing, WEIR_WS_TEXT, "x", 1) != -WEIR_ESTALE ||
        weir_runtime_stop(runtime, weir_deadline_after(UINT64_C(1000000000))) < 0 ||
        weir_ws_server_free(plain) < 0 || weir_ws_server_free(deflating) < 0 ||
        weir_runtime_free(runtime) < 0) {
        return 1;
    }
    printf("%s permessage-deflate\n", result == 0 ? "with" : "without");
    return 0;
}
