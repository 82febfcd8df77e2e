# SPDX-License-Identifier: MIT
"""What the scripts of this folder share: weir-relay, a server on weir::http, other programs beside
them, and bytes that are compared. A script is given the build's directory; it ends with 0, 1, or 77: it cannot run here."""

import hashlib
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

SKIPPED = 77
LONG = os.environ.get("WEIR_INTEROP") == "all"  # ./dev interop: larger and longer
PATIENCE = float(os.environ.get("WEIR_INTEROP_PATIENCE", "30"))  # seconds; nothing should come near


def skip(why):
    print(f"{os.path.basename(sys.argv[0])}: skipped: {why}")
    sys.exit(SKIPPED)


def need(program):
    """The program's path; without it there is nothing to do."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        skip(f"{program} is not installed (./dev interop installs it)")
    return path


class Failed(Exception):
    """A case did not end as it has to."""


def require(condition, what):
    if not condition:
        raise Failed(what)


def build_directory():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} BUILD")
    build = os.path.abspath(sys.argv[1])
    relay = os.path.join(build, "servers", "weir-relay")
    if not os.access(relay, os.X_OK):
        skip(f"{relay} has not been built")
    return build


def wait_for(condition, what):
    """Until it is true; its value."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not in time: {what}")
        threading.Event().wait(0.002)


def payload(size, seed=1):
    return random.Random(seed).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def free_port():
    """A port of TCP that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


NOBODIES = []


def port_of_nobody():
    """A port of TCP that refuses, for as long as this program runs: bound, and not listened on."""
    end = socket.socket()
    end.bind(("127.0.0.1", 0))
    NOBODIES.append(end)
    return end.getsockname()[1]


def listens(port):
    """Does anybody listen on the TCP port? Without a connection, which would count as one."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for line in lines:
                words = line.split()
                if words[1].endswith(wanted) and words[3] == "0A":
                    return True
    return False


class Work:
    """A directory of its own, and the programs that run in it: all end with it."""

    def __init__(self, build):
        self.build = build
        self.directory = tempfile.mkdtemp(prefix="weir-interop.")
        self.processes = []
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, data):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return path

    def start(self, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen([str(word) for word in words], cwd=self.directory, **options)
        self.processes.append(process)
        return process

    def run(self, *words, stdin=b"", status=0):
        """Run a program to its end; what it printed."""
        process = self.start(*words, stdin=subprocess.PIPE)
        try:
            out, errors = process.communicate(stdin, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"does not end: {' '.join(map(str, words))}") from None
        require(status is None or process.returncode == status,
                f"status {process.returncode} of {words}: {errors.decode(errors='replace')}")
        return out

    def relay(self, *words):
        return Relay(self, words)


def stop_in_order(process, name, errors=""):
    """End it: in good order, with nothing to say but this."""
    process.send_signal(signal.SIGTERM)
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"{name} does not end") from None
    require(process.returncode == 0, f"{name} ends with {process.returncode}: {said.decode()}")
    require(said.decode() == errors or (errors and errors in said.decode()),
            f"{name} said: {said.decode()}")


