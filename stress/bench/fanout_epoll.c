/* SPDX-License-Identifier: MIT */
#include "writers/epoll.h"

int
main(int argc, char **argv)
{
    return bench_fanout_main(argc, argv, &epoll_backend);
}
