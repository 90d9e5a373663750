# SPDX-License-Identifier: Apache-2.0
"""Quantity: a number of a data sheet with its range, unit and source; a wrong unit is refused, never converted.

In a file it is a table `{value, unit, source}` with an optional `low` and `high`, the range that holds it with 80 %
probability, as far as the sources tell. Without them the number is taken as exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from stope.base.config import is_finite
from stope.base.errors import ConfigError

__all__ = ["SCALES", "Quantity", "exactly", "read_quantity"]

SCALES = {
    "1": 1.0, "s": 1.0, "W": 1.0, "B": 1.0, "1/s": 1.0, "FLOP": 1.0, "samples": 1.0, "tokens": 1.0,
    "TFLOP/s": 1e12, "GB": 1e9, "GB/s": 1e9, "us": 1e-6, "pJ/bit": 1e-12,
    "1/1000 node-days": 1.0 / (1000.0 * 86400.0), "USD/h": 1.0 / 3600.0,
}  # fmt: skip
"""SI value of one of each unit that a file may use; money stays USD."""
Z80 = 1.2815515655446004
"""Standard deviations from the middle to the end of an 80 % interval of a normal law."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """A number with its range, in SI units.

    Raises:
        ConfigError: a number that is not finite or negative, or a range that does not hold the value.
    """

    value: float
    """Best value."""
    low: float
    """Lower end of the 80 % range."""
    high: float
    """Upper end of the 80 % range."""
    source: str
    """Where it comes from; begins with "assumed:" where nothing public was found."""

    def draw(self, normal: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Draws of the number: split log-normal about the value, its 10 and 90 % points at the ends of the range.

        Args:
            normal: Standard normal draws; one array for one number, so that two plans share their luck.

        Returns:
            As many values; all equal where the range has no width, and a split normal where the lower end is 0.
        """
        if self.low == self.high:
            return np.full(normal.shape, self.value)
        if self.low <= 0.0:
            width = np.where(normal < 0.0, self.value - self.low, self.high - self.value)
            return np.maximum(self.value + normal / Z80 * width, 0.0)
        width = np.where(normal < 0.0, math.log(self.value / self.low), math.log(self.high / self.value))
        return self.value * np.exp(normal / Z80 * width)

    def times(self, factor: Quantity) -> Quantity:
        """The same number multiplied by another; ranges multiply, and both sources are named."""
        return Quantity(
            value=self.value * factor.value,
            low=self.low * factor.low,
            high=self.high * factor.high,
            source=f"{self.source}; times {factor.value:g} ({factor.low:g} to {factor.high:g}): {factor.source}",
        )


def exactly(value: float, source: str = "by definition") -> Quantity:
    """A number without a range."""
    return Quantity(value=value, low=value, high=value, source=source)


def read_quantity(table: object, *, unit: str, at: str, may_be_zero: bool = False) -> Quantity:
    """Read a number table and change it to SI.

    Args:
        table: From the file.
        unit: The one unit it must be written in; a key of `SCALES`.
        at: File and key, for messages.
        may_be_zero: Whether 0 is a possible value.

    Raises:
        ConfigError: naming file, key, what was found and what was expected.
    """
    keys = {"value", "unit", "source"}
    if not isinstance(table, Mapping) or not keys <= set(cast("Mapping[str, Any]", table)) <= keys | {"low", "high"}:
        raise ConfigError(
            f"{at} = {table!r}: expected a table {{ value, unit, source }} with an optional low and high. "
            f'Write {{ value = ..., unit = "{unit}", source = "..." }}.'
        )
    given = cast("Mapping[str, Any]", table)
    if given["unit"] != unit:
        known = "" if str(given["unit"]) in SCALES else " (no unit of stope)"
        raise ConfigError(f"{at}: unit {given['unit']!r}{known}: expected {unit!r}. Convert the value.")
    if not isinstance(given["source"], str) or not given["source"].strip():
        raise ConfigError(f"{at}: source = {given['source']!r}: expected where the number comes from.")
    numbers = {key: given.get(key, given["value"]) for key in ("value", "low", "high")}
    for key, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not is_finite(number):
            raise ConfigError(f"{at}: {key} = {number!r} {unit}: expected a finite number.")
        if number < 0 or (number == 0 and not may_be_zero):
            raise ConfigError(
                f"{at}: {key} = {number} {unit}: expected {'0 or more' if may_be_zero else 'more than 0'}."
            )
    if not numbers["low"] <= numbers["value"] <= numbers["high"]:
        raise ConfigError(
            f"{at}: low {numbers['low']}, value {numbers['value']}, high {numbers['high']} {unit}: "
            "expected low <= value <= high."
        )
    scale = SCALES[unit]
    return Quantity(**{key: float(number) * scale for key, number in numbers.items()}, source=given["source"].strip())
