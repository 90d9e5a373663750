# SPDX-License-Identifier: Apache-2.0
"""System and job files: every shipped one is whole, one more is one file, and a wrong one is one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError, UnknownName
from stope.cluster.job import ActorLearner, DenseTraining, job_names, load_job
from stope.cluster.listing import job_rows, system_rows, trainable_systems
from stope.cluster.planner import make_plan
from stope.cluster.quantity import Quantity
from stope.cluster.system import find_system, ideal_fabric, load_system, system_names

SYSTEMS = Path(__file__).parents[2] / "src" / "stope" / "cluster" / "systems"
JOBS = SYSTEMS.parent / "jobs"
WANTED = {"dgx-a100", "dgx-h100", "dgx-gh200", "ceiba", "gb200-nvl72", "ascend-910b", "ascend-910c", "cloudmatrix384",
          "atlas-950", "laptop", "ascend-semimetal", "hanguang-800", "h800", "h20"}  # fmt: skip


def changed(tmp_path: Path, source: Path, old: str, new: str) -> Path:
    text = source.read_text()
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new, 1))
    return file


def test_every_system_asked_for_is_there() -> None:
    assert set(system_names()) >= WANTED


@pytest.mark.parametrize("system", list(trainable_systems()), ids=lambda s: s.name)
def test_every_number_has_a_source_and_a_range_that_holds_it(system: object) -> None:
    for key, q in system.numbers().items():  # type: ignore[attr-defined]
        assert len(q.source) > 5, key
        assert q.low <= q.value <= q.high, key


def test_the_advertised_units_are_tiers() -> None:
    units = {"dgx-a100": 8, "dgx-gh200": 256, "gb200-nvl72": 72, "cloudmatrix384": 384, "atlas-950": 8192}
    assert {name: load_system(name).unit for name in units} == units
    assert load_system("dgx-gh200").memory.value * 256 < 144e12  # of HBM; the rest of the 144 TB is the hosts'
    assert load_system("ceiba").devices_max.value == 16384


def test_a_hypothesis_changes_nothing_until_somebody_turns_a_knob(tmp_path: Path) -> None:
    base, mine = load_system("cloudmatrix384"), load_system("ascend-semimetal")
    assert mine.status == "hypothesis" and mine.based_on == "cloudmatrix384"
    for key, q in base.numbers().items():
        assert mine.numbers()[key].value == q.value, key
    file = changed(tmp_path, SYSTEMS / "ascend-semimetal.toml", "latency = { value = 1.0", "latency = { value = 0.5")
    turned = load_system(file)
    assert turned.tiers[0].latency.value == pytest.approx(0.5 * base.tiers[0].latency.value)
    assert turned.tiers[0].bandwidth.value == base.tiers[0].bandwidth.value


def test_inference_hardware_answers_that_it_cannot_train() -> None:
    with pytest.raises(ConfigError, match="not applicable: it infers only"):
        load_system("hanguang-800")
    assert next(row for row in system_rows() if row["name"] == "hanguang-800")["status"] == "not applicable"


def test_a_system_more_is_one_file(tmp_path: Path) -> None:
    file = changed(tmp_path, SYSTEMS / "dgx-a100.toml", 'name = "dgx-a100"', 'name = "mine"')
    plan = make_plan(load_job("stope-dock"), load_system(file), [1, 2])
    assert plan["system"] == "mine" and len(plan["rows"]) == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [("A100", "dgx-a100"), ("NVIDIA H100-SXM5 80GB", "dgx-h100"), ("TPU v4", "tpu-v4"), ("Selene", "dgx-a100"),
     ("MegaScale", "megascale-a100"), ("GB200 NVL72", "gb200-nvl72"), ("Ascend 910B", "ascend-910b"), ("H800", "h800")],
)  # fmt: skip
def test_names_of_tables_are_understood(text: str, name: str) -> None:
    found = find_system(text)
    assert found and found.name == name
    assert find_system("abacus") is None


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('unit = "TFLOP/s"', 'unit = "GFLOP/s"', "peak: unit 'GFLOP/s' (no unit of stope): expected 'TFLOP/s'"),
        ('unit = "TFLOP/s"', 'unit = "GB"', "peak: unit 'GB': expected 'TFLOP/s'"),
        ("peak = { value = 312", "peak = { value = -312", "value = -312 TFLOP/s: expected more than 0"),
        ("peak = { value = 312", "peak = { value = nan", "expected a finite number"),
        ("low = 0.8, high = 3", "low = 4, high = 3", "expected low <= value <= high"),
        ("peak = {", "peek = {", "field 'peek' is unknown. Closest: 'peak'"),
        ('source = "NVIDIA A100', 'sauce = "NVIDIA A100', "expected a table { value, unit, source }"),
        ('format = "stope-system-1"', 'format = "x"', "expected \"stope-system-1\""),
        ('status = "sold"', 'status = "dreamt"', "expected one of sold, announced"),
        ("size = { value = 131072", "size = { value = 8", "each larger than the last"),
        ("can_train = true", 'can_train = "yes"', "can_train = 'yes': expected bool"),
    ],
)  # fmt: skip
def test_a_wrong_system_is_refused_in_one_line(tmp_path: Path, old: str, new: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_system(changed(tmp_path, SYSTEMS / "dgx-a100.toml", old, new))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_and_names_that_are_not_there() -> None:
    with pytest.raises(UnknownName, match="Closest: 'dgx-h100'"):
        load_system("dgx-h10")
    with pytest.raises(UnknownName, match="stope cluster jobs"):
        load_job("stope-dok")
    with pytest.raises(FileError, match="no such file"):
        load_system("nowhere.toml")


def test_the_jobs_are_of_both_kinds() -> None:
    jobs = {name: load_job(name) for name in job_names()}
    assert isinstance(jobs["dense-405b"], DenseTraining)
    assert isinstance(jobs["stope-dock"], ActorLearner)
    assert all(row["sources"]["goal"] for row in job_rows())


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('kind = "dense-training"', 'kind = "magic"', "kind = 'magic': expected one of dense-training"),
        ("goal = {", "gaol = {", "field 'gaol' is unknown. Closest: 'goal'"),
        ('unit = "tokens"', 'unit = "samples"', "goal: unit 'samples': expected 'tokens'"),
        ("layers = 126", "layers = 12.5", "model.layers = 12.5: expected a whole number"),
        ("layers = 126\n", "", "model: expected a table with"),
        ('recompute = "selective"', 'recompute = "some"', "expected one of full, selective, none"),
    ],
)
def test_a_wrong_job_is_refused_in_one_line(tmp_path: Path, old: str, new: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_job(changed(tmp_path, JOBS / "dense-405b.toml", old, new))
    assert text in str(caught.value)


def test_draws_keep_the_range_they_were_given() -> None:
    normal = np.random.default_rng(1).standard_normal(20000)
    for q in (Quantity(value=4, low=1, high=8, source="x"), Quantity(value=1, low=0, high=2, source="x")):
        low, middle, high = np.quantile(q.draw(normal), (0.1, 0.5, 0.9))
        assert (low, middle, high) == pytest.approx((q.low, q.value, q.high), rel=0.05, abs=0.05)
    fixed = Quantity(value=3, low=3, high=3, source="x")
    assert set(fixed.draw(normal)) == {3.0}


def test_light_needs_as_long_as_a_hall_is_wide() -> None:
    # 256 and 16 384 devices at 32 a rack: 0.16 and 0.84 us for a sum and its way back, computed apart in the notes.
    for count, both_ways in ((256, 0.16e-6), (16384, 0.84e-6)):
        tier = ideal_fabric(load_system("dgx-h100"), count).tiers[0]
        assert 2 * tier.latency.value == pytest.approx(both_ways, rel=0.03)
        assert tier.bandwidth.value > 1e29
