# SPDX-License-Identifier: Apache-2.0
"""Metrics: what a brain counts, in the text format that Prometheus reads (version 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from stope.fleet.brain.answering import Verdict

__all__ = ["Metrics"]

EDGES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Upper edges of the cells of the time that frames spend here [s]."""
COUNTERS = {
    "frames": "Frames that were answered.",
    "batches": "Batches that were run.",
    "bad_frames": "Frames that were none; their connections were closed.",
    "bad_tokens": "Handshakes without the right token.",
    "slow_readers": "Connections closed because they did not read their answers.",
    "turned_away": "Handshakes refused because too many connections were open, or while draining.",
    "swaps": "Policies that took over while the brain ran.",
    "refused_files": "Policy files that were refused.",
    "roll_backs": "Policies that were rolled back.",
}
GAUGES = {"connections": "Connections open.", "queued_rows": "Rows that wait for a batch."}


class Metrics:
    """Counters, gauges and one histogram."""

    def __init__(self) -> None:
        """Start at zero."""
        self.counts: Counter[str] = Counter()
        self.gauges = dict.fromkeys(GAUGES, 0)
        self._rows = np.zeros(len(Verdict), dtype=np.int64)
        self._cells = [0] * (len(EDGES) + 1)
        self._seconds = 0.0

    def add_frame(self, verdict: NDArray[np.uint8], seconds: float) -> None:
        """Count a frame that was answered."""
        self.counts["frames"] += 1
        self._rows += np.bincount(verdict, minlength=len(Verdict))
        self._cells[bisect_left(EDGES, seconds)] += 1
        self._seconds += seconds

    def rows(self) -> dict[str, int]:
        """Rows by verdict."""
        return {v.name.lower(): int(n) for v, n in zip(Verdict, self._rows, strict=True)}

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        lines: list[str] = []
        for name, words in COUNTERS.items():
            lines += _head(f"{name}_total", words, "counter")
            lines.append(f"stope_brain_{name}_total {self.counts[name]}")
        for name, words in GAUGES.items():
            lines += _head(name, words, "gauge")
            lines.append(f"stope_brain_{name} {self.gauges[name]}")
        lines += _head("rows_total", "Rows that were answered, by verdict.", "counter")
        lines += [f'stope_brain_rows_total{{verdict="{k}"}} {n}' for k, n in self.rows().items()]
        lines += _head("frame_seconds", "Time from a frame's arrival to its answer.", "histogram")
        *below, total = accumulate(self._cells)
        lines += [f'stope_brain_frame_seconds_bucket{{le="{e:g}"}} {n}' for e, n in zip(EDGES, below, strict=True)]
        lines += [f'stope_brain_frame_seconds_bucket{{le="+Inf"}} {total}',
                  f"stope_brain_frame_seconds_sum {self._seconds:.6f}",
                  f"stope_brain_frame_seconds_count {total}"]  # fmt: skip
        return "\n".join(lines) + "\n"


def _head(name: str, words: str, kind: str) -> list[str]:
    return [f"# HELP stope_brain_{name} {words}", f"# TYPE stope_brain_{name} {kind}"]
