# SPDX-License-Identifier: Apache-2.0
"""What cannot be flown or bounced; the laws of flight are in tests/laws/test_coasting.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from stope.base.errors import RangeError
from stope.world.bouncing import bounce
from stope.world.coasting import Surroundings, coast
from stope.world.gravity import PointMassField, UniformField
from stope.world.surface import FlatSurface

FLAT = Surroundings(field=UniformField(gravity_level=9.81e-6), surface=FlatSurface(), spin_rate=0.0)
POINT = Surroundings(field=PointMassField(gm=1.0), surface=None, spin_rate=0.0)
GOOD = {"restitution": 0.5, "friction": 0.5, "time_limit": 1.0}
FAULTS = [
    (
        coast,
        (FLAT, [0.0, math.nan, 0.0], [0.0, 0.0, 0.0]),
        {"time_limit": 1.0},
        r"coast\.position_a = .* m: must be three",
    ),
    (
        coast,
        (FLAT, [0.0, 0.0], [0.0, 0.0, 0.0]),
        {"time_limit": 1.0},
        r"coast\.position_a = .* m: must be three finite",
    ),
    (coast, (FLAT, [0.0, 0.0, 1.0], [0.0, 0.0, math.inf]), {"time_limit": 1.0}, r"coast\.velocity_a = .* m/s: must be"),
    (
        coast,
        (FLAT, [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]),
        {"time_limit": math.nan},
        r"coast\.time_limit = nan: must be finite",
    ),
    (
        coast,
        (FLAT, [0.0, 0.0, 1.0], [0.0] * 3),
        {"time_limit": 1.0, "tolerance": 0.0},
        r"coast\.tolerance = 0\.0: must be",
    ),
    (
        coast,
        (FLAT, [0.0, 0.0, 1.0], [0.0] * 3),
        {"time_limit": 1.0, "frame": "l"},
        r"coast\.frame = 'l': must be 'a', the",
    ),
    (
        coast,
        (FLAT, [0.0, 0.0, -1.0], [0.0] * 3),
        {"time_limit": 1.0},
        r"coast\.position_a = 1 m under the ground: start on",
    ),
    (
        coast,
        (POINT, [0.0] * 3, [0.0] * 3),
        {"time_limit": 1.0},
        r"coast\.position_a = .*: the attraction is not",
    ),
    (
        bounce,
        (FLAT, [0.0] * 3, [0.0] * 3),
        GOOD | {"restitution": 1.1},
        r"bounce\.restitution = 1\.1: must be 0 to 1\.",
    ),
    (
        bounce,
        (FLAT, [0.0] * 3, [0.0] * 3),
        GOOD | {"restitution": math.nan},
        r"bounce\.restitution = nan: must be 0 to",
    ),
    (
        bounce,
        (FLAT, [0.0] * 3, [0.0] * 3),
        GOOD | {"friction": -0.1},
        r"bounce\.friction = -0\.1: must be finite, zero or",
    ),
    (
        bounce,
        (FLAT, [0.0] * 3, [0.0] * 3),
        GOOD | {"time_limit": 0.0},
        r"bounce\.time_limit = 0\.0 s: must be finite and",
    ),
    (
        bounce,
        (FLAT, [0.0] * 3, [0.0] * 3),
        GOOD | {"rest_height": -1.0},
        r"bounce\.rest_height = -1\.0 m: must be finite",
    ),
    (
        bounce,
        (POINT, [1.0] * 3, [0.0] * 3),
        GOOD,
        r"bounce\.where = no ground: a point cannot bounce there\.",
    ),
]


@pytest.mark.parametrize(("function", "arguments", "options", "text"), FAULTS, ids=[fault[3][:24] for fault in FAULTS])
def test_what_cannot_be_flown_is_refused_in_one_line(
    function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(RangeError, match=rf"^{text}") as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_a_fall_into_a_point_mass_says_where_it_ends() -> None:
    with pytest.raises(
        RangeError, match=r"^coast at t = 1\.11\d+ s: .* Raise the tolerance, or start elsewhere\.$"
    ) as caught:
        coast(POINT, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], time_limit=10.0)  # pi / (2 sqrt 2) = 1.11 s from 1 m at gm = 1
    assert "\n" not in str(caught.value)
