# SPDX-License-Identifier: Apache-2.0
"""`stope world validate`: cases with known answers, simulated and compared; a user's own event from one file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stope.base.progress import Progress
from stope.cli.console import line, number, progress_bars, show_table
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, example

__all__ = ["EXAMPLE", "validate"]

EXAMPLE = example(
    "stope world validate", "stope world validate --kind exact --json", "stope world validate --case my-drop.toml"
)
QUIET = 2.0
"""Bars are shown from this time on [s]."""


@reported(basis="measured")
def validate(
    *,
    case: Annotated[
        Path | None, typer.Option("--case", metavar="FILE.toml", help="One case of your own instead of the package's.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="exact, body, cut, drop, orbit, penetrate or spin.")
    ] = "",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw each value against its band.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the simulator with exact, flown and laboratory cases; 0 if all lie in their bands, 1 if one does not."""
    from stope.base.errors import ConfigError, FileError  # noqa: PLC0415 -- keeps `stope --help` fast

    if plot is not None and plot.suffix not in {".png", ".svg"}:
        raise FileError(f"{plot}: expected a name that ends in .png or .svg.")
    if case is not None and kind:
        raise ConfigError("--case and --kind: a file says its kind itself; give one of the two.")
    with progress_bars() as show:
        done = _run(case, kind, _after_a_while(show))
    rows = [row for made in done for row in made["rows"]]
    if plot is not None:
        from stope.view.plots.validation import draw_validation  # noqa: PLC0415 -- as above

        draw_validation(rows, plot)
    failed = sum(row["passed"] is False for row in rows)
    results = [{k: made[k] for k in ("name", "kind", "title", "result")} for made in done]
    judged = sum(row["passed"] is not None for row in rows)
    says = f"{judged - failed} of {judged} values of {len(done)} cases lie where they should."
    if not told({"cases": rows, "results": results, "passed": not failed}, as_json=as_json, says=says):
        _show(done, rows, failed)
    if failed:
        raise typer.Exit(1)


def _run(case: Path | None, kind: str, progress: Progress) -> list[dict[str, Any]]:
    from stope.world.validation import run_all, run_file  # noqa: PLC0415 -- keeps `stope --help` fast

    return [run_file(case, progress=progress)] if case is not None else run_all(kind=kind, progress=progress)


def _after_a_while(show: Progress) -> Progress:
    """The same bars, once the work has taken longer than is worth none."""
    begun = time.monotonic()

    def later(stage: str, share: float) -> None:
        if time.monotonic() - begun > QUIET:
            show(stage, share)

    return later


def _show(done: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], failed: int) -> None:
    judged = [row for row in rows if row["passed"] is not None]
    reported = [row for row in rows if row["passed"] is None]
    if judged:
        show_table(
            "Cases", ("case", "quantity", "unit", "measured", "simulated", "band", "", "source"),
            [(str(r["name"]), str(r["quantity"]), str(r["unit"]), number(r["measured"], 6), number(r["simulated"], 6),
              _band(r["band"]), _verdict(r), str(r["source"])) for r in judged],
        )  # fmt: skip
    if reported:
        show_table("Simulated, with nothing to compare", ("case", "quantity", "simulated"),
                   [(str(r["name"]), str(r["quantity"]), number(r["simulated"], 6)) for r in reported],
                   note="The whole result: --json.")  # fmt: skip
    if judged:
        line(f"{len(judged) - failed} of {len(judged)} values of {len(done)} cases lie where they should.")


def _band(band: Sequence[float | None]) -> str:
    low, high = band
    if low is None:
        return f"up to {number(high, 6)}"
    return f"from {number(low, 6)}" if high is None else f"{number(low, 6)} to {number(high, 6)}"


def _verdict(row: dict[str, Any]) -> str:
    if row.get("must_fail"):
        return "control" if row["passed"] else "CONTROL PASSED"
    return "ok" if row["passed"] else "OUTSIDE"
