# SPDX-License-Identifier: Apache-2.0
"""Questionnaire: the TOML of an imported robot, what its model says filled in and what it does not say as "?"."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from stope.world.robots.articulation import ANCHOR_UNITS, DRUM_UNITS
from stope.world.robots.mjcf_cleaning import BaseFrame
from stope.world.robots.questions import QUESTIONS, UNANSWERED
from stope.world.robots.robot import PRIOR_UNITS, ROBOT_UNITS

__all__ = ["questionnaire"]

BY_DEFINITION = {"inertia_spread": 0.0, "inertia_skew": 0.0, "gain": 1.0, "residual": 0.0}
"""Centres of the prior that the file's own numbers are measured from."""

OPEN = (UNANSWERED, UNANSWERED)
"""Value and source of a number that is asked."""


class _Lines:
    """Lines of the TOML, and which keys wait for an answer."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.missing: list[str] = []

    def row(self, key: str, unit: str, known: tuple[Any, str] = OPEN) -> None:
        """A number of a section: "section.key", its unit, and its value and source; to be asked without them."""
        value, source = known
        name = key.rsplit(".", maxsplit=1)[-1]
        shown = json.dumps(value)
        asked = value == UNANSWERED
        line = f"{name} = {{ value = {shown}, unit = {json.dumps(unit)}, source = {json.dumps(source)} }}"
        self._add(line, key, is_asked=asked)

    def prior(self, name: str, unit: str, centre: Any) -> None:
        """A row of the prior; its spread is always asked."""
        line = (f'{name} = {{ centre = {json.dumps(centre)}, spread = "?", unit = {json.dumps(unit)}, '
                'source = "?" }')  # fmt: skip
        self._add(line, f"prior.{name}", is_asked=True)

    def _add(self, line: str, key: str, *, is_asked: bool) -> None:
        self.text.append(f"{line}  # {QUESTIONS[key]}" if is_asked else line)
        if is_asked:
            self.missing.append(key)


def questionnaire(name: str, model: Any, *, frame: BaseFrame, file: str, side: float) -> tuple[str, tuple[str, ...]]:
    """The TOML of an imported robot.

    Args:
        name: Of the robot.
        model: The compiled original; body 1 is the base.
        frame: Axes and mass properties of the base.
        file: Where the numbers come from.
        side: Greatest extent of the base's geoms [m]; 0 to ask.

    Returns:
        The text, and the keys that wait for an answer.
    """
    source = f"imported from {file}"
    turned = " (axes turned to the principal ones)" if frame.is_turned else ""
    known: dict[str, tuple[Any, str]] = {
        "body.mass": (float(model.body_mass[1]), source),
        "body.com_b": (np.asarray(frame.com).tolist(), source + turned),
        "body.inertia_b": (np.asarray(frame.moments).tolist(), source + turned),
    }
    if side > 0.0:
        known["body.side"] = (side, f"{source}: greatest extent of the base's geoms")
    lines = _Lines()
    lines.text += [
        f"# A robot imported from {file}. SI units; the source is beside each number.",
        '# Every "?" is a question: answer it, give its source, and load the file: `stope world robot FILE`.',
        f"name = {json.dumps(name)}", f"summary = {json.dumps(source)}",
        f'needs_air = "?"  # {QUESTIONS["needs_air"]}',
    ]  # fmt: skip
    lines.missing.append("needs_air")
    for section, units in ROBOT_UNITS.items():
        lines.text += ["", f"[{section}]"]
        for key, unit in units.items():
            lines.row(f"{section}.{key}", unit, known.get(f"{section}.{key}", OPEN))
    _model(lines, name, model)
    lines.text += ["", "# Centre and spread in the parameter's own transform: `stope world physics`.", "[prior]"]
    centres = BY_DEFINITION | {"mass": float(model.body_mass[1])}
    centres |= {f"com_{axis}": float(x) for axis, x in zip("xyz", frame.com, strict=True)}
    for key, unit in PRIOR_UNITS.items():
        lines.prior(key, unit, centres.get(key, UNANSWERED))
    return "\n".join(lines.text) + "\n", tuple(lines.missing)


def _model(lines: _Lines, name: str, model: Any) -> None:
    geoms = [model.geom(k).name for k in range(model.ngeom)]
    lines.text += [
        "", "[model]",
        "# Names in it make tools: geoms soil... feel soil, cylinders drum... dig, sites anchor... are anchors.",
        f"file = {json.dumps(f'{name}.xml')}",
    ]  # fmt: skip
    if any(x.startswith(("soil", "drum")) for x in geoms):
        lines.row("model.element_size", "m")
    if any(model.site(k).name.startswith("anchor") for k in range(model.nsite)):
        lines.text += ["", "[model.anchors]"]
        for key, unit in ANCHOR_UNITS.items():
            lines.row(f"model.anchors.{key}", unit)
    if any(x.startswith("drum") for x in geoms):
        lines.text += ["", "[model.drums]"]
        for key, unit in DRUM_UNITS.items():
            lines.row(f"model.drums.{key}", unit)
