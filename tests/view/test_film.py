# SPDX-License-Identifier: Apache-2.0
"""Films of a replay: what Chromium draws, and one clear line where it cannot."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from stope.base.errors import FileError, MissingExtra
from stope.view.browser import Browser, find_browser
from stope.view.film import check_film, write_film
from tests.view.test_replay import small

slow = pytest.mark.slow


@pytest.fixture
def chromium() -> str:
    """Its path; without one the test is not for this machine."""
    try:
        return find_browser()
    except MissingExtra as error:
        pytest.skip(str(error))


@slow
def test_gif_has_its_length_moves_and_shows_the_states_of_the_last_time(chromium: str, tmp_path: Path) -> None:
    replay, path = small(frames=51, robots=9), tmp_path / "small.gif"
    assert write_film(replay, path, seconds=1.0, width=320, height=200) == path.stat().st_size
    with Image.open(path) as film:
        assert isinstance(film, GifImageFile)
        assert (film.n_frames, film.size, film.info["loop"]) == (10, (320, 200), 0)
        pictures = []
        for k in range(film.n_frames):
            film.seek(k)
            pictures.append(np.asarray(film.convert("RGB"), dtype=np.int64))
    assert all((a != b).any() for a, b in itertools.pairwise(pictures))
    assert len(np.unique(pictures[-1].reshape(-1, 3), axis=0)) > 20  # robots, words and ground, not a blank
    assert list(tmp_path.iterdir()) == [path]


@slow
def test_mp4_has_its_length_and_size(chromium: str, tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs ffmpeg: pip install -e '.[video]'")
    path = tmp_path / "small.mp4"
    write_film(small(frames=11, robots=2), path, seconds=1.0, width=320, height=200, is_dark=True)
    call = [ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    read = subprocess.run(call, capture_output=True, check=True)
    assert b"Video: vp9" in read.stderr
    frames = np.frombuffer(read.stdout, dtype=np.uint8).reshape(-1, 200, 320, 3)
    assert len(frames) == 25
    assert np.median(frames[-1]) < 128  # light on dark


@slow
def test_browser_says_what_a_page_throws_and_ends(chromium: str) -> None:
    with Browser(width=100, height=100) as browser:
        assert browser.evaluate("6 * 7") == 42
        with pytest.raises(FileError, match="page: Error: no such thing"):
            browser.evaluate("(() => { throw new Error('no such thing'); })()")


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"film.avi: expected a name that ends in .gif or .mp4"):
        check_film(tmp_path / "film.avi")


def test_without_a_browser_or_ffmpeg_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match=r"none of chromium, .* is on the path"):
        check_film(tmp_path / "film.gif")
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/true\n")
    fake.chmod(0o755)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtra, match=r"\.\[video\]"):
        check_film(tmp_path / "film.mp4")
    # A browser that ends at once, as one without its libraries does.
    with pytest.raises(MissingExtra, match="by hand"):
        write_film(small(frames=2, robots=1), tmp_path / "film.gif")
    assert not (tmp_path / "film.gif").exists()
