# SPDX-License-Identifier: Apache-2.0
"""Numbers on a page: as many digits as the interval bears, never a false certainty."""

from __future__ import annotations

from typing import Any

import pytest

from stope.view.numbers import decimals_for, figure_interval, figure_value, number, quantity


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0, None, "0"), (-0.0, None, "0"), (20, None, "20"), (9999, None, "9999"), (26840, None, "26 840"),
        (1234567.0, None, "1 234 567"), (-139.2, 0, "\u2212139"), (-0.004, 2, "0.00"), (0.000132, None, "0.000132"),
        (1.3e-7, None, "1.3 \u00d7 10\u207b\u2077"), (-2.5e-9, None, "\u22122.5 \u00d7 10\u207b\u2079"),
        (29.97, None, "29.97"), (7.63262, None, "7.633"),
        (54984.9, 0, "54 985"),
    ],
)  # fmt: skip
def test_a_number_reads_well(value: float, decimals: int | None, text: str) -> None:
    assert number(value, decimals).replace("\u202f", " ") == text


def test_a_quantity_has_its_unit_beside_it_and_a_plain_number_none() -> None:
    assert quantity(200.0, "h").replace("\u202f", " ") == "200 h"
    assert quantity(20, "1") == "20"


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [(0.9, 1.1, 2), (54.9, 55.7, 2), (1789.0, 1811.0, 0), (0.1, 0.6, 2), (1e-5, 1.0e-5, None), (3.0, 3.0, 0)],
)
def test_an_interval_shows_two_digits_of_its_width(low: float, high: float, decimals: int | None) -> None:
    assert decimals_for(low, high, low) == decimals


def figure(value: float, low: float, high: float, n: int, **more: Any) -> dict[str, Any]:
    """A rate."""
    row = {"value": value, "low": low, "high": high, "n": n, "level": 0.95, "kind": "rate", "unit": "1"}
    return row | more


@pytest.mark.parametrize(
    ("rate", "shown", "interval"),
    [
        (figure(0.971, 0.9601, 0.9796, 1000), "97.1 %", "96.0 to 98.0, n = 1000"),
        (figure(1.0, 0.9963, 1.0, 1000), "100.0 %", "99.6 to 100.0, n = 1000"),
        (figure(0.9995, 0.99722, 0.99999, 2000), "99.95 %", "99.72 to 100.00, n = 2000"),
        (figure(0.0, 0.0, 0.0037, 1000), "0.0 %", "0.0 to 0.4, n = 1000"),
        (figure(0.0002, 0.00001, 0.0011, 5000), "0.02 %", "0.00 to 0.11, n = 5000"),
        (figure(0.5, 0.4, 0.6, 100, level=0.9), "50.0 %", "40.0 to 60.0, 90 % interval, n = 100"),
    ],
)
def test_a_rate_is_in_percent_and_certain_only_when_it_is(rate: dict[str, Any], shown: str, interval: str) -> None:
    assert figure_value(rate).replace("\u202f", " ") == shown
    assert figure_interval(rate).replace("\u202f", " ") == interval


def test_an_interval_too_small_for_decimals_is_shown_by_powers_of_ten() -> None:
    small = {"kind": "count", "value": 4.2e-8, "low": 1e-8, "high": 9e-8, "unit": "MWh", "level": 0.95}
    plain = str.maketrans({"\u202f": " ", "\u00d7": "x"})
    assert figure_value(small).translate(plain) == "4.2 x 10⁻⁸ MWh"
    assert figure_interval(small).translate(plain) == "1 x 10⁻⁸ to 9 x 10⁻⁸"
