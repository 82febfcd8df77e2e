/* SPDX-License-Identifier: MIT */
#include "writers/uv.h"

int
main(int argc, char **argv)
{
    return bench_fanout_main(argc, argv, &uv_backend);
}
