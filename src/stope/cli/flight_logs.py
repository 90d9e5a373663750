# SPDX-License-Identifier: Apache-2.0
"""Commands of `stope flight` for logs of any format: import, list, check, show, export, formats, predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from stope.cli.console import line, number, progress_bars, show_facts, show_json, show_table
from stope.cli.keep import reported, told
from stope.cli.options import AsJson, Seed

if TYPE_CHECKING:
    from stope.flight.faults import Fault
    from stope.flight.log import FlightLog

__all__ = ["ManyValues", "check_any", "export", "formats", "import_log", "list_logs", "predict", "show_any"]

Store = Annotated[Path, typer.Option(metavar="DIR", help="Folder the logs are kept in.")]
Format = Annotated[
    str, typer.Option("--format", metavar="NAME", help="A name of `stope flight formats`; left out, found.")
]


class ManyValues(TyperCommand):
    """A command whose list options take several values after one name: `--fit A B --test C`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the name before each further value."""
        out: list[str] = []
        name = ""
        for arg in args:
            if arg in ("--fit", "--test"):
                name = arg
                continue
            if arg.startswith("-"):
                name = ""
            out += [name, arg] if name else [arg]
        return super().parse_args(ctx, out)


def import_log(
    path: Annotated[Path, typer.Argument(metavar="LOG", help="File or folder of any known format.")],
    *,
    format_name: Format = "",
    store: Store = Path("flights"),
    name: Annotated[str, typer.Option(metavar="NAME", help="To keep it under; left out, its own.")] = "",
    vehicle: Annotated[str, typer.Option(metavar="TEXT", help="What flew, where the file does not say.")] = "",
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Under which it may be used.")] = "",
    outcome: Annotated[str, typer.Option(metavar="TEXT", help="How the flight ended.")] = "",
    as_json: AsJson = False,
) -> None:
    """Read a log, say what is wrong with it, and keep it as it is: nothing is repaired or resampled."""
    from stope.flight.faults import find_faults  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight.formats import read_log  # noqa: PLC0415 -- as above
    from stope.flight.store import LogStore  # noqa: PLC0415 -- as above

    log = read_log(path, format_name)
    given = {"name": name, "vehicle": vehicle, "licence": licence, "outcome": outcome}
    log = replace(log, head=replace(log.head, **{k: v for k, v in given.items() if v}))
    kept = LogStore(store).add(log)
    _tell(log, find_faults(log), f"kept as {kept}", as_json=as_json, extra={"kept": str(kept)})


def list_logs(*, store: Store = Path("flights"), as_json: AsJson = False) -> None:
    """List the logs of a store; a damaged one is told, and stops nothing."""
    from stope.base.errors import FileError  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight.store import LogStore  # noqa: PLC0415 -- as above

    if not store.is_dir():
        raise FileError(f"{store}: no such store. `stope flight import` makes it with its first log.")
    rows: list[dict[str, Any]] = []
    for kept in LogStore(store).all():
        log = kept.log
        rows.append({"name": kept.name, "fault": kept.fault} if log is None else {
            "name": kept.name, "fault": "", "source": log.head.source, "vehicle": log.head.vehicle,
            "start_utc": log.head.start_utc, "minutes": log.duration / 60.0, "channels": len(log.channels),
            "samples": sum(len(c.time) for c in log.channels.values()), "licence": log.head.licence,
        })  # fmt: skip
    if as_json:
        show_json({"logs": rows})
        return
    columns = ("name", "source", "vehicle", "start_utc", "minutes", "samples", "licence", "fault")
    show_table(f"Logs in {store}", columns, [[number(row.get(c)) for c in columns] for row in rows])


def formats(*, as_json: AsJson = False) -> None:
    """List the log formats that are known."""
    from stope.flight.formats import FORMATS  # noqa: PLC0415 -- keeps `stope --help` fast

    rows = [{"name": n, "writes": FORMATS.get(n).write is not None, "summary": FORMATS.get(n).summary} for n in FORMATS]
    if as_json:
        show_json({"formats": rows})
    else:
        show_table(
            "Log formats",
            ("name", "written too", "what it is"),
            [[str(r["name"]), number(r["writes"]), str(r["summary"])] for r in rows],
        )


def export(
    path: Annotated[Path, typer.Argument(metavar="LOG", help="File or folder of any known format.")],
    *,
    out: Annotated[Path, typer.Option(metavar="PATH", help="New file or folder.")],
    to: Annotated[str, typer.Option(metavar="NAME", help="A name of `stope flight formats` that is written too.")],
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Where the log names none.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write a log in another format; a log without a licence is not passed on."""
    from stope.flight.formats import export_log, read_log  # noqa: PLC0415 -- keeps `stope --help` fast

    log = read_log(path)
    if licence:
        log = replace(log, head=replace(log.head, licence=licence))
    export_log(log, out, to)
    if as_json:
        show_json({"out": str(out), "format": to})
    else:
        line(f"{to}: {out}")


