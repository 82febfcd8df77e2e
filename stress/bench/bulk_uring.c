/* SPDX-License-Identifier: MIT */
#include "writers/uring.h"

int
main(int argc, char **argv)
{
    return bench_bulk_main(argc, argv, &uring_backend);
}
