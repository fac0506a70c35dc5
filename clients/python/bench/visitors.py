"""Visitors of an ASGI site over HTTP: so many connections, each with one request in flight.

visitors.py PORT PATH CONNECTIONS SECONDS COOKIE…
"""

import asyncio
import sys
import time


async def visit(port: int, path: str, cookie: str, end: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
    done = 0
    while time.perf_counter() < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        if not head.startswith(b"HTTP/1.1 200") or body != b"dark":
            raise SystemExit(f"the site answered {head!r} {body!r}")
        done += 1
    writer.close()
    return done


async def main() -> None:
    port, path, connections, seconds, *cookies = sys.argv[1:]
    start = time.perf_counter()
    visits = [
        visit(int(port), path, cookies[number % len(cookies)], start + float(seconds))
        for number in range(int(connections))
    ]
    done = sum(await asyncio.gather(*visits))
    print(done / (time.perf_counter() - start))


asyncio.run(main())