class Server:
    """A running program of servers/. Each address tcp://…:0 has a port of `ports`, in their order."""

    def __init__(self, work, name, *words, **options):
        work.count += 1
        self.name = name
        self.log = work.path(f"log.{work.count}")
        port_file = work.path(f"ports.{work.count}")
        self.process = work.start(os.path.join(work.build, "servers", name), "--loops", 2,
                                  "--port-file", port_file, "--log", self.log, *words, **options)
        wait_for(lambda: self.process.poll() is not None or os.path.exists(port_file),
                 f"{name} listens")
        if self.process.poll() is not None:
            raise Failed(f"{name}: {self.process.stderr.read().decode()}")
        with open(port_file, encoding="ascii") as file:
            self.ports = [int(line) for line in file]
        self.port = self.ports[0]

    def lines(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read().splitlines()

    def line(self, number):
        """A line of the access log, once it is there."""
        return wait_for(lambda: self.lines()[number:number + 1], "a line of the access log")[0]

    def stop(self, errors=""):
        stop_in_order(self.process, self.name, errors)


class Relay(Server):
    """A running weir-relay."""

    def __init__(self, work, words):
        super().__init__(work, "weir-relay", *words)


class HttpServer:
    """A running server on weir::http (programs/http_server.c), with these limits."""

    def __init__(self, work, *limits):
        work.count += 1
        port_file = work.path(f"port.{work.count}")
        program = os.path.join(work.build, "tests", "weir-interop-http-server")
        self.process = work.start(program, port_file, *limits)
        wait_for(lambda: self.process.poll() is not None or os.path.exists(port_file),
                 "the HTTP server listens")
        if self.process.poll() is not None:
            raise Failed(f"the HTTP server: {self.process.stderr.read().decode()}")
        with open(port_file, encoding="ascii") as file:
            self.port = int(file.read())

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def state(self):
        """What it counts, this request and its connection apart."""
        with connect(self.port) as end:
            end.sendall(b"GET /state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            text = read_all(end).decode().partition("\r\n\r\n")[2]
        counts = {name: int(count) for name, count in (word.split("=") for word in text.split())}
        counts["connections"] -= 1
        return counts

    def stop(self):
        stop_in_order(self.process, "the HTTP server")


class WsServer:
    """A running echo on weir::ws (programs/ws_peer.c), with these options."""

    def __init__(self, work, *words):
        work.count += 1
        port_file = work.path(f"port.{work.count}")
        program = os.path.join(work.build, "tests", "weir-interop-ws-peer")
        self.process = work.start(program, "serve", port_file, *words)
        wait_for(lambda: self.process.poll() is not None or os.path.exists(port_file),
                 "the WebSocket server listens")
        if self.process.poll() is not None:
            raise Failed(f"the WebSocket server: {self.process.stderr.read().decode()}")
        with open(port_file, encoding="ascii") as file:
            self.port = int(file.read())

    def stop(self):
        stop_in_order(self.process, "the WebSocket server")


def ask_ws(work, port, *words):
    """A client on weir::ws has a conversation with that server's echo."""
    work.run(os.path.join(work.build, "tests", "weir-interop-ws-peer"), "ask", port, *words)


class Httpd:
    """A running weir-httpd that serves this folder."""

    def __init__(self, work, root, *words):
        work.count += 1
        program = os.path.join(work.build, "servers", "weir-httpd")
        if not os.access(program, os.X_OK):
            skip(f"{program} has not been built")
        port_file = work.path(f"port.{work.count}")
        self.process = work.start(program, "--root", root, "--listen", "tcp://127.0.0.1:0",
                                  "--port-file", port_file, "--loops", 2, *words)
        wait_for(lambda: self.process.poll() is not None or os.path.exists(port_file),
                 "weir-httpd listens")
        if self.process.poll() is not None:
            raise Failed(f"weir-httpd: {self.process.stderr.read().decode()}")
        with open(port_file, encoding="ascii") as file:
            self.port = int(file.readline())

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def stop(self):
        stop_in_order(self.process, "weir-httpd")


def pattern(size):
    """What /bytes and /chunks of the HTTP server consist of."""
    block = bytes((i * 31 + (i >> 8)) & 0xff for i in range(65536))
    return (block * (size // 65536 + 1))[:size]


def digest_line(method, data):
    """What /digest of the HTTP server answers."""
    return f"{method} {len(data)} {zlib.crc32(data):08x}"


# ---- plain ends ----------------------------------------------------------------------------------

def connect(port, path=None):
    if path is not None:
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(PATIENCE)
        end.connect(path)
        return end
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def read_all(end):
    """Until the end; a reset is an exception."""
    pieces = []
    while True:
        piece = end.recv(1 << 16)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


class Origin:
    """A server: each connection is handled by serve(end), in a thread. What it raised is kept."""

    def __init__(self, serve, path=None):
        if path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            self.listener = socket.socket()
            self.listener.bind(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(64)
        self.serve = serve
        self.failures = []
        self.served = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                end, _ = self.listener.accept()
            except OSError:
                return
            end.settimeout(PATIENCE)
            threading.Thread(target=self.handle, args=(end,), daemon=True).start()

    def handle(self, end):
        try:
            self.serve(end)
        except (Failed, OSError, ValueError) as failure:
            self.failures.append(repr(failure))
        finally:
            end.close()
            self.served += 1

    def close(self):
        self.listener.close()
        require(not self.failures, f"the server: {self.failures}")


def answers_with_digest(end):
    """Reads to the end, and only then answers: the client's half-close has to come through."""
    end.sendall(digest(read_all(end)).encode())


def main(cases):
    build = build_directory()
    failed = 0
    for case in cases:
        name = case.__name__.replace("_", " ")
        try:
            with Work(build) as work:
                case(work)
            print(f"ok      {name}")
        except (Failed, OSError) as failure:
            failed += 1
            print(f"FAILED  {name}: {failure}")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
