# SPDX-License-Identifier: Apache-2.0
"""The live page's server: loopback only, the state only for who has the token, nothing that changes a run.

The page itself holds no data and asks for `/state` once a second, with the token that stands behind the `#` of its
address; a browser sends that part to nobody, so it lands in no log. POST `/robots`, with the token, has the robots
shown as they are now, and the state then says where that page lies. Only requests whose Host is this server's own are
answered, so no page from elsewhere reads through a name that it points here. Standard library: few readers, small
answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

from stope.base.errors import FileError
from stope.fleet.brain.tokens import is_bearer
from stope.view.live.robots import Robots
from stope.view.live.state import newest_run, run_state
from stope.view.look import NIGHT, PAPER, css_variables

__all__ = ["live_page", "serve_live"]

HOST = "127.0.0.1"
ROBOTS = "/robots"


def live_page() -> str:
    """The page, the same for every run."""
    place = files("stope.view.live")
    script = (place / "live.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; connect-src 'self'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'"
    policy += "; img-src data:; frame-src 'self'"
    look = f":root{{{css_variables(PAPER)}}}\n@media (prefers-color-scheme:dark){{:root{{{css_variables(NIGHT)}}}}}"
    page = (place / "live.html").read_text(encoding="utf-8")
    return page.replace("%POLICY%", policy).replace("%LOOK%", look).replace("%SCRIPT%", script)


class _Live(ThreadingHTTPServer):
    """What a request needs to know."""

    daemon_threads = True

    def __init__(self, folder: Path, token: str, port: int) -> None:
        super().__init__((HOST, port), _Answer)
        self.folder, self.token, self.page = folder, token, live_page().encode("utf-8")
        self.robots = Robots()
        self.url = f"http://{HOST}:{self.server_address[1]}/#{token}"


class _Answer(BaseHTTPRequestHandler):
    """GET / and GET /state, POST /robots and GET of the page that it makes."""

    server: _Live  # type: ignore[assignment] -- this server makes no other

    def do_GET(self) -> None:
        """Answer one request."""
        if not self._is_own():
            return
        if self.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page)
        elif self.path.startswith(ROBOTS + "/"):
            page = self.server.robots.page(self.path[len(ROBOTS) + 1 :])
            if page is None:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such page: ask for the robots again\n")
            else:
                self._send(HTTPStatus.OK, "text/html; charset=utf-8", page)
        elif self.path != "/state":
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"expected / or /state\n")
        elif self._has_token():
            self._state()

    def do_POST(self) -> None:
        """Have the robots shown; the body, if any, is not read."""
        self.close_connection = True
        if not self._is_own():
            return
        if self.path != ROBOTS:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"expected /robots\n")
        elif self._has_token():
            try:
                self.server.robots.ask(newest_run(self.server.folder))
                self._send(HTTPStatus.ACCEPTED, "application/json", b"{}")
            except FileError as error:
                self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{error}\n".encode())

    def _is_own(self) -> bool:
        """Whether this server is asked by its own name; else says so."""
        own = {f"{name}:{self.server.server_address[1]}" for name in (HOST, "localhost")}
        if self.headers.get("Host") in own:
            return True
        self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"this server answers by its own name only\n")
        return False

    def _has_token(self) -> bool:
        """Whether the token came along; else says so."""
        if is_bearer(self.headers.get("Authorization"), self.server.token):
            return True
        self._send(HTTPStatus.UNAUTHORIZED, "text/plain", b"expected the token of this run's address\n")
        return False

    def _state(self) -> None:
        try:
            state, code = run_state(self.server.folder), HTTPStatus.OK
        except FileError as error:
            state, code = {"fault": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE
        state |= {"robots": self.server.robots.state()}
        self._send(code, "application/json", json.dumps(state, allow_nan=False).encode("utf-8"))

    def _send(self, code: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(code)
        heads = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store",
                 "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}  # fmt: skip
        for name, value in heads.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # a browser may leave while a page is under way
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: stderr is for progress."""


def serve_live(
    folder: Path, token: str, *, port: int = 0, on_start: Callable[[str, ThreadingHTTPServer], None] | None = None
) -> None:
    """Serve the state of a run until the server is shut down or the process is interrupted.

    Args:
        folder: As `run_state` takes it.
        token: Who has it may read.
        port: On 127.0.0.1; 0 takes one that is free.
        on_start: Told the page's address, token included, and the server.

    Raises:
        FileError: no run there.
        OSError: the port is taken.
    """
    run_state(folder)  # refuse at once, not in the browser
    with _Live(folder, token, port) as server:
        if on_start is not None:
            on_start(server.url, server)
        server.serve_forever(poll_interval=0.2)
