# SPDX-License-Identifier: Apache-2.0
"""What every table is written with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(value: float) -> str:
    """Four digits, or nothing for a number that a place does not have."""
    return f"{value:.4g}" if value else ""


def result(name: str) -> dict[str, Any]:
    """What a benchmark has left in docs/results."""
    return json.loads((Path(__file__).parents[1] / "results" / f"{name}.json").read_text())


def share(cell: dict[str, Any], key: str = "success") -> str:
    """A rate in per cent with its interval."""
    return f"{100 * cell[key]:.1f} % ({100 * cell['low']:.1f} to {100 * cell['high']:.1f})"


def sources(all_sources: Iterable[tuple[str, Any]]) -> str:
    """Where each number comes from, one section a name."""
    parts = (
        f"\n\n## {name}\n\n" + table(["number", "source"], ([f"`{key}`", text] for key, text in given.items()))
        for name, given in all_sources
    )
    return "".join(parts)
