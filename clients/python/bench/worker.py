"""One process of the site: answers requests for a while, without an HTTP server in between, and prints what that took.

worker.py ENGINE PORT PATH slide|keep THREADS SECONDS
"""

import io
import json
import statistics
import sys
import threading
import time
from pathlib import Path

import shop as site

WARM_UP = 200


def main() -> None:
    engine, port, path, slide, threads, seconds = sys.argv[1:]
    before = memory()
    site.configure(engine, int(port), slide == "slide")
    import django
    from django.core.handlers.wsgi import WSGIHandler

    django.setup()
    handler = WSGIHandler()
    cookies = [new_visitor() for _ in range(int(threads))]
    for cookie in cookies:
        for _ in range(WARM_UP // len(cookies)):
            request(handler, path, cookie)
    after = memory()
    end = time.perf_counter() + float(seconds)
    took: list[list[float]] = [[] for _ in cookies]

    def visit(cookie: str, took: list[float]) -> None:
        while (start := time.perf_counter()) < end:
            request(handler, path, cookie)
            took.append(time.perf_counter() - start)

    visitors = [threading.Thread(target=visit, args=pair) for pair in zip(cookies, took, strict=True)]
    cpu, start = time.process_time(), time.perf_counter()
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    cpu, duration = time.process_time() - cpu, time.perf_counter() - start
    all_of_them = [one for visitor in took for one in visitor]
    result = {
        "p50": statistics.median(all_of_them),
        "rate": len(all_of_them) / duration,
        "cpu": cpu / len(all_of_them),
        "memory": after - before,
    }
    print(json.dumps(result))


def new_visitor() -> str:
    """The cookie of a visitor who is logged in."""
    from importlib import import_module

    from django.conf import settings

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session.update(site.VISITOR)
    session.create()
    return f"sessionid={session.session_key}"


def request(handler, path: str, cookie: str) -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"/{path}",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_COOKIE": cookie,
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }
    answer: list[str] = []
    body = b"".join(handler(environ, lambda status, _headers: answer.append(status)))
    if answer != ["200 OK"] or body != b"dark":
        raise SystemExit(f"the site answered {answer} {body!r}")


def memory() -> int:
    """Resident memory in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
