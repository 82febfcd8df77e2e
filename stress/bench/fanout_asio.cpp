/* SPDX-License-Identifier: MIT */
#include "writers/asio.hpp"

int
main(int argc, char **argv)
{
    return bench_fanout_main(argc, argv, &asio_backend);
}
