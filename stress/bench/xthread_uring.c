/* SPDX-License-Identifier: MIT */
#include "writers/uring.h"

int
main(int argc, char **argv)
{
    return bench_xthread_main(argc, argv, &uring_backend);
}
