# SPDX-License-Identifier: Apache-2.0
"""Questions to Earth and their way there and back, from the waits that a month has kept.

A month keeps when a robot began to wait and when it had its answer. What lies between follows from the contacts, the
light time and the time of a decision, as `stope.fleet.mission.kernels.power.answer_time` has them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EDGES", "STAGES", "questions"]

Floats = NDArray[np.float64]
STAGES = ("waits for contact", "on its way to Earth", "on Earth, not decided", "decided, not yet sent",
          "answer on its way")  # fmt: skip
"""Between two of `EDGES` each."""
EDGES = ("asked", "left", "heard", "decided", "sent", "came")
CLOSE = 1e-3
"""Within which a wait ends with an answer [s]; both come from the same sums."""
MOST_TRIES = 100
"""Of one wait; answers that are lost are asked for again."""


def _in_contact(contact: Floats, t: Floats) -> Floats:
    """First time of contact not before each of t (n,) [s]; infinite after the last."""
    begin, end = np.append(contact[:, 0], np.inf), contact[:, 1]
    return np.maximum(t, begin[np.searchsorted(end, t, side="right")])


def questions(
    robot: NDArray[np.int64], start: Floats, end: Floats, contact: Floats, *, light: float, decision: float
) -> dict[str, NDArray[np.float64]]:
    """Every question, those whose answer was lost included.

    Args:
        robot: Who waited, (n,).
        start: When each wait began, (n,) [s].
        end: When it ended, (n,) [s].
        contact: Begin and end of each contact, in order, (k, 2) [s].
        light: One way [s].
        decision: On Earth [s].

    Returns:
        `robot`, and one of `EDGES` each [s], (questions,).
    """
    who, asked, until = robot.astype(np.float64), start.astype(np.float64), end.astype(np.float64)
    rows: list[Floats] = []
    for _ in range(MOST_TRIES):
        if not len(who):
            break
        left = _in_contact(contact, asked)
        came = _in_contact(contact, left + 2.0 * light + decision)
        heard = left + light
        rows.append(np.stack([who, asked, left, heard, heard + decision, came - light, came]))
        again = came < until - CLOSE
        who, asked, until = who[again], came[again], until[again]
    table = np.concatenate(rows, axis=1) if rows else np.zeros((len(EDGES) + 1, 0))
    table = table[:, np.isfinite(table).all(axis=0)]
    return dict(zip(("robot", *EDGES), table, strict=True))
