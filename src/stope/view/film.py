# SPDX-License-Identifier: Apache-2.0
"""A film of a replay, drawn off screen: the page of `stope view` itself, time by time, in headless Chromium.

MuJoCo's own renderer would draw skills alone, and needs EGL or OSMesa; the page draws skills, flights and months alike,
with ground, states and arrows, and without a graphics processor too. So there is one drawing, and the film shows what
the page shows. A GIF is written by Pillow, which matplotlib brings; MP4 (VP9, which the usual browsers play) by ffmpeg,
a program of its own that the extra `stope[video]` brings (imageio-ffmpeg, BSD-2; the program is GPL and not linked).
"""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from stope.base.errors import FileError, MissingExtra
from stope.base.files import write_atomic
from stope.base.progress import Progress, silent
from stope.view.browser import Browser, find_browser
from stope.view.replay import Replay, write_replay

__all__ = ["KINDS_OF_FILM", "check_film", "write_film"]

KINDS_OF_FILM = (".gif", ".mp4")
RATE = {".gif": 10, ".mp4": 25}
"""Pictures a second (chosen: a GIF holds each picture nearly whole)."""
COLOURS = 128
"""Of a GIF's palette, one for all pictures (chosen: faces are flat, so few colours do)."""
SEEK = """(async () => {
  const r = window.stopeReplay;
  r.seek(%r); r.refresh(); r.scene.draw(r.view.frame, r.view.mix);
  for (let k = 0; k < 2; k++) await new Promise((done) => requestAnimationFrame(done));
})()"""


def check_film(path: Path) -> None:
    """Refuse a film that cannot be made, before anything is flown.

    Raises:
        FileError: a name of another kind.
        MissingExtra: no browser, or no ffmpeg for an MP4.
    """
    if path.suffix not in KINDS_OF_FILM:
        raise FileError(f"{path}: expected a name that ends in {' or '.join(KINDS_OF_FILM)}.")
    find_browser()
    if path.suffix == ".mp4":
        _ffmpeg()


def write_film(
    replay: Replay, path: Path, *, seconds: float = 8.0, width: int = 640, height: int = 400, is_dark: bool = False,
    progress: Progress = silent,
) -> int:  # fmt: skip
    """Write a film of a whole recording, to the time of the last change of a robot's state and a little on.

    Args:
        replay: What is shown.
        path: File to write, atomically; `.gif` or `.mp4`.
        seconds: Length of the film [s]; the recording is shown faster or slower than it was to fill it.
        width: Of the pictures [px], even.
        height: Of the pictures [px], even.
        is_dark: Light on dark.
        progress: Told of the drawing.

    Returns:
        Size of the file [bytes].

    Raises:
        FileError: a name of another kind, or the page fails in the browser.
        MissingExtra: no browser, or no ffmpeg for an MP4.
    """
    check_film(path)
    rate = RATE[path.suffix]
    pictures = _pictures(replay, np.linspace(0.0, _end(replay), max(2, round(seconds * rate))), width=width,
                         height=height, is_dark=is_dark, progress=progress)  # fmt: skip
    data = _gif(pictures, rate) if path.suffix == ".gif" else _mp4(pictures, rate, (width, height))
    write_atomic(path, data)
    return len(data)


def _end(replay: Replay) -> float:
    """Time of the last change of a state and a twentieth of the recording more, from its begin [s]."""
    times = replay.times - replay.times[0]
    changes = np.flatnonzero((np.diff(replay.state, axis=0) != 0).any(axis=1))
    last = float(times[-1])
    return last if not len(changes) else min(last, float(times[changes[-1] + 1]) + 0.05 * last)


def _pictures(
    replay: Replay, times: Any, *, width: int, height: int, is_dark: bool, progress: Progress
) -> Iterator[Image.Image]:
    with TemporaryDirectory(prefix="stope-film-") as folder:
        page = Path(folder) / "page.html"
        write_replay(replay, page)
        with Browser(width=width, height=height, is_dark=is_dark) as browser:
            browser.open(page)
            if not browser.evaluate("Boolean(window.stopeReplay.scene)"):
                raise MissingExtra("this Chromium has no WebGL 2, not even by SwiftShader: no film can be drawn.")
            browser.evaluate("document.documentElement.dataset.film = 'true'; window.stopeReplay.scene.home()")
            for k, at in enumerate(times):
                browser.evaluate(SEEK % float(at))
                yield Image.open(io.BytesIO(browser.picture())).convert("RGB")
                progress("draw film", (k + 1) / len(times))


def _gif(pictures: Iterator[Image.Image], rate: int) -> bytes:
    found = list(pictures)
    # One palette for all, from the first, middle and last picture: states change colour on the way.
    sample = Image.new("RGB", (found[0].width, 3 * found[0].height))
    for k, picture in enumerate((found[0], found[len(found) // 2], found[-1])):
        sample.paste(picture, (0, k * picture.height))
    # By coverage, not by area: a robot is small, and its colour says what it does.
    palette = sample.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE)
    plain = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in found]
    out = io.BytesIO()
    length = round(1000 / rate)
    durations = [length] * (len(plain) - 1) + [1500]  # the end stays a while
    plain[0].save(out, "GIF", save_all=True, append_images=plain[1:], duration=durations, loop=0, optimize=False)
    return out.getvalue()


def _mp4(pictures: Iterator[Image.Image], rate: int, size: tuple[int, int]) -> bytes:
    with TemporaryDirectory(prefix="stope-film-") as folder:
        path = Path(folder) / "film.mp4"
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(rate), "-i", "-"]
        made = ["-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p", "-crf", "30", "-b:v", "0", "-cpu-used", "4"]
        call = [_ffmpeg(), "-v", "error", *raw, *made, str(path)]
        with subprocess.Popen(call, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
            assert ffmpeg.stdin is not None
            assert ffmpeg.stderr is not None
            with contextlib.suppress(BrokenPipeError), ffmpeg.stdin as pipe:  # its own words say why it ended
                for picture in pictures:
                    pipe.write(picture.tobytes())
            words = ffmpeg.stderr.read().decode(errors="replace").split()
        if ffmpeg.returncode != 0:
            raise FileError(f"ffmpeg cannot write the film: {' '.join(words)[:200]}")
        return path.read_bytes()


def _ffmpeg() -> str:
    """The program's path."""
    try:
        import imageio_ffmpeg  # noqa: PLC0415 -- only an MP4 needs it
    except ImportError:
        raise MissingExtra("an MP4 needs ffmpeg. Install it: pip install -e '.[video]'; a GIF needs nothing.") from None
    return str(imageio_ffmpeg.get_ffmpeg_exe())
