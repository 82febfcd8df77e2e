/* SPDX-License-Identifier: MIT */

#include "netio/ws/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int
wi_ws_random(void *ret_bytes, size_t size)
{
    unsigned char *at = ret_bytes;

    while (size > 0) {
        ssize_t count = getrandom(at, size, 0);

        if (count < 0 && errno != EINTR) {
            return -EIO;
        }
        at += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return 0;
}

int
wi_ws_random_key(unsigned char ret_key[4])
{
    static __thread struct {
        size_t left;
        unsigned char bytes[1024];
    } store;

    if (store.left < 4) {
        int result = wi_ws_random(store.bytes, sizeof(store.bytes));

        if (result < 0) {
            return result;
        }
        store.left = sizeof(store.bytes);
    }
    store.left -= 4;
    memcpy(ret_key, store.bytes + store.left, 4);
    memset(store.bytes + store.left, 0, 4);
    return 0;
}