def check_any(path: Path, *, as_json: bool) -> None:
    """`stope flight check` of a log that is no flight folder."""
    from stope.flight.faults import find_faults  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.flight.formats import read_log  # noqa: PLC0415 -- as above

    log = read_log(path)
    _tell(log, find_faults(log), "", as_json=as_json, extra={})


def show_any(path: Path, png: Path) -> None:
    """`stope flight show` of a log that is no flight folder."""
    from stope.flight.formats import read_log  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.view.log_plot import draw_log  # noqa: PLC0415 -- as above

    draw_log(read_log(path), png)


@reported(basis="measured", level=0.9)
def predict(
    *,
    fit: Annotated[list[Path], typer.Option(metavar="DIR...", help="Logs to learn from.")],
    test: Annotated[list[Path], typer.Option(metavar="DIR...", help="Logs of the same vehicle to predict.")],
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Predict a wheel-driven vehicle's body rates 4, 10 and 20 s ahead on flights the model never saw.

    From the rates up to a moment and the wheel speeds up to the end of each window. Figures are at 10 s; the rival is a
    regression that sees the same, and is widened online in the same way.
    """
    from stope.flight.rate_answer import predict_logs  # noqa: PLC0415 -- keeps `stope --help` fast

    with progress_bars() as progress:
        found = predict_logs(fit, test, seed=seed, progress=progress)
    says = (f"Ten seconds ahead, 90 % intervals hold {100 * found['coverage_90']:.1f} % of the measured body rates, "
            f"and score {found['winkler_ratio']:.2f} of the regression's.")  # fmt: skip
    if told(found, as_json=as_json, says=says):
        return
    columns = (
        "horizon [s]",
        "windows",
        "held at 50 %",
        "held at 90 %",
        "raw 50 %",
        "raw 90 %",
        "score ratio",
        "gain [nats]",
    )
    rows = [
        [h, str(s["windows"]), *(f"{100 * s[k]:.1f} %" for k in ("coverage_50", "coverage_90", "raw_coverage_50",
         "raw_coverage_90")), f"{s['winkler_ratio']:.3f}", f"{s['log_score_gain']:.2f}"]
        for h, s in found["horizons"].items()
    ]  # fmt: skip
    show_table(f"Body rates of {', '.join(found['test'])}", columns, rows)
    for level in ("50", "90"):
        low, high = found[f"band_{level}"]
        line(
            f"95 % band of {level} %: {100 * low:.1f} to {100 * high:.1f} % of {3 * found['windows']} windows and axes"
        )
    line("score ratio: mean 90 % interval score over that of the regression, widened in the same way")
    line("gain: log score over the regression's, for each axis, before widening")


def _tell(log: FlightLog, faults: Sequence[Fault], last: str, *, as_json: bool, extra: dict[str, Any]) -> None:
    from dataclasses import asdict  # noqa: PLC0415 -- only here

    facts = {k: v for k, v in asdict(log.head).items() if k != "notes"}
    channels = {
        n: {
            "kind": c.kind,
            "unit": c.unit,
            "found_unit": c.found_unit or c.unit,
            "frame": c.frame,
            "samples": len(c.time),
        }
        for n, c in log.channels.items()
    }
    if as_json:
        show_json({"head": facts, "notes": list(log.head.notes), "channels": channels,
                   "faults": [asdict(f) for f in faults], **extra})  # fmt: skip
        return
    show_facts(f"Log {log.head.name}", facts)
    show_table("Channels", ("channel", "kind", "unit", "in the file", "frame", "samples"),
               [[n, *(number(v) for v in c.values())] for n, c in channels.items()])  # fmt: skip
    if faults:
        show_table("What is wrong", ("channel", "what", "count", "found and expected"),
                   [[f.channel, f.kind, str(f.count), f.text] for f in faults])  # fmt: skip
    else:
        line("nothing to object to")
    for note in log.head.notes:
        line(f"note: {note}")
    if last:
        line(last)
