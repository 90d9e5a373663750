# SPDX-License-Identifier: Apache-2.0
"""Every kind of plot: drawn the same twice, to both kinds of file, and refused when its data cannot be drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError
from stope.view.plots import KINDS, plot_svg, save_plot
from stope.view.plots.ground import hill_shade
from stope.view.plots.month import GROUPS, grouped
from tests.view.builders import plot

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_plot_is_drawn_the_same_twice_without_dates(kind: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    save_plot(plot(kind), one)
    save_plot(plot(kind), two)
    assert one.read_bytes() == two.read_bytes()
    assert "dc:date" not in one.read_text()
    assert plot_svg(plot(kind), key="a") == plot_svg(plot(kind), key="a")


@pytest.mark.parametrize("kind", ["body", "site-map", "states"])
def test_a_plot_can_be_kept_as_an_image(kind: str, tmp_path: Path) -> None:
    save_plot(plot(kind), tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    assert data.startswith(PNG)
    assert b"Matplotlib" not in data
    with pytest.raises(FileError, match=r"ends in \.png or \.svg"):
        save_plot(plot(kind), tmp_path / "x.gif")


def test_two_drawings_on_one_page_share_no_names() -> None:
    names = [set(re.findall(r' id="([^"]+)"', plot_svg(plot("daily"), key=key))) for key in ("a", "b")]
    assert names[0]
    assert names[0].isdisjoint(names[1])


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({**plot("daily"), "kind": "pie-chart"}, "expected one of bank"),
        ({**plot("daily"), "title": ""}, "plot.title = '': expected text"),
        (plot("daily", p05=[2000.0] * 30), "plot.data.p05[0] = 2000: lies above p95"),
        (plot("daily", unit=3), "plot.data.unit = 3: expected text"),
        (plot("daily", mean=[]), "mean: 0 numbers, expected 1 or more"),
        (plot("daily", median=[1.0]), "field 'median' is unknown"),
        (plot("states", by_hour={"idle": [0.0]}), "no robot is in any state"),
        (plot("states", by_hour={"idle": [1.0], "lost": [1.0, 2.0]}), "by_hour.lost: 2 numbers, expected 1"),
        (plot("states", by_hour={"idle": [-1.0]}), "by_hour.idle = -1: a number of robots is 0 or more"),
        (plot("states", by_hour=3), "plot.data.by_hour = 3: expected a table"),
        (plot("learning-curve", seconds=[1.0]), "expected one of 'steps' and 'seconds', found steps and seconds"),
        (plot("learning-curve", success=[50.0] * 6), "success[0] = 50: expected a fraction"),
        (plot("learning-curve", low=[None] * 6), "low[0] = None: expected a finite number"),
        (plot("before-after", after=[0.1]), "after: 1 numbers, expected 2 or more"),
        (plot("before-after", after=[0.1, -0.1]), "after = -0.1: an error is 0 or more"),
        (plot("site-map", ground=[[0.0, 1.0], [2.0]]), "ground[1]: 1 numbers, expected 2"),
        (plot("site-map", half_width=0), "half_width = 0 m: expected a positive number"),
        (plot("site-map", legs=[{"name": "x", "east": [0.0, 1.0], "north": [0.0]}]), "legs[0].north: 1 numbers"),
        (plot("body", faces=[[0, 1, 9]], shade=[1.0]), "faces[0] = [0, 1, 9]: expected indices from 0 to 3"),
        (plot("body", shade=[1.0]), "shade: 1 numbers, expected 2"),
        (plot("bars", low=[1.0, 2.0, 3.0], high=[0.0, 3.0, 4.0]), "low[0] = 1: lies above high = 0"),
        (plot("lines", series=[]), "series: expected a list with one series"),
        (plot("lines", series=[{"name": "a", "y": [0.0] * 10, "low": [0.0] * 10}]), "both of 'low' and 'high'"),
        (plot("belief", parameters=[]), "expected a list with one parameter"),
        (plot("bank", rows=[]), "expected a list with one row"),
    ],
)
def test_data_that_cannot_be_drawn_is_refused_in_one_line(bad: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        save_plot(bad, tmp_path / "x.svg")
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "extreme",
    [
        plot("learning-curve", steps=[1], success=[0.5], low=[0.4], high=[0.6]),
        plot("daily", mean=[0.0], p05=[0.0], p95=[0.0]),
        plot("states", by_hour={"idle": [3.0]}),
        plot("states", by_hour={"idle": [1.0] + [0.0] * 100}),
        plot("before-after", before=[0.0, 0.0], after=[0.0, 0.0]),
        plot("before-after", before=[3.0, 3.0], after=[3.0, 3.0]),
        plot("site-map", ground=[[0.0, 0.0], [0.0, 0.0]], marks=[], legs=[]),
        plot("site-map", half_width=0.1),
        plot("bars", labels=["a"], values=[0.0], low=[0.0], high=[0.0]),
        plot("lines", x=[1.0], series=[{"name": "a", "y": [1.0]}]),
        plot("lines", x=[1.0], series=[{"name": "my $lap_{top$", "y": [1.0]}]),  # a user's own name
    ],
)
def test_data_at_its_limits_is_drawn_without_a_warning(extreme: dict[str, Any], tmp_path: Path) -> None:
    save_plot(extreme, tmp_path / "x.svg")  # warnings are errors in every test


def test_no_robot_is_lost_when_states_are_shown_together() -> None:
    by_hour = plot("states")["data"]["by_hour"] | {"a-new-state": [0.5] * 720}
    total = np.sum(list(by_hour.values()), axis=0)
    groups = grouped(by_hour)
    np.testing.assert_allclose(np.sum(list(groups.values()), axis=0), total, rtol=1e-12)  # order of adding
    assert list(groups)[-1] == "a-new-state"
    assert [name for name in groups if name in GROUPS] == [name for name in GROUPS if name in groups]


def test_every_state_of_the_fleet_has_its_place_in_the_picture() -> None:
    from stope.fleet.states import State  # noqa: PLC0415 -- the one place that looks down

    assert {label for labels in GROUPS.values() for label in labels} == {state.label for state in State}


def test_slopes_towards_the_light_are_bright() -> None:
    axis = np.linspace(-1.0, 1.0, 9)
    east, north = np.meshgrid(axis, axis)
    facing, away = (hill_shade(sign * (east - north), 0.25).mean() for sign in (1.0, -1.0))
    flat = hill_shade(np.zeros_like(east), 0.25).mean()
    assert facing > flat > away  # ground that falls towards the north-west faces the light


def test_a_body_keeps_its_facets_as_an_image_and_its_lines_as_lines() -> None:
    drawing = plot_svg(plot("body"), key="a")
    assert drawing.count("data:image/png;base64,") == 1
    assert drawing.count("<path") < 40
