# SPDX-License-Identifier: MIT
"""What run and count share: command line, contestants, starting programs, the machine's line."""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import cases

DEFAULT_DIRECTORY = "build/release/stress/bench"
FORMAT = 2  # of the JSON that run, count and targets write
START_TIMEOUT_S = 60
END_TIMEOUT_S = 60


class Failure(Exception):
    """A program was missing, failed, or took too long."""


class Contestant:
    """An implementation, a variant of it, options of its own, a build other than the usual one:
    "epoll", "uv:gather", "weir:copy/producers=4/window=64", "weir@plain"."""

    def __init__(self, text):
        self.name = text
        text, _, self.build = text.partition("@")
        text, *options = text.split("/")
        self.impl, _, self.variant = text.partition(":")
        self.options = []
        for option in options:
            name, _, value = option.partition("=")
            self.options += [f"--{name}", *([value] if value else [])]

    def style(self):
        """How a program is told its variant."""
        if not self.variant:
            return []
        return ["--queue" if self.impl == "epoll" else "--style", self.variant]


class Programs:
    """The directories with the benchmark programs: the usual one, and others by name."""

    def __init__(self, directory, others=()):
        self.directories = {"": pathlib.Path(directory)}
        for other in others:
            name, _, place = other.partition("=")
            self.directories[name] = pathlib.Path(place)
        self.why_no_uring = None

    def path(self, stem, impl, build=""):
        if build not in self.directories:
            raise Failure(f"no build is called {build}: name it by --build {build}=DIR")
        return self.directories[build] / f"bench-{stem}-{impl}"

    def of(self, case, contestant):
        """The program of the contestant, in that case."""
        stem = "echo" if cases.CASES[case].server is not None else case
        return self.path(stem, contestant.impl, contestant.build)

    def load(self, case):
        return self.path(cases.CASES[case].load, "epoll")

    def is_usable(self, case, contestant):
        if not self.of(case, contestant).exists():
            return False
        if contestant.impl != "uring":
            return True
        if self.why_no_uring is None:
            probe = subprocess.run([self.path("probe", "uring", contestant.build)], check=False,
                                   stderr=subprocess.PIPE, text=True, timeout=START_TIMEOUT_S)
            self.why_no_uring = probe.stderr.strip() if probe.returncode else ""
            if self.why_no_uring:
                print(f"io_uring is left out: {self.why_no_uring}", file=sys.stderr)
        return not self.why_no_uring

    def contestants(self, case, names):
        """The named ones, all of which must be there; or, with no names, those that are there."""
        wanted = [Contestant(name) for name in names or cases.CASES[case].contestants]
        usable = [one for one in wanted if self.is_usable(case, one)]
        if not usable or (names and len(usable) < len(wanted)):
            absent = [str(self.of(case, one)) for one in wanted if one not in usable]
            raise Failure("not built, or not usable here: " + ", ".join(absent))
        return usable


def parser(description, case_names):
    """The command line that both have in common."""
    name = pathlib.Path(sys.argv[0]).name
    common = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="What follows -- goes to the program that makes the load, for example: "
               f"{name} echo -- --connections 1")
    common.add_argument("case", choices=case_names)
    common.add_argument("--programs", default=DEFAULT_DIRECTORY, metavar="DIR",
                        help="where the programs are (default %(default)s)")
    common.add_argument("--build", action="append", default=[], metavar="NAME=DIR",
                        help="where the programs of the contestants ...@NAME are")
    common.add_argument("--impls", default="", metavar="A,B:VARIANT/OPTION=VALUE@NAME,...",
                        help="who takes part (default: all that are built)")
    common.add_argument("--json", metavar="FILE", help="write all figures here")
    return common


def parse(parser_of_all):
    """The options; programs is a Programs, contestants take part, extra follows --."""
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser_of_all.parse_args(arguments[:cut])
    options.extra = arguments[cut + 1:]
    options.programs = Programs(options.programs, options.build)
    names = [name for name in options.impls.split(",") if name]
    options.contestants = options.programs.contestants(options.case, names)
    return options


def write_json(path, figures):
    """Whole or not at all: a file of that name stays as it was until the new one is complete."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    unfinished.rename(path)


def parse_report(program, text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure(f"{program} printed no JSON: {text!r}") from error


def run_program(command, timeout_s):
    """Runs it to its end and returns the JSON line it printed."""
    try:
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                              timeout=timeout_s, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise Failure(str(error)) from error
    return parse_report(command[0], done.stdout)


class Server:
    """An echo server: its port and process while it runs, the JSON line of its report after."""

    def __init__(self, process, port):
        self.process = process
        self.port = port
        self.report = None


def wait_for_port(process, port_file):
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if port_file.exists():
            return int(port_file.read_text())
        if process.poll() is not None:
            raise Failure("the server ended before it listened")
        time.sleep(0.02)
    raise Failure("the server does not listen")


@contextlib.contextmanager
def echo_server(program, arguments=(), prefix=()):
    """Starts the server, after the words of prefix if any; ends it by SIGTERM and fills report."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        port_file = pathlib.Path(directory) / "port"
        command = [*prefix, str(program), *arguments, "--port-file", str(port_file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            server = Server(process, wait_for_port(process, port_file))
            yield server
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=END_TIMEOUT_S)
            if process.returncode != 0:
                raise Failure(f"{program} ended with {process.returncode}")
            server.report = parse_report(program, output)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{program} does not end") from error
        finally:
            process.kill()
            process.wait()


def calls_text(calls, total):
    main_calls = sorted(calls.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:.3f}" for name, count in main_calls
                     if total and count >= total / 100)


def machine():
    """What a figure must be kept with."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": os.uname().release,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "load": round(os.getloadavg()[0], 2),
    }


def machine_line(facts):
    return ("{cpu}, {cores} cores, kernel {kernel}, {date}, load at start {load}".format(**facts))


def interrupt(number, frame):
    raise KeyboardInterrupt


def guard(function):
    """Calls it, and turns a Failure or an interrupt into a message and an exit status. SIGTERM is
    an interrupt too, so that what was started is ended."""
    signal.signal(signal.SIGTERM, interrupt)
    try:
        function()
    except Failure as failure:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
