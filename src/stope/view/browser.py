# SPDX-License-Identifier: Apache-2.0
"""A page of ours in headless Chromium: asked by its own protocol over two pipes, no library and no port.

The protocol is Chrome's DevTools protocol: messages in JSON, each ended by a zero byte, on file descriptors 3 and 4 of
the browser (`--remote-debugging-pipe`). Only pages that stope wrote are opened, and each forbids itself to
load anything.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from stope.base.errors import FileError, MissingExtra

__all__ = ["NAMES", "Browser", "find_browser"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Executables that are looked for, in this order."""
ARGUMENTS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions", "--hide-scrollbars",
    "--ignore-gpu-blocklist", "--enable-unsafe-swiftshader", "--force-color-profile=srgb",
    # Its sandbox does not start in most containers, and what it shows is our own page, which loads nothing.
    "--no-sandbox", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE = 60.0
"""Longest wait for one answer [s]; a page of 10,000 robots takes a few."""


def find_browser() -> str:
    """Path of Chromium or Chrome.

    Raises:
        MissingExtra: neither is on the path.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise MissingExtra(f"pictures of a replay are drawn by Chromium: none of {', '.join(NAMES)} is on the path. "
                           "Install one; without --video the page itself needs none here.")  # fmt: skip
    return found


class Browser:
    """One page; ends the browser when the block is left."""

    def __init__(self, *, width: int, height: int, is_dark: bool = False) -> None:
        """Start Chromium.

        Args:
            width: Of the page [px].
            height: Of the page [px].
            is_dark: Whether the page is told that its reader likes it dark.

        Raises:
            MissingExtra: no browser, or it does not start.
        """
        program = find_browser()
        self._folder = tempfile.TemporaryDirectory(prefix="stope-view-")
        theirs_in, self._to = _pipe()
        self._from, theirs_out = _pipe()
        actions: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4),
            *((os.POSIX_SPAWN_OPEN, k, os.devnull, os.O_RDWR, 0) for k in (0, 1, 2)),
        ]  # fmt: skip
        arguments = [program, *ARGUMENTS, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = os.posix_spawn(program, arguments, dict(os.environ), file_actions=actions, setpgroup=0)
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest, self._last, self._session = b"", 0, ""
        try:
            target = self._ask("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self._ask(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
            self._ask("Emulation.setEmulatedMedia", features=[scheme])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        """This one."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the browser."""
        self.close()

    def open(self, page: Path) -> None:
        """Open a file and wait until its own script says that it is ready (`data-ready` on the root)."""
        self._ask("Page.navigate", url=Path(page).resolve().as_uri())
        begin = time.monotonic()
        while self.evaluate("document.documentElement?.dataset.ready || ''") != "true":
            if time.monotonic() - begin > PATIENCE:
                raise FileError(f"{page}: the page was not ready in {PATIENCE:g} s: expected a replay of stope.")
            time.sleep(0.05)

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for.

        Raises:
            FileError: the page's script threw; the text says what.
        """
        found = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            thrown = found["exceptionDetails"].get("exception", {}).get("description", "an error")
            raise FileError(f"page: {thrown.splitlines()[0]}.")
        return found["result"].get("value")

    def picture(self) -> bytes:
        """What is seen, as a PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """End the browser and remove what it kept."""
        for end in (self._to, self._from):
            os.close(end)
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process, signal.SIGKILL)  # its own group: the browser and its helpers
        os.waitpid(self._process, 0)
        self._folder.cleanup()

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise MissingExtra("Chromium ended at its start. Try it by hand: chromium --headless=new.") from None
        while True:
            answer = self._read()
            if answer.get("id") == self._last:  # all else is an event
                if "error" in answer:
                    raise FileError(f"Chromium: {method}: {answer['error'].get('message', 'refused')}.")
                return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], PATIENCE)
            part = os.read(self._from, 1 << 20) if ready else b""
            if not part:
                raise MissingExtra("Chromium does not answer. Try it by hand: chromium --headless=new.")
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)


def _pipe() -> tuple[int, int]:
    """Two ends of a pipe that are neither 3 nor 4 and do not outlive an exec."""
    ends = os.pipe()
    out = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return out[0], out[1]
