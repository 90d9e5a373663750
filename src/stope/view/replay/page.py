# SPDX-License-Identifier: Apache-2.0
"""The page of a replay: one HTML file that loads nothing; data as 16-bit arrays, deflated, in base64.

Drawing is WebGL 2 by hand, 16 bytes a robot and time, uploaded once: each class of parts is one instanced call, and
the graphics processor interpolates. That is a few hundred lines; three.js alone would be 700 kB in every page.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.files import write_atomic
from stope.view.look import NIGHT, PAPER, css_variables
from stope.view.replay.model import LEVELS, Replay, quantise
from stope.view.replay.questions import STAGES

__all__ = ["render_replay", "write_replay"]

SCRIPTS = ("scene.js", "charts.js", "replay.js")
TYPES = {"int16": "i2", "uint8": "u1", "uint16": "u2", "uint32": "u4", "float32": "f4"}


class Blob:
    """Arrays one after the other, each on a multiple of four bytes."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, array: NDArray[Any], kind: str) -> dict[str, Any]:
        """Append an array; returns where it is."""
        data = np.ascontiguousarray(array, dtype="<" + TYPES[kind]).tobytes()
        place = {"type": kind, "at": self.size, "shape": list(array.shape)}
        data += bytes(-len(data) % 4)
        self._parts.append(data)
        self.size += len(data)
        return place

    def text(self) -> str:
        """Deflated, in base64."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 6)).decode("ascii")


def _head(replay: Replay, blob: Blob) -> dict[str, Any]:
    colours = np.array([s.colour for s in replay.states])[replay.state]
    parts: list[dict[str, Any]] = []
    for part in replay.parts:
        rows, middle, half = quantise(part, colours)
        parts.append({
            "name": part.name, "vertices": blob.add(part.mesh.vertices, "float32"),
            "faces": blob.add(part.mesh.faces, "uint32"), "poses": blob.add(rows, "int16"),
            "middle": middle.tolist(), "half": half.tolist(), "sized": part.size is not None, "colour": part.colour,
        })  # fmt: skip
    ground = None
    if replay.ground is not None:
        ground = {"vertices": blob.add(replay.ground.vertices, "float32"),
                  "faces": blob.add(replay.ground.faces, "uint32")}  # fmt: skip
    force = None
    if replay.force is not None:
        force = {"name": replay.force_name, "values": blob.add(replay.force, "float32"),
                 "most": float(np.linalg.norm(replay.force, axis=-1).max())}  # fmt: skip
    kinds = {"robot": "uint32", "state": "uint8", "start_s": "float32", "end_s": "float32", "pit": "int16"}
    return {
        "shown": replay.as_json(), "levels": LEVELS, "names": replay.names, "outcome": replay.outcome,
        "states": [{"name": s.name, "level": s.level, "colour": s.colour, "lost": s.is_lost_time}
                   for s in replay.states],
        "times": blob.add(replay.times - replay.times[0], "float32"), "state": blob.add(replay.state, "uint8"),
        "counts": blob.add(replay.counts(), "uint32"), "parts": parts, "ground": ground, "force": force,
        "series": [{"name": name, "values": blob.add(values, "float32")} for name, values in replay.series.items()],
        "rows": {name: blob.add(values, kinds[name]) for name, values in replay.rows.items()},
        "stages": list(STAGES),
        "questions": {name: blob.add(values, "uint32" if name == "robot" else "float32")
                      for name, values in replay.questions.items()},
        "bands": [{"name": name, "spans": (spans - replay.times[0]).tolist()} for name, spans in replay.bands.items()],
        "gravity": replay.gravity.tolist(), "sun": np.round(replay.sun, 5).tolist(), "smooth": replay.is_smooth,
        "apart": replay.apart, "paths": replay.paths,
    }  # fmt: skip


def _read(name: str) -> str:
    return (files("stope.view.replay") / name).read_text(encoding="utf-8")


def render_replay(replay: Replay) -> str:
    """The page as text; the same replay gives the same bytes."""
    blob = Blob()
    head = json.dumps(_head(replay, blob), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    script = "'use strict';\n(() => {\n" + "\n".join(_read(name) for name in SCRIPTS) + "\n})();\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    style = (
        f":root{{{css_variables(PAPER)}}}\n@media (prefers-color-scheme:dark){{:root{{{css_variables(NIGHT)}}}}}\n"
        + _read("replay.css")
    )
    facts = "".join(
        f"<tr><th scope=row>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in replay.facts.items()
    )
    fills = {
        "TITLE": html.escape(replay.title), "ANSWER": html.escape(replay.answer), "POLICY": policy, "STYLE": style,
        "NOTES": "".join(f"<li>{html.escape(n)}</li>" for n in replay.notes), "FACTS": facts, "HEAD": head,
        "BLOB": blob.text(), "SCRIPT": script,
    }  # fmt: skip
    # In one pass, so that nothing in the data is taken for a mark.
    return re.sub("%(" + "|".join(fills) + ")%", lambda mark: fills[mark[1]], _read("replay.html"))


def write_replay(replay: Replay, path: Path) -> int:
    """Write the page, whole or not at all.

    Returns:
        Its size [bytes].
    """
    text = render_replay(replay)
    write_atomic(Path(path), text)
    return len(text.encode("utf-8"))
