# SPDX-License-Identifier: MIT
"""The cases: which programs make one, who takes part, and which figures it gives."""

import collections

# key: in a result. scale: a figure of the result times this is what is shown.
Metric = collections.namedtuple("Metric", "key heading form scale", defaults=(1,))

# server: arguments of the echo server, or None for a program that writes. load: the program that
# makes the load, with these arguments before the user's. messages: of count's two runs.
Case = collections.namedtuple("Case", "server load arguments contestants metrics messages is_timed")

SERVERS = ["epoll", "uring", "uv", "event", "asio", "nng", "weir", "weir:own", "weir:server"]

RATE = Metric("rate", "messages/s", "{:,.0f}")
P50 = Metric("p50_us", "p50, µs", "{:,.1f}")
P99 = Metric("p99_us", "p99, µs", "{:,.1f}")
P999 = Metric("p999_us", "p99.9, µs", "{:,.1f}")
SERVER_CPU = Metric("cpu_us", "server CPU, µs per message", "{:,.2f}")
GIGABYTES = Metric("bytes_per_s", "GB/s", "{:,.2f}", 1e-9)
GIGABYTES_CPU = Metric("bytes_per_cpu_s", "GB per CPU second", "{:,.2f}", 1e-9)
WRITES = Metric("rate", "writes/s", "{:,.0f}")
WRITER_CPU = Metric("cpu_s_per_million", "CPU s per million writes", "{:,.3f}")
SENDS = Metric("send_calls_per_write", "sends per write", "{:.4f}")
WAKES = Metric("wakes_per_sleep", "wakes per sleep", "{:.3f}")


def echo(arguments, metrics, load="echoload", messages="2000,12000", is_timed=True, server=()):
    return Case(list(server), load, arguments, SERVERS, metrics, messages, is_timed)


def writers(contestants, metrics, messages):
    return Case(None, None, [], contestants, metrics, messages, True)


CASES = {
    "echo": echo([], [RATE, SERVER_CPU, P50, P99]),
    "pipeline": echo(["--depth", "16"], [RATE, SERVER_CPU, P50, P99], messages="20000,120000"),
    "openloop": echo(["--rate", "20000"], [P50, P99, P999, SERVER_CPU]),
    "hog": echo(["--connections", "16", "--hogs", "1"],
                [P50, P99, RATE, Metric("hog_bytes_per_s", "the hog's GB/s", "{:,.2f}", 1e-9)]),
    "bulkecho": echo(["--connections", "8", "--depth", "4", "--size", "65536"],
                     [GIGABYTES_CPU, GIGABYTES], messages="400,2400",
                     server=["--buffer", "65536"]),
    "churn": echo([], [Metric("rate", "connections/s", "{:,.0f}"),
                       Metric("cpu_us", "server CPU, µs per connection", "{:,.2f}"), P50, P99],
                  load="churnload", messages="500,2500"),
    "idle": echo([], [Metric("private_bytes", "private bytes per connection", "{:,.0f}"),
                      Metric("resident_bytes", "resident bytes per connection", "{:,.0f}")],
                 load="idleload", messages=None, is_timed=False),
    "unread": echo([], [Metric("private_bytes", "private KiB per connection", "{:,.1f}", 1 / 1024),
                        Metric("sent_bytes", "MiB it let each peer send", "{:,.2f}", 1 / 2**20),
                        Metric("unbounded", "peers it never stopped", "{:,.0f}"),
                        Metric("ping_us", "p50 of another connection, µs", "{:,.1f}")],
                   load="unreadload", messages=None, is_timed=False),
    "xthread": writers(
        ["epoll:stack", "epoll:vyukov", "epoll:spsc", "epoll:mutex", "epoll:mutex-send", "uring",
         "uv:usual", "uv:gather", "asio:usual", "asio:gather", "event", "nng", "weir", "weir:copy"],
        [WRITES, WRITER_CPU, SENDS, WAKES], "20000,120000"),
    "fanout": writers(
        ["epoll:stack", "uring", "uv:usual", "uv:gather", "asio:usual", "asio:gather", "event",
         "nng", "weir", "weir:shared", "weir:copy"],
        [Metric("rate", "deliveries/s", "{:,.0f}"),
         Metric("cpu_s_per_million", "CPU s per million deliveries", "{:,.2f}"), SENDS],
        "6400,38400"),
    "bulk": writers(
        ["epoll:stack", "epoll:mutex-send", "uring", "uv:usual", "uv:gather", "asio:usual",
         "asio:gather", "event", "nng", "weir"],
        [GIGABYTES_CPU, GIGABYTES, WRITER_CPU], "400,2400"),
    "lat": writers(
        ["epoll:stack", "epoll:vyukov", "epoll:mutex-send", "uring", "uv:usual", "asio:usual",
         "event", "nng", "weir", "weir:inline"],
        [P50._replace(form="{:,.2f}"), Metric("mean_us", "mean, µs", "{:,.2f}"), WRITER_CPU],
        "2000,12000"),
}

TIMED = sorted(CASES)
COUNTED = sorted(name for name, case in CASES.items() if case.messages)
