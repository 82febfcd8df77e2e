/* SPDX-License-Identifier: MIT */
#include "writers/event.h"

int
main(int argc, char **argv)
{
    return bench_fanout_main(argc, argv, &event_backend);
}
