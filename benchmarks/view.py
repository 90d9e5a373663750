# SPDX-License-Identifier: Apache-2.0
"""What a replay costs in the browser: pictures a second, megabytes and memory at 100, 1,000 and 10,000 robots.

Robots that wander, 100 times of them, on a page as `stope view` writes it, in headless Chromium. Without a graphics
processor Chromium draws with SwiftShader on the processor's cores, which is then what bounds the pictures a second;
the figures name what drew.

    python benchmarks/view.py --json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stope.base.seeding import generator
from stope.view.replay import Part, Replay, State, write_replay
from stope.view.replay.shapes import vehicle

SIZES = (100, 1_000, 10_000)
FRAMES = 100
SECONDS = 3.0
"""Over which pictures are counted."""
ARGUMENTS = ["--no-sandbox", "--ignore-gpu-blocklist", "--enable-unsafe-swiftshader", "--enable-precise-memory-info"]


def wandering(robots: int, *, seed: int = 1) -> Replay:
    """Robots on a plane that wander, in four states."""
    rng = generator(seed, "bench-view", robots)
    step = 0.05 * rng.standard_normal((FRAMES, robots, 3))
    start = rng.uniform(-1.0, 1.0, (robots, 3)) * [np.sqrt(robots), np.sqrt(robots), 1.0]
    q = rng.standard_normal((1, robots, 4)) + 0.02 * np.cumsum(rng.standard_normal((FRAMES, robots, 4)), axis=0)
    states = [State(name=name, colour=k + 1, level=k) for k, name in enumerate(("working", "waiting", "hot", "lost"))]
    return Replay(
        kind="skill", title=f"{robots} robots", answer="Robots that wander.", frame="l",
        times=0.2 * np.arange(FRAMES, dtype=np.float64),
        states=states, state=rng.integers(0, 4, (FRAMES, robots)), names=[f"robot {i}" for i in range(robots)],
        parts=[Part("robot/base", vehicle(0.3), start + np.cumsum(step, axis=0), q)],
    )  # fmt: skip


def measure(browser: Any, robots: int, folder: Path, *, is_close: bool) -> dict[str, Any]:
    """Figures of one page."""
    path = folder / f"{robots}.html"
    size = write_replay(wandering(robots), path)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=true]", timeout=120_000)
    found = page.evaluate(
        """async ([seconds, isClose]) => {
          const { data, view, scene, seek, play } = window.stopeReplay;
          const loaded = performance.now();
          const gl = scene.gl, info = gl.getExtension('WEBGL_debug_renderer_info');
          if (isClose) { scene.camera.distance = 30 * data.parts[0].reach; view.dirty = true; }
          const pixel = new Uint8Array(4), gaps = [];
          play(true);
          let last = performance.now(), begin = last, work = 0;
          while (performance.now() - begin < 1000 * seconds) {
            await new Promise((done) => requestAnimationFrame(done));
            const at = performance.now();
            gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);  // until it is drawn, not only asked for
            work += performance.now() - at;
            gaps.push(performance.now() - last); last = performance.now();
            if (view.now > 15) seek(0);
          }
          play(false);
          gaps.sort((a, b) => a - b);
          return { pictures_per_second: 1000 * gaps.length / (last - begin),
            worst_gap_ms: gaps[Math.floor(0.99 * gaps.length)],
            ready_ms: loaded, draw_calls: scene.calls, detail: scene.detail,
            heap_mb: performance.memory.usedJSHeapSize / 1e6,
            drawn_by: info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : 'not told' };
        }""",
        [SECONDS, is_close],
    )
    found |= {
        "robots": robots,
        "view": "close" if is_close else "whole scene",
        "page_mb": size / 1e6,
        "process_mb": _memory(browser),
        "faults": faults,
    }
    page.close()
    return found


def _memory(browser: Any) -> float | None:
    """Resident memory of the largest renderer of the browser [MB]; None where /proc does not tell."""
    session = browser.new_browser_cdp_session()
    ids = [p["id"] for p in session.send("SystemInfo.getProcessInfo")["processInfo"] if p["type"] == "renderer"]
    session.detach()
    sizes: list[float] = []
    for process in ids:
        status = Path(f"/proc/{process}/status")
        if status.is_file():
            lines = [text for text in status.read_text().splitlines() if text.startswith("VmRSS")]
            sizes += [1024.0 * float(text.split()[1]) / 1e6 for text in lines]
    return max(sizes, default=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args(arguments)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.stderr.write("benchmarks/view.py: no Chromium on the path. Install it, and playwright.\n")
        return 3
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- only who measures needs it

    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        browser = play.chromium.launch(executable_path=program, args=ARGUMENTS)
        rows = [measure(browser, n, Path(folder), is_close=c) for n in SIZES for c in (False, True)]
        out = {"rows": rows, "frames": FRAMES, "window": "1280 x 800", "browser": browser.version,
               "cores": len(os.sched_getaffinity(0))}  # fmt: skip
        browser.close()
    if given.json:
        sys.stdout.write(json.dumps(out, indent=1) + "\n")
    else:
        for row in rows:
            sys.stdout.write(
                f"{row['robots']:>6} robots, {row['view']} ({row['detail']}): "
                f"{row['pictures_per_second']:.1f} pictures a second, "
                f"{row['page_mb']:.2f} MB, heap {row['heap_mb']:.0f} MB, process {row['process_mb'] or 0:.0f} MB\n"
            )
    return 1 if any(row["faults"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
