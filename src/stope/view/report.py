# SPDX-License-Identifier: Apache-2.0
"""The report of a mission: one self-contained page and the same content as data.

The page is a function of the data alone. No clock is read and nothing is looked up, so `render` gives the same bytes
today and in a year, and `report.json` is enough to make the page again.

Layout of the data::

    title        short name of the mission
    answer       one sentence with the key figure and its interval
    figures      key figures, each a FIGURE
    sections     of title, text (an empty line parts paragraphs, `code` in backquotes), and if there are any: figures,
                 table {columns, rows of texts or numbers}, plots, each a PLOT
    assumptions  of name, value, unit, source
    provenance   names and values, nested if need be: command, seed, versions, digests
    timing       what may differ between two runs: seconds by stage, threads, machine, date, plots; may be left out

    FIGURE       name, value, unit ("1" for plain numbers), kind, how, basis; if there are any: low, high and level
                 together, n, what (what the name means)
                 kind: rate (a fraction from 0 to 1; with n and interval), mean or median (with n), count
                 basis: measured, simulated (drawn from what was measured), assumed, extrapolated
    PLOT         kind (stope.view.plots.KINDS), title, caption, data (see the module of the kind)

Everything else is refused with one line that names the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stope.base.files import read_json, write_atomic, write_json
from stope.view import page
from stope.view.layout import check_report, plain

__all__ = ["read_report", "render", "write_page", "write_report"]


def render(report: Mapping[str, Any], *, kicker: str = "Mission report", beside: str = "report.json") -> str:
    """The page of a report.

    Args:
        report: In the layout above.
        kicker: What kind of report it is, over the title.
        beside: Name of the file with the same content as data.

    Raises:
        ConfigError: if the report lacks something; the text names the place.
    """
    data = plain(report)
    check_report(data)
    parts = [("Key figures", page.cards(data["figures"]))] if data["figures"] else []
    every = list(data["figures"])
    for k, section in enumerate(data["sections"]):
        figures = section.get("figures", [])
        every += figures
        inner = page.paragraphs(section["text"]) + page.plots(section.get("plots", []), key=f"plot-{k}")
        inner += page.figure_table(figures) + page.table(section.get("table"), name=section["title"])
        parts.append((section["title"], inner))
    if every:
        parts.append(("How each number arose", page.hows(every)))
    if data["assumptions"]:
        parts.append(("Assumptions", page.assumption_table(data["assumptions"])))
    if data["provenance"]:
        parts.append(("Provenance", page.tree_table(data["provenance"])))
    if data.get("timing"):
        parts.append(("Wall-clock", page.timing(data["timing"])))
    return page.document(title=data["title"], answer=data["answer"], parts=parts, kicker=kicker, beside=beside)


def write_report(report: Mapping[str, Any], folder: Path) -> Path:
    """Write `report.json` and then `report.html`, each whole or not at all.

    Returns:
        Path of the page.

    Raises:
        ConfigError: if the report lacks something; nothing is written then.
    """
    page_text = render(report)
    write_json(Path(folder) / "report.json", plain(report))
    target = Path(folder) / "report.html"
    write_atomic(target, page_text)
    return target


def write_page(report: Mapping[str, Any], path: Path) -> None:
    """Write the page of one command's answer to a file, and the same content as data beside it, as `.json`.

    Raises:
        ConfigError: if the report lacks something; nothing is written then.
    """
    beside = Path(path).with_suffix(".json")
    text = render(report, kicker="Report", beside=beside.name)
    write_json(beside, plain(report))
    write_atomic(Path(path), text)


def read_report(path: Path) -> dict[str, Any]:
    """Read and check a `report.json`.

    Raises:
        FileError: missing or broken.
        ConfigError: if it is not a report; the text names the file and the place.
    """
    report = read_json(Path(path), what="report")
    check_report(report, where=str(path))
    return report
