# SPDX-License-Identifier: Apache-2.0
"""`--report FILE.html`: what a command found, as one page that can be kept; the same option for every such command.

A command says `if told(answer, as_json=..., says=...): return` and prints for people below. With --report both are
wanted: the answer is printed as asked for, and what people would be shown is written down for the page.
"""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast, get_type_hints

import typer

from stope.base.errors import FileError
from stope.base.files import check_writable
from stope.cli import console
from stope.cli.console import line, show_json

__all__ = ["GIVEN", "Reported", "reported", "told"]

GIVEN: list[str] = []
"""The arguments of the command that runs, as they were typed; `stope.cli.main` sets them."""
NAME = "report"
VERSIONS = ("numpy", "mujoco", "torch")
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.html", help="Keep the answer as a page too, with figures, intervals and how they arose."
    ),
]
Reported = Callable[..., None]


def told(value: Any, *, as_json: bool, says: str) -> bool:
    """Print the JSON if it is asked for; whether nothing is left to do.

    Args:
        value: The whole answer.
        as_json: Whether a program asked.
        says: The answer in a sentence, for the report.
    """
    if as_json:
        show_json(value)
    kept = console.keeper()
    if kept is None:
        return as_json
    kept.value, kept.says, kept.is_muted = value, says, as_json
    return False


def reported(*, basis: str, level: float = 0.95, notes: Sequence[str] = ()) -> Callable[[Reported], Reported]:
    """Give a command the option --report.

    Args:
        basis: Of its figures: measured, simulated, assumed or extrapolated (`stope.view.layout`).
        level: Of its intervals, where its answer does not say [1].
        notes: What a reader of any of its figures must know.
    """

    def dressed(command: Reported) -> Reported:
        signature = inspect.signature(command)
        hints = get_type_hints(command, include_extras=True)
        own = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
        extra = inspect.Parameter(NAME, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Report)
        place = next((k for k, p in enumerate(own) if p.name == "as_json"), len(own))

        @functools.wraps(command)
        def kept(*arguments: Any, report: Path | None = None, **options: Any) -> None:
            if report is None:
                command(*arguments, **options)
                return
            given = signature.bind(*arguments, **options).arguments
            _check(report, given)
            with console.keeping() as found:
                try:
                    command(*arguments, **options)
                finally:
                    # An answer of "no" leaves with code 1 and is kept as well; an error has no answer.
                    if found.value is not None:
                        _write(found, report, _options(signature, given), basis=basis, level=level, notes=notes)
            if found.value is None:
                raise FileError("--report: with these options the command finds nothing to keep.")
            if not found.is_muted:
                line(f"report: {report}")

        kept.__signature__ = signature.replace(parameters=[*own[:place], extra, *own[place:]])  # type: ignore[attr-defined]
        kept.__annotations__ = hints | {NAME: Report}
        return kept

    return dressed


def _check(path: Path, given: Mapping[str, object]) -> None:
    """Refuse a place that cannot be written, and one that would cost a file that is no report."""
    if path.suffix != ".html":
        raise FileError(f"--report {path}: expected a name that ends in .html.")
    if not path.parent.is_dir():
        raise FileError(f"--report {path}: no folder {path.parent}. Make it first.")
    check_writable(path)
    from stope.base.errors import StopeError  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.view.report import read_report  # noqa: PLC0415 -- as above

    beside = path.with_suffix(".json")
    own = next((name for name, value in given.items()
                if isinstance(value, Path) and value.resolve() == beside.resolve()), None)  # fmt: skip
    if own is not None:
        raise FileError(f"--report {path}: its data go to {beside}, which {own.replace('_', '-')} names too. Give the "
                        "report another name.")  # fmt: skip
    if beside.exists():
        try:
            read_report(beside)
        except StopeError:
            raise FileError(f"--report {path}: its data go to {beside}, where a file lies that is no report. Give the "
                            "report another name.") from None  # fmt: skip


def _options(signature: inspect.Signature, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The command's settings, each with who chose it."""
    rows: list[dict[str, Any]] = []
    for name, parameter in signature.parameters.items():
        if name in ("as_json", "threads") or name not in given:  # neither changes a figure
            continue
        value: object = given[name]
        if value is None or value in ([], ""):
            continue
        is_own = f"--{name.replace('_', '-')}" in GIVEN or str(value) in GIVEN or value != parameter.default
        rows.append({"name": name.replace("_", " "), "value": _plain(value), "unit": "",
                     "source": "given on the command line" if is_own else "the command's default"})  # fmt: skip
    return rows


def _plain(value: object) -> object:
    """A setting as a report shows it."""
    if isinstance(value, bool | int | float):
        return value
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)


def _write(
    found: console.Kept, path: Path, options: list[dict[str, Any]], *, basis: str, level: float, notes: Sequence[str]
) -> None:
    from importlib.metadata import version  # noqa: PLC0415 -- keeps `stope --help` fast

    from stope import __version__  # noqa: PLC0415 -- as above
    from stope.view.found import Shown, report_of  # noqa: PLC0415 -- as above
    from stope.view.report import write_page  # noqa: PLC0415 -- as above

    seeds: list[Any] = [row["value"] for row in options if row["name"] == "seed"]
    seed: dict[str, Any] = {"seed": seeds[0]} if seeds else {}
    versions = {"stope": __version__} | {name: version(name) for name in VERSIONS}
    shown = Shown(found.lines, found.tables)
    report = report_of(found.value, shown, says=found.says, command="stope " + shlex.join(GIVEN), basis=basis,
                       level=level, options=options, provenance=seed | {"versions": versions}, notes=notes)  # fmt: skip
    write_page(report, path)
