# SPDX-License-Identifier: Apache-2.0
"""Plans: known limits, a perfect fabric, monotony, refusals, and the time a plan may take."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, RangeError
from stope.cluster.job import ActorLearner, DenseTraining, load_job
from stope.cluster.layouts import fabric_of
from stope.cluster.limit import limit_of, limits
from stope.cluster.outcome import Outcome, candidates, outcome_of
from stope.cluster.planner import LARGEST, make_plan, stop_counts
from stope.cluster.quantity import exactly
from stope.cluster.sampling import draws_of, middle_of, scaled
from stope.cluster.system import System, ideal_fabric, load_system
from stope.cluster.training_step import Layout, shipped_coefficients, step_terms


def dense() -> DenseTraining:
    job = load_job("dense-405b")
    assert isinstance(job, DenseTraining)
    return job


def actors(name: str = "ppo-on-device") -> ActorLearner:
    job = load_job(name)
    assert isinstance(job, ActorLearner)
    return job


def seconds(job: Any, system: System, count: int, **factors: float) -> float:
    return float(outcome_of(job, system, count, scaled(middle_of(job, system), factors)).seconds[0])


def amdahl(counts: np.ndarray, serial: float) -> list[Outcome]:
    found: list[Outcome] = []
    for count in counts:
        t = np.array([serial + (1 - serial) / count])
        parts = {"compute": (1 - serial) / count + 0 * t, "data": serial + 0 * t}
        found.append(Outcome(count=int(count), seconds=t, parts=parts, useful=np.ones(1), joules=t, usd=t * count,
                             memory=0.1, how=""))  # fmt: skip
    return found


@pytest.mark.parametrize("serial", [1e-2, 1e-3, 1e-4])
def test_the_three_stops_are_amdahls(serial: float) -> None:
    stops = stop_counts(amdahl(2.0 ** np.arange(21), serial))
    # Efficiency is 1 / (1 + s (N - 1)); (s + (1 - s) / N) / (s + (1 - s) / 2N) is 1.25 at N = 3/2 (1 - s) / s.
    assert stops["efficiency"]["count"] == pytest.approx(1 / serial + 1, rel=0.1)
    assert stops["time"]["count"] == pytest.approx(1.5 * (1 - serial) / serial, rel=0.1)
    assert stops["cost"]["count"] == pytest.approx(1 / serial + 1, rel=0.1)
    assert stops["time"]["binding"] == "data"


@pytest.mark.parametrize(("critical", "published"), [(1e5, 8), (1e6, 64), (1e7, 1024)])
def test_ppo_stops_where_the_critical_batch_says(critical: float, published: int) -> None:
    system = load_system("dgx-a100")
    job = replace(actors(), critical_batch=exactly(critical), world_rate=exactly(72000.0))
    stop = limit_of(job, system)
    # Twice the devices are 1.25 times faster up to 3/2 B_crit / b; the notes give the power of two beside it.
    closed = 1.5 * critical / (4096 * 24 / 4)
    assert stop["stops"]["time"]["count"] == pytest.approx(closed, rel=0.25)
    assert published / 2 <= stop["stops"]["time"]["count"] <= published
    assert stop["stops"]["time"]["binding"] == "critical batch"
    assert not stop["moved"] and stop["faster"] < 1.05


def test_a_perfect_fabric_leaves_arithmetic_and_bubble() -> None:
    system, job = load_system("dgx-a100"), dense()
    layout = Layout(tensor=8, pipeline=14, data=16, micro_batch=1, global_batch=1024, recompute="full")
    perfect = fabric_of(ideal_fabric(system, layout.devices))
    real = step_terms(job.model, layout, fabric_of(system), shipped_coefficients())
    ideal = step_terms(job.model, layout, perfect, shipped_coefficients())
    for name in ("compute", "memory", "overhead", "optimizer"):
        assert ideal[name] == pytest.approx(real[name])
    for name in ("tensor", "pipeline", "data"):
        assert ideal[name] < 0.02 * real[name]
    passes = sum(ideal[n] for n in ("memory", "overhead", "tensor", "pipeline"))
    assert ideal["bubble"] < real["bubble"] and passes > 0


def test_a_fabric_that_is_the_bottleneck_does_matter() -> None:
    laptop = load_system("laptop")
    found = limit_of(replace(actors("stope-dock"), critical_batch=exactly(1e7)), laptop)
    assert found["is_relevant"] and found["moved"] and found["moved_by"]
    assert found["faster"] > 1.1


def test_a_hypothesis_that_changes_no_fabric_is_irrelevant() -> None:
    found = limit_of(actors("stope-contact"), load_system("ascend-semimetal"))
    assert found["against"]["system"] == "cloudmatrix384" and not found["against"]["moved"]
    assert found["is_host_bound"]


@pytest.mark.parametrize("name", ["memory_bandwidth", "tier.bandwidth", "peak", "core_speed"])
@pytest.mark.parametrize("count", [64, 2048])
def test_better_is_never_slower(name: str, count: int) -> None:
    for job in (actors("stope-contact"), dense()):
        if count >= 256 or not isinstance(job, DenseTraining):
            system = load_system("dgx-h200")
            assert seconds(job, system, count, **{name: 2.0}) <= seconds(job, system, count) * (1 + 1e-9)


@pytest.mark.parametrize("name", ["failure_rate", "restart", "tier.latency", "job.goal"])
def test_worse_is_never_faster(name: str) -> None:
    system = load_system("dgx-h200")
    for job in (actors("ppo-on-device"), dense()):
        assert seconds(job, system, 4096, **{name: 2.0}) >= seconds(job, system, 4096) * (1 - 1e-9)
    assert seconds(actors(), system, 8, **{"job.goal": 2.0}) == pytest.approx(
        2 * seconds(actors(), system, 8), rel=1e-3
    )


def test_parts_add_up_to_the_time_and_energy_to_power() -> None:
    system, job = load_system("dgx-h100"), actors()
    one = outcome_of(job, system, 64, draws_of(job, system))
    assert sum(one.parts.values()) == pytest.approx(one.seconds)
    power = one.joules / one.seconds / 64
    assert 300 < float(np.median(power)) < 3000  # W a device, building included


def test_intervals_hold_the_middle_and_repeat() -> None:
    system, job = load_system("ascend-910b"), actors("stope-dock")
    one, two = make_plan(job, system), make_plan(job, system)
    assert one == two
    for row in one["rows"]:
        if row["days"]["high"] is not None:
            assert row["days"]["low"] <= row["days"]["mean"] <= row["days"]["high"]
    for stop in one["stops"].values():
        assert stop["low"] <= stop["count"] <= stop["high"]


@pytest.mark.parametrize(("job", "system"), [("dense-405b", "dgx-h200"), ("stope-dock", "dgx-h100")])
def test_a_plan_over_20_counts_to_a_million_takes_under_a_second(job: str, system: str) -> None:
    counts = [int(c) for c in np.geomspace(1024, LARGEST, 20)]
    make_plan(load_job("ppo-on-device"), load_system("dgx-a100"))  # imports
    begun = time.process_time()
    plan = make_plan(load_job(job), load_system(system), counts)
    assert len(plan["rows"]) == 20
    assert plan["rows"][-1]["count"] > 1_000_000
    assert time.process_time() - begun < 1.0


def test_what_does_not_fit_says_why() -> None:
    with pytest.raises(RangeError, match=r"memory \d+ % of laptop's 16 GB at the least: over 90 %"):
        make_plan(dense(), load_system("laptop"))
    with pytest.raises(RangeError, match="tensor = 16 devices: dgx-h200 joins 8 in its first tier"):
        make_plan(replace(dense(), tensor=16), load_system("dgx-h200"))
    assert candidates(replace(dense(), tensor=16), load_system("gb200-nvl72"))
    with pytest.raises(RangeError, match="Use more"):
        make_plan(dense(), load_system("dgx-h200"), [8])
    with pytest.raises(RangeError, match="Use fewer worlds"):
        make_plan(replace(actors(), world_memory=exactly(1e9)), load_system("dgx-h100"))
    with pytest.raises(ConfigError, match="count 0: expected 1 to"):
        make_plan(actors(), load_system("dgx-h100"), [0])
    assert "memory" in limits(dense(), [load_system("laptop")])[0]["why_not"]


def test_what_would_have_to_be_true_is_true() -> None:
    system, job, count = load_system("dgx-h200"), dense(), 65536
    wished = make_plan(job, system, [count], wished=count)["wished"]
    assert not wished["is_worth_it"]
    factor = wished["levers"]["critical batch"]
    assert factor and factor > 1

    def gain(f: float) -> float:
        return seconds(job, system, count // 2, **{"job.critical_batch": f}) / seconds(
            job, system, count, **{"job.critical_batch": f}
        )

    assert gain(1.02 * factor) >= 1.25 > gain(0.9 * factor)
    assert wished["levers"]["latency of every tier"] is None
    assert make_plan(job, system, [2048], wished=2048)["wished"]["is_worth_it"]


def test_claims_are_called_claims() -> None:
    warnings = make_plan(actors(), load_system("atlas-950"))["warnings"]
    assert any("announced" in text for text in warnings)
    assert any("extrapolate" in text for text in warnings)


def test_failures_end_what_light_does_not() -> None:
    job = replace(actors(), critical_batch=exactly(1e15), goal=exactly(1e15))
    found = limit_of(job, load_system("dgx-h100"))
    assert found["stops"]["efficiency"]["binding"] == "failures"
    assert not found["moved"]
    assert 30_000 < found["stops"]["efficiency"]["count"] < 400_000  # 55 k to 290 k in the notes, by restart time
    assert math.isfinite(found["faster"])
