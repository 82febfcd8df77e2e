/* SPDX-License-Identifier: MIT */
// Does io_uring work here? Ends with status 0, or says why not and ends with 1.

#include "lib/uring.h"

int
main(void)
{
    struct io_uring ring;

    bench_uring_open(&ring);
    io_uring_queue_exit(&ring);
    return 0;
}
