/* SPDX-License-Identifier: MIT */
#include "writers/asio.hpp"

int
main(int argc, char **argv)
{
    return bench_bulk_main(argc, argv, &asio_backend);
}
