# SPDX-License-Identifier: Apache-2.0
"""Numbers as people read them: as many digits as the interval bears, the unit beside the number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["decimals_for", "figure_interval", "figure_value", "number", "quantity"]

THIN = "\u202f"
"""Narrow space that does not break a line: between number and unit, and between thousands."""
MINUS = "\u2212"
MAX_DECIMALS = 6
USUAL_LEVEL = 0.95


def number(value: float, decimals: int | None = None) -> str:
    """A number with thin spaces from ten thousand up; three significant digits unless `decimals` are given."""
    if value == 0.0:
        value = 0.0  # not minus nothing
    if decimals is None:
        if value == int(value) and abs(value) < 1e15:
            decimals = 0
        elif 1e-4 <= abs(value) < 1e15:
            decimals = _decimals(abs(value), digits=4 if abs(value) >= 1.0 else 3)
        else:
            mantissa, exponent = f"{value:.3g}".split("e")
            return f"{mantissa.replace('-', MINUS)}{THIN}\u00d7{THIN}10{_raised(int(exponent))}"
    text = f"{value:.{decimals}f}"
    if float(text) == 0.0:
        text = text.lstrip("-")
    sign, text = (MINUS, text[1:]) if text.startswith("-") else ("", text)
    whole, _, part = text.partition(".")
    if len(whole) > 4:
        groups = []
        while whole:
            whole, group = whole[:-3], whole[-3:]
            groups.append(group)
        whole = THIN.join(reversed(groups))
    return sign + whole + (f".{part}" if part else "")


def quantity(value: float, unit: str, decimals: int | None = None) -> str:
    """A number with its unit; a plain number has the unit "1"."""
    return number(value, decimals) + ("" if unit in {"1", ""} else f"{THIN}{unit}")


def figure_value(figure: Mapping[str, Any]) -> str:
    """The value of a figure of a report; a rate in percent."""
    scale, unit, decimals = _scale(figure)
    return quantity(scale * figure["value"], unit, decimals)


def figure_interval(figure: Mapping[str, Any]) -> str:
    """What stands in brackets behind a figure: "96.0 to 98.0, n = 1000"; empty if it has neither."""
    scale, _, decimals = _scale(figure)
    parts = []
    if figure.get("low") is not None:
        parts.append(f"{number(scale * figure['low'], decimals)} to {number(scale * figure['high'], decimals)}")
        if figure["level"] != USUAL_LEVEL:
            parts.append(f"{number(100 * figure['level'])}{THIN}% interval")
    if figure.get("n") is not None:
        parts.append(f"n{THIN}={THIN}{number(figure['n'])}")
    return ", ".join(parts)


def decimals_for(low: float, high: float, *values: float) -> int | None:
    """Decimals that show an interval's width with two digits; None if it has none, or one that asks for too many."""
    width = high - low
    if not width > 0.0:
        return None if any(v != int(v) for v in (*values, low)) else 0
    return None if width < 10.0 ** (1 - MAX_DECIMALS) else _decimals(width, digits=2)


def _decimals(size: float, *, digits: int) -> int:
    return min(max(digits - 1 - math.floor(math.log10(size)), 0), MAX_DECIMALS)


def _scale(figure: Mapping[str, Any]) -> tuple[float, str, int | None]:
    """Factor, unit and decimals that a figure is shown with."""
    low: Any = figure.get("low")
    high: Any = figure.get("high")
    value = figure["value"]
    if figure["kind"] != "rate":
        return 1.0, figure["unit"], None if low is None else decimals_for(low, high, value)
    decimals = 1
    while decimals < MAX_DECIMALS and _looks_certain(value, decimals):
        decimals += 1
    return 100.0, "%", decimals


def _looks_certain(rate: float, decimals: int) -> bool:
    """Whether a rate that is neither 0 nor 1 would be printed as one of them."""
    return 0.0 < rate < 1.0 and f"{100 * rate:.{decimals}f}" in {f"{0:.{decimals}f}", f"{100:.{decimals}f}"}


def _raised(exponent: int) -> str:
    return str(exponent).translate(
        str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
    )
