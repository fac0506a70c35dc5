"""The control page: where everything is, buttons that kill sessiond and start it again, and the stylesheet."""

import secrets
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from runner.builds import DEMO
from runner.processes import Server
from runner.sites import SHOP, Place

LARGEST_FORM = 10_000


class Portal(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: Place, server: Server, left_out: dict[str, str]):
        super().__init__(("127.0.0.1", place.portal_port), Handler)
        self.place = place
        self.store = server
        self.left_out = left_out
        # Only a form of this page may kill the server.
        self.token = secrets.token_urlsafe(24)
        self.hosts = {f"{host}:{place.portal_port}" for host in (SHOP, "localhost", "127.0.0.1")}


class Handler(BaseHTTPRequestHandler):
    server: Portal
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/style.css":
            self._answer(200, "text/css; charset=utf-8", (DEMO / "style.css").read_bytes())
        elif self.path == "/":
            self._answer(200, "text/html; charset=utf-8", page(self.server).encode())
        else:
            self._refuse(404, "There is no such page.")

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if size > LARGEST_FORM:
            self.close_connection = True
            self._refuse(413, "The form is too large.")
            return
        form = parse_qs(self.rfile.read(size).decode(errors="replace"))
        token = form.get("token", [""])[0]
        if self.headers.get("Host") not in self.server.hosts or not secrets.compare_digest(token, self.server.token):
            self._refuse(403, "The form is not of this page. Load it again and repeat.")
        elif self.path == "/kill":
            self.server.store.kill()
            self._go_back()
        elif self.path == "/start":
            try:
                self.server.store.start()
            except OSError as error:
                self._refuse(500, f"{error}.")
            else:
                self._go_back()
        else:
            self._refuse(404, "There is no such page.")

    def _go_back(self) -> None:
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: int, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", text.encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody needs a line for each request."""


def page(portal: Portal) -> str:
    place = portal.place
    links = "".join(
        f'<li><a href="{place.origin(site)}/">{escape(site.name)}</a> <small>{escape(place.origin(site))}</small></li>'
        for site in place.all()
        if site.name not in portal.left_out
    )
    missing = "".join(
        f"<li>{escape(name)} <small>left out: {escape(why)}</small></li>" for name, why in portal.left_out.items()
    )
    if portal.store.is_running():
        status = '<p class="good">sessiond is running.</p>'
        button = form(portal, "/kill", "danger", "Kill sessiond")
    else:
        status = '<p class="bad">sessiond was killed. Every site answers 503 now.</p>'
        button = form(portal, "/start", "primary", "Start it again")
    return PAGE.format(links=links, missing=missing, status=status, button=button)


def form(portal: Portal, action: str, kind: str, label: str) -> str:
    return (
        f'<form method="post" action="{action}"><input type="hidden" name="token" value="{portal.token}">'
        f'<button class="{kind}">{label}</button></form>'
    )


PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>sessiond demo</title>
  <link rel="stylesheet" href="/style.css">
</head>
<body>
<header><a class="brand" href="/">sessiond <span>demo</span></a></header>
<main>
  <section class="card">
    <h1>One session in five frameworks</h1>
    <p class="soft">Five sites under one domain share a cookie. A forum on another gets the session by a ticket.</p>
    <ul class="rows sites">{links}{missing}</ul>
  </section>
  <section class="card half">
    <h2>What to try</h2>
    <ol>
      <li>Log in at one site, and look at another: you are there already.</li>
      <li>Put something into the cart at each of them.</li>
      <li>Go on to the forum: the same session, with a cookie of its own.</li>
      <li>Log in with another browser, and end that device from the first.</li>
      <li>Kill sessiond, and start it again: nobody was logged out.</li>
      <li>Log out anywhere: you are logged out everywhere.</li>
    </ol>
  </section>
  <section class="card half server">
    <h2>The store</h2>
    {status}
    <p class="soft">It is killed with SIGKILL, as by a crash.</p>
    {button}
  </section>
</main>
</body>
</html>
"""
