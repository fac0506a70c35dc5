"""Builds what is there to build, starts it, and serves the control page until it is interrupted."""

import argparse
import json
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

from runner.builds import Build, Commands, Missing
from runner.portal import Portal
from runner.processes import Process, Server
from runner.sites import FORUM, SITES, Place, Site

DEMO = Path(__file__).resolve().parent.parent
FIRST_PORT = 8600


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo/run",
        description="One session in five frameworks: sessiond, five small sites and a forum on another domain, on this "
        "machine. A site whose tools are missing is left out, by name. The first run builds everything: some minutes.",
    )
    parser.add_argument(
        "--port", type=int, default=FIRST_PORT, help="the first of eight ports; 0: any that are free (default: 8600)"
    )
    parser.add_argument(
        "--work", type=Path, default=DEMO / ".work", help="where data and logs go (default: demo/.work)"
    )
    parser.add_argument("--fresh", action="store_true", help="forget the sessions of earlier runs")
    parser.add_argument("--debug", action="store_true", help="build without optimization, which takes less time")
    parser.add_argument(
        "--require-all", action="store_true", help="leave nothing out: end with an error if anything is missing"
    )
    parser.add_argument(
        "--until-eof", action="store_true", help="end when the standard input does, and so with whoever holds it"
    )
    return parser.parse_args()


def main() -> int:
    options = arguments()
    work = options.work.resolve()
    if options.fresh:
        shutil.rmtree(work / "data", ignore_errors=True)
    (work / "logs").mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if options.until_eof:
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

    build = Build(work, options.debug)
    try:
        binary = build.sessiond()
    except Missing as missing:
        print(f"demo/run: sessiond can't be built: {missing}", file=sys.stderr)
        return 1
    sites, left_out = built(build, stop)
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")
    if stop.is_set() or not sites or (options.require_all and left_out):
        return 1

    try:
        first = free_ports() if options.port == 0 else options.port
        place = Place(work, first, sites)
        return run(place, binary, left_out, stop, options.require_all)
    except OSError as error:
        print(f"demo/run: {error}; --port chooses other ports", file=sys.stderr)
        return 1


def built(build: Build, stop: threading.Event) -> tuple[dict[Site, Commands], dict[str, str]]:
    """The commands of the sites that can be started, and why the others can't."""
    commands, left_out = {}, {}
    for site in [*SITES, FORUM]:
        if stop.is_set():
            break
        try:
            commands[site] = site.build(build)
        except Missing as missing:
            left_out[site.name] = str(missing)
    return commands, left_out


def run(place: Place, binary: str, left_out: dict[str, str], stop: threading.Event, must_have_all: bool) -> int:
    server = Server(binary, place.work, place.server_port)
    processes: list[Process] = []
    portal = None
    try:
        server.start()
        print("starting the sites")
        processes = [place.process(site) for site in place.all()]
        for process in processes:
            process.start()
        for process in processes:
            reason = process.await_ready(stop)
            if reason:
                left_out[process.name] = reason
                print(f"left out: {process.name}: {reason}")
        if stop.is_set() or (must_have_all and left_out):
            return 1
        portal = Portal(place, server, left_out)
        threading.Thread(target=portal.serve_forever, daemon=True).start()
        (place.work / "addresses.json").write_text(json.dumps(place.addresses(), indent=2) + "\n")
        tell(place, left_out)
        watch(processes, stop)
        return 0
    finally:
        if portal:
            portal.shutdown()
        for process in [*processes, server]:
            process.stop()


def tell(place: Place, left_out: dict[str, str]) -> None:
    print(f"\nThe demo is ready: {place.portal}/\n")
    for site in place.all():
        if site.name not in left_out:
            print(f"  {site.name:8} {place.origin(site)}/")
    print(f"\nLogs are in {place.work / 'logs'}. Ctrl-C ends it.", flush=True)


def watch(processes: list[Process], stop: threading.Event) -> None:
    while not stop.wait(0.5):
        for process in processes:
            if process.has_ended_by_itself():
                print(f"{process.name} has ended by itself: see {process.log}", flush=True)


def free_ports(count: int = 8) -> int:
    """The first of so many ports in a row that nobody listens at."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise OSError(f"no {count} free ports in a row were found")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
