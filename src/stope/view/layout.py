# SPDX-License-Identifier: Apache-2.0
"""What a report must hold; checked before anything is written, so that no figure comes without what it needs.

The layout is in the docstring of `stope.view.report`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stope.base.errors import ConfigError
from stope.view.plots import check_plot
from stope.view.plots.kind import check_keys, check_names, check_text, is_number

__all__ = ["BASES", "KINDS_OF_FIGURE", "check_report", "plain"]

KINDS_OF_FIGURE = ("rate", "mean", "median", "count")
BASES = ("measured", "simulated", "assumed", "extrapolated")
"""measured: flown in the world or timed. simulated: drawn from what was measured. assumed: chosen by somebody.
extrapolated: beyond what was measured."""


def plain(report: Any, where: str = "report") -> dict[str, Any]:
    """A report as JSON gives it back: keys sorted, tuples as lists.

    Raises:
        ConfigError: if it holds something that JSON has no word for.
    """
    try:
        return json.loads(json.dumps(report, sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{_culprit(report, where) or f'{where}: {error}'}.") from None


def check_report(report: Any, where: str = "report") -> None:
    """Refuse a report that lacks something.

    Raises:
        ConfigError: naming the place, what was found and what was expected.
    """
    check_keys(report, where, needs=("title", "answer", "figures", "sections", "assumptions", "provenance"),
               allows=("timing",))  # fmt: skip
    check_text(report["title"], f"{where}.title")
    check_text(report["answer"], f"{where}.answer")
    for at, figure in _rows(report, "figures", where):
        _check_figure(figure, at)
    for at, section in _rows(report, "sections", where):
        _check_section(section, at)
    for at, row in _rows(report, "assumptions", where):
        check_keys(row, at, needs=("name", "value", "unit", "source"))
        for key in ("name", "source"):
            check_text(row[key], f"{at}.{key}")
        check_text(row["unit"], f"{at}.unit", may_be_empty=True)
        _check_leaf(row["value"], f"{at}.value")
    for part in ("provenance", "timing"):
        if part in report:
            _check_tree({k: v for k, v in _table(report, part, where).items() if k != "plots"}, f"{where}.{part}")
    for at, plot in _rows({"plots": [], **report.get("timing", {})}, "plots", f"{where}.timing"):
        check_plot(plot, at)


def _rows(data: Mapping[str, Any], key: str, where: str) -> list[tuple[str, Any]]:
    rows = data[key]
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ConfigError(f"{where}.{key} = {rows!r}: expected a list.")
    return [(f"{where}.{key}[{k}]", row) for k, row in enumerate(rows)]


def _table(data: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    if not isinstance(data[key], Mapping):
        raise ConfigError(f"{where}.{key} = {data[key]!r}: expected a table.")
    return data[key]


def _check_section(section: Any, where: str) -> None:
    check_keys(section, where, needs=("title", "text"), allows=("figures", "table", "plots"))
    check_text(section["title"], f"{where}.title")
    check_text(section["text"], f"{where}.text", may_be_empty=True)
    whole = {"figures": [], "plots": [], **section}
    for at, figure in _rows(whole, "figures", where):
        _check_figure(figure, at)
    for at, plot in _rows(whole, "plots", where):
        check_plot(plot, at)
    table = section.get("table")
    if table is None:
        return
    check_keys(table, f"{where}.table", needs=("columns", "rows"))
    check_names(table["columns"], f"{where}.table.columns")
    for at, row in _rows(table, "rows", f"{where}.table"):
        if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != len(table["columns"]):
            raise ConfigError(f"{at} = {row!r}: expected {len(table['columns'])} cells.")
        for k, cell in enumerate(row):
            _check_leaf(cell, f"{at}[{k}]")


def _check_figure(figure: Any, where: str) -> None:
    check_keys(figure, where, needs=("name", "value", "unit", "kind", "how", "basis"),
               allows=("low", "high", "level", "n", "what"))  # fmt: skip
    check_text(figure["name"], f"{where}.name")
    at = f"{where} ({figure['name']})"
    for key in ("unit", "how", "what"):
        if key in figure:
            check_text(figure[key], f"{at}.{key}")
    for key, known in (("kind", KINDS_OF_FIGURE), ("basis", BASES)):
        if figure[key] not in known:
            raise ConfigError(f"{at}.{key} = {figure[key]!r}: expected one of {', '.join(known)}.")
    given = {key: figure.get(key) for key in ("low", "high", "level", "n")}
    _check_numbers_of(figure["value"], given, at)
    if figure["kind"] == "rate":
        _check_rate(figure["value"], given, at)
    elif figure["kind"] in {"mean", "median"} and given["n"] is None:
        raise ConfigError(f"{at}.n: missing. A {figure['kind']} says of how many.")


def _check_numbers_of(value: Any, given: Mapping[str, Any], at: str) -> None:
    for key, number in {"value": value, **given}.items():
        if (number is not None or key == "value") and not is_number(number):
            raise ConfigError(f"{at}.{key} = {number!r}: expected a finite number.")
    if len({given[key] is None for key in ("low", "high", "level")}) > 1:
        raise ConfigError(f"{at}: expected all of 'low', 'high' and 'level', or none.")
    if given["n"] is not None and (given["n"] != int(given["n"]) or given["n"] < 1):
        raise ConfigError(f"{at}.n = {given['n']}: expected a whole number of 1 or more.")
    if given["low"] is not None:
        if given["low"] > given["high"]:
            raise ConfigError(f"{at}.low = {given['low']:g}: lies above high = {given['high']:g}.")
        if not 0.0 < given["level"] < 1.0:
            raise ConfigError(f"{at}.level = {given['level']:g}: expected a fraction between 0 and 1.")


def _check_rate(value: float, given: Mapping[str, Any], at: str) -> None:
    for key in ("n", "low"):
        if given[key] is None:
            raise ConfigError(f"{at}.{key}: missing. A rate carries n and its interval.")
    if not 0.0 <= given["low"] <= value <= given["high"] <= 1.0:
        raise ConfigError(
            f"{at} = {value:g} ({given['low']:g} to {given['high']:g}): a rate is a fraction from 0 to 1 inside its "
            "interval."
        )


def _check_tree(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_tree(inner, f"{where}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for k, inner in enumerate(value):
            _check_leaf(inner, f"{where}[{k}]")
    else:
        _check_leaf(value, where)


def _check_leaf(value: Any, where: str) -> None:
    if not (value is None or isinstance(value, str | bool) or is_number(value)):
        raise ConfigError(f"{where} = {value!r}: expected text, a finite number, yes or no, or nothing.")


def _culprit(value: Any, where: str) -> str:
    """Where the first thing stands that JSON has no word for."""
    if isinstance(value, Mapping):
        found = (_culprit(inner, f"{where}.{key}") for key, inner in value.items())
    elif isinstance(value, list | tuple):
        found = (_culprit(inner, f"{where}[{k}]") for k, inner in enumerate(value))
    elif value is None or isinstance(value, str | bool) or is_number(value):
        return ""
    else:
        return f"{where} = {value!r}: expected text, a list, a table or a finite number"
    return next((text for text in found if text), "")
