# SPDX-License-Identifier: Apache-2.0
"""A kind of plot: what its data must hold, how high it is, how it is drawn; and the checks that kinds share."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import FigureBase

from stope.base.errors import ConfigError
from stope.view.look import Look

__all__ = ["Data", "Kind", "check_band", "check_keys", "check_names", "check_numbers", "check_text", "is_number"]

Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of plot."""

    check: Callable[[Data, str], None]
    """Refuses data that cannot be drawn; told where the data stands in the report."""
    height: Callable[[Data], float]
    """Of the drawing [px], when it is 440 px wide."""
    draw: Callable[[FigureBase, Data, Look], None]
    """Draws into a figure or a part of one."""


def check_keys(data: Any, where: str, *, needs: Sequence[str], allows: Sequence[str] = ()) -> None:
    """Refuse what is no table, lacks a key or has one that is unknown.

    Raises:
        ConfigError: naming the place and the key.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where} = {_short(data)}: expected a table.")
    known = [*needs, *allows]
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Closest: {close[0]!r}." if close else ""
            raise ConfigError(f"{where}: field {key!r} is unknown.{hint} Known: {', '.join(known)}.")
    for key in needs:
        if key not in data:
            raise ConfigError(f"{where}: field {key!r} is missing.")


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_text(value: Any, where: str, *, may_be_empty: bool = False) -> None:
    """Refuse what is no text.

    Raises:
        ConfigError: naming the place and what was found.
    """
    if not isinstance(value, str) or not (may_be_empty or value.strip()):
        raise ConfigError(f"{where} = {_short(value)}: expected text.")


def check_numbers(values: Any, where: str, *, num: int | None = None, least: int = 1) -> None:
    """Refuse what is no list of finite numbers, or one of another length.

    Raises:
        ConfigError: naming the place, the first culprit and what was expected.
    """
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ConfigError(f"{where} = {_short(values)}: expected a list of numbers.")
    for k, value in enumerate(values):
        if not is_number(value):
            raise ConfigError(f"{where}[{k}] = {_short(value)}: expected a finite number.")
    if num is not None and len(values) != num:
        raise ConfigError(f"{where}: {len(values)} numbers, expected {num}.")
    if len(values) < least:
        raise ConfigError(f"{where}: {len(values)} numbers, expected {least} or more.")


def check_names(values: Any, where: str) -> None:
    """Refuse what is no list of texts with something in it.

    Raises:
        ConfigError: naming the place.
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ConfigError(f"{where} = {_short(values)}: expected a list of names.")
    for k, value in enumerate(values):
        check_text(value, f"{where}[{k}]")


def check_band(data: Data, where: str, *, low: str = "low", high: str = "high") -> None:
    """Refuse an interval, or a list of them, whose lower end lies above its upper one.

    Raises:
        ConfigError: naming the place.
    """
    lows, highs = ([x] if is_number(x) else x for x in (data[low], data[high]))
    for k, (a, b) in enumerate(zip(lows, highs, strict=True)):
        if a > b:
            raise ConfigError(f"{where}.{low}[{k}] = {a:g}: lies above {high} = {b:g}.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
