# SPDX-License-Identifier: Apache-2.0
"""The flight that comes with the package is the stand-in it says it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from stope.flight import load_flight
from stope.flight.samples import sample_flight

ROOT = Path(__file__).parents[2]


def test_the_sample_is_a_whole_stand_in_flight_without_its_truth() -> None:
    flight = load_flight(sample_flight())
    assert flight.stand_in
    assert flight.seed == 1
    assert flight.num_rows == 1500
    assert not list(sample_flight().glob("truth*"))


def test_the_proving_ground_makes_the_sample_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "proving_ground", "fly", "--seed", "1", "--minutes", "0.5"]
    subprocess.run([*command, "--out", str(tmp_path / "again")], cwd=ROOT, check=True, capture_output=True)
    again, sample = load_flight(tmp_path / "again"), load_flight(sample_flight())
    # Until the gap, whose place depends on the length, the first half minute is the same flight to rounding.
    rows = np.flatnonzero(again.measured & sample.measured[: again.num_rows])[:20]
    assert np.allclose(again.position_l[rows], sample.position_l[rows], atol=1e-8)
    assert np.allclose(again.command[rows], sample.command[rows], atol=1e-12)
