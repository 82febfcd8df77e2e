# SPDX-License-Identifier: MIT
"""A relay that is unkind: it splits, delays, resets and half-closes what passes through it.

Every choice comes from a seed, in the order in which connections come.
"""

import asyncio
import random
import socket
import struct

CHUNK = 16384


class Faults:
    """What befalls one connection."""

    def __init__(self, random_source, rates):
        self.split = random_source.random() < rates["split"]
        self.delay = random_source.random() < rates["delay"]
        self.reset_after = (random_source.randrange(1, 200000)
                            if random_source.random() < rates["reset"] else None)
        self.finish_after = (random_source.randrange(1, 200000)
                             if random_source.random() < rates["finish"] else None)
        self.random = random.Random(random_source.random())

    def spares_all(self):
        return self.reset_after is None and self.finish_after is None


def reset(writer):
    """Close so that the other side gets a reset."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def pump(reader, writer, faults, both):
    """One direction, until its end or its fault."""
    passed = 0
    while True:
        data = await reader.read(faults.random.randrange(1, 64) if faults.split else CHUNK)
        if not data:
            writer.write_eof()
            return
        if faults.delay:
            await asyncio.sleep(faults.random.random() * 0.005)
        writer.write(data)
        await writer.drain()
        passed += len(data)
        if faults.reset_after is not None and passed >= faults.reset_after:
            for one in both:
                reset(one)
            return
        if faults.finish_after is not None and passed >= faults.finish_after:
            writer.write_eof()
            return


class Relay:
    def __init__(self, target, seed, rates):
        self.target = target
        self.random = random.Random(seed)
        self.rates = rates
        self.connections = self.spared = 0

    async def serve(self, reader, writer):
        faults = Faults(self.random, self.rates)
        self.connections += 1
        self.spared += faults.spares_all()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            reset(writer)
            return
        both = (writer, far_writer)
        try:
            await asyncio.gather(pump(reader, far_writer, faults, both),
                                 pump(far_reader, writer, faults, both), return_exceptions=True)
        except asyncio.CancelledError:
            pass  # the relay ends with connections open
        for one in both:
            one.close()

    async def listen(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return server, server.sockets[0].getsockname()[1]
