/* SPDX-License-Identifier: MIT */
#include "writers/weir.h"

int
main(int argc, char **argv)
{
    return bench_fanout_main(argc, argv, &weir_backend);
}
