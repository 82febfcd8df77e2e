/* SPDX-License-Identifier: MIT */
#include "writers/nng.h"

int
main(int argc, char **argv)
{
    return bench_fanout_main(argc, argv, &nng_backend);
}
