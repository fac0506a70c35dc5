"""Django's sessions on sessiond beside those on Redis: the same site, the same requests, in one run.

In every round each engine has its turn; the figure of a case is the median of its rounds, and the ratio, too, is the
median of the ratios of the rounds. The site runs on one core and the server on another. But for the cases under
uvicorn, requests are put to Django's handler directly, as a WSGI server would.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from servers import SECOND_CORE, Server, pinned

HERE = Path(__file__).parent
ENGINES = {"redis-py": "redis", "hiredis": "redis", "sessiond": "sessiond"}
OURS = "sessiond"

# Name: what is told, its unit, the target for the ratio to Redis, and how it is measured.
CASES = {
    "change": ("load, change and save, 1 thread", {"p50": 1.0, "cpu": 1.0}),
    "read": ("load, 1 thread", {"p50": None, "cpu": 1.0}),
    "slide": ("load and slide the expiry, 1 thread", {"p50": 0.7, "cpu": 1.0}),
    "crowd": ("load, change and save, 4 processes of 8 threads", {"rate": 1.1}),
    "async": ("load, uvicorn, 64 in flight", {"rate": 1.5}),
    "async-change": ("load, change and save, uvicorn, 64 in flight", {"rate": 1.5}),
    "memory": ("what a process grows by: Django, the engine, and 200 requests", {"memory": None}),
}
UNITS = {"p50": ("us", 1e6), "cpu": ("us of CPU", 1e6), "rate": ("/s", 1), "memory": ("MiB", 1 / 2**20)}


def measure(case: str, engine: str, port: int, seconds: float) -> dict[str, float]:
    if case == "crowd":
        found = workers(4, engine, port, "change", "keep", 8, seconds)
        return {"rate": sum(one["rate"] for one in found)}
    if case.startswith("async"):
        return {"rate": over_http(engine, port, "achange" if case == "async-change" else "aread", seconds)}
    if case == "memory":
        return workers(1, engine, port, "change", "keep", 1, 0.2)[0]
    path = "change" if case == "change" else "read"
    return workers(1, engine, port, path, "slide" if case == "slide" else "keep", 1, seconds)[0]


def workers(number: int, *arguments: object) -> list[dict[str, float]]:
    command = [sys.executable, str(HERE / "worker.py"), *map(str, arguments)]
    running = [pinned(SECOND_CORE, *command, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"{arguments}: the site failed")
    return [json.loads(output) for output in outputs]


def over_http(engine: str, port: int, path: str, seconds: float) -> float:
    """Requests per second of a site under uvicorn; its visitors share the core with the server."""
    cookies = [output(HERE / "cookie.py", engine, port) for _ in range(4)]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        http_port = probe.getsockname()[1]
    flags = ["--port", str(http_port), "--log-level", "error", "--no-access-log", "--lifespan", "off"]
    environment = os.environ | {"SESSIOND_BENCH_SITE": f"{engine} {port} keep"}
    site = pinned(SECOND_CORE, sys.executable, "-m", "uvicorn", "asgi:application", *flags, cwd=HERE, env=environment)
    try:
        while socket.socket().connect_ex(("127.0.0.1", http_port)):
            time.sleep(0.05)
        visit = [HERE / "visitors.py", http_port, path, 64]
        output(*visit, 0.5, *cookies)
        return float(output(*visit, seconds, *cookies))
    finally:
        site.kill()
        site.wait()


def output(program: Path, *arguments: object) -> str:
    command = ["taskset", "--cpu-list", "0", sys.executable, str(program), *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each engine in each round")
    parser.add_argument("--only", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    options = parser.parse_args()
    servers = {kind: Server(kind) for kind in ("redis", "sessiond")}
    for server in servers.values():
        server.__exit__()
    try:
        for case in options.only.split(","):
            title, targets = CASES[case]
            rounds = []
            for _ in range(options.rounds):
                figures = {}
                for engine, kind in ENGINES.items():
                    with servers[kind] as server:
                        figures[engine] = measure(case, engine, server.port, options.seconds)
                rounds.append(figures)
            print(title)
            for metric, target in targets.items():
                show(metric, target, rounds)
    finally:
        for server in servers.values():
            server.end()


def show(metric: str, target: float | None, rounds: list[dict[str, dict[str, float]]]) -> None:
    unit, factor = UNITS[metric]
    line = []
    for engine in ENGINES:
        figure = statistics.median(figures[engine][metric] for figures in rounds) * factor
        shown = f"{engine} {figure:,.1f} {unit}" if figure < 1000 else f"{engine} {figure:,.0f} {unit}"
        if engine != OURS:
            ratios = sorted(figures[OURS][metric] / figures[engine][metric] for figures in rounds)
            shown += f" (ratio {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f})"
        line.append(shown)
    wanted = "" if target is None else f"; target {'at least' if metric == 'rate' else 'at most'} {target}"
    print("   " + "; ".join(line) + wanted, flush=True)


if __name__ == "__main__":
    main()
