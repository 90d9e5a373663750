# SPDX-License-Identifier: Apache-2.0
"""`stope gap`: what is wrong is said before anything is trained, and the picture is drawn from what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stope.base.errors import ConfigError, FileError
from stope.view.plots.gap import draw_gap
from tests.cli.conftest import Stope

KEPT = Path(__file__).parents[2] / "docs" / "results" / "gap.json"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("dig",), "no trained gap of skill 'dig'"),
        (("anchor", "--model"), "no model gap of skill 'anchor'"),
        (("swim", "--quick"), "no quick gap of skill 'swim'"),
        (("dock", "--quick", "--model"), "--quick and --model: expected one of them."),
        (("dock", "--plot", "gap.txt"), "gap.txt: expected a name that ends in .png or .svg."),
        (("dock", "--plot", "nowhere/gap.png"), "nowhere: no such folder."),
        (("dock", "--seeds", "0"), "--seeds"),
        (("dock", "--n", "-3"), "--n"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(stope: Stope, arguments: tuple[str, ...], text: str) -> None:
    answer = stope("gap", *arguments)
    assert answer.code == 2
    assert text in answer.err
    assert answer.err.count("\n") == 1


def test_the_kept_matrix_is_drawn(tmp_path: Path) -> None:
    found = list(json.loads(KEPT.read_text())["skills"].values())
    draw_gap(found, tmp_path / "gap.svg")
    text = (tmp_path / "gap.svg").read_text()
    assert text.startswith("<?xml")
    draw_gap(found, tmp_path / "gap.png")
    assert (tmp_path / "gap.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(FileError, match="expected a name that ends in"):
        draw_gap(found, tmp_path / "gap.gif")
    with pytest.raises(ConfigError, match="nothing to draw"):
        draw_gap([], tmp_path / "none.png")


def test_the_specialist_of_a_place_has_no_gap_there_and_every_gap_fits_its_rates() -> None:
    for one in json.loads(KEPT.read_text())["skills"].values():
        for there in one["tested"]:
            best, nothing = one["cells"][there][there]["success"], one["nothing"][there]["success"]
            assert one["cells"][there][there]["gap"]["value"] == 0.0
            for who in one["trained"]:
                cell = one["cells"][who][there]
                assert cell["gap"]["value"] == pytest.approx((best - cell["success"]) / (best - nothing))
                assert cell["gap"]["low"] <= cell["gap"]["value"] <= cell["gap"]["high"]
                assert cell["success"] == pytest.approx(sum(cell["by_seed"]) / len(cell["by_seed"]))
