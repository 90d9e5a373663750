# SPDX-License-Identifier: Apache-2.0
"""Closed forms: collectives, failures, critical batch, memory and arithmetic of transformers, thin wires."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stope.base.errors import RangeError
from stope.cluster.collectives import (
    Level,
    best_all_reduce,
    hierarchical_all_reduce,
    levels_of,
    ring_all_reduce,
    tree_all_reduce,
)
from stope.cluster.critical_batch import fewest_samples, samples_to_goal, steps_to_goal
from stope.cluster.interconnect import (
    COPPER,
    COPPER_PATH,
    copper_resistivity,
    fuchs_sondheimer,
    grain_factor,
    skin_depth,
    wire_table,
)
from stope.cluster.reliability import checkpoint_interval, job_mttf, useful_share, useful_share_without
from stope.cluster.transformer import Recompute, Transformer, activation_bytes, forward_flops, state_bytes

DAY = 86400.0
PER_NODE_DAY = 1.0 / 1000.0 / DAY


def level(ranks: float = 8, latency: float = 2e-6, bandwidth: float = 25e9) -> Level:
    return Level(ranks=ranks, latency=latency, bandwidth=bandwidth)


def test_ring_is_the_textbook_formula() -> None:
    assert ring_all_reduce(1e9, level(4, 1e-6, 1e10)) == pytest.approx(2 * 3 * 1e-6 + 2 * 0.75 * 0.1)


def test_tree_is_the_textbook_formula() -> None:
    assert tree_all_reduce(1e9, level(16, 1e-6, 1e10)) == pytest.approx(2 * 4 * 1e-6 + 2 * 0.1)
    assert tree_all_reduce(1e9, level(1)) == 0.0


def test_hierarchy_moves_only_a_share_of_the_message_across() -> None:
    inner, outer = level(8, 0.0, 1e11), level(4, 0.0, 1e10)
    expected = 2 * 7 / 8 * 0.01 + 2 * 3 / 4 * (1e9 / 8) / 1e10
    assert hierarchical_all_reduce(1e9, [inner, outer]) == pytest.approx(expected)


@given(
    num_bytes=st.floats(1.0, 1e12), ranks=st.integers(2, 2**20), factor=st.floats(1.0, 100.0),
    latency=st.floats(1e-8, 1e-4), bandwidth=st.floats(1e8, 1e12),
)  # fmt: skip
def test_the_best_collective_is_never_worse_with_less_to_send_or_better_links(
    num_bytes: float, ranks: int, factor: float, latency: float, bandwidth: float
) -> None:
    def time(m: float, a: float, b: float) -> float:
        levels = levels_of(ranks, 1, [8, 2**21], [a, 3 * a], [10 * b, b])
        return float(best_all_reduce(m, levels))

    now = time(num_bytes, latency, bandwidth)
    slack = 1.0 + 1e-9
    assert time(num_bytes / factor, latency, bandwidth) <= now * slack
    assert time(num_bytes, latency / factor, bandwidth) <= now * slack
    assert time(num_bytes, latency, bandwidth * factor) <= now * slack
    # Units: the same machine, described in milliseconds and kilobytes.
    assert time(num_bytes / 1e3, latency * 1e3, bandwidth / 1e6) == pytest.approx(1e3 * now, rel=1e-9)


def test_groups_find_the_tiers_they_span() -> None:
    sizes, zero, one = [8, 64, 4096], [0.0] * 3, [1.0] * 3
    assert [x.ranks for x in levels_of(4, 1, sizes, zero, one)] == [4]
    assert [x.ranks for x in levels_of(16, 1, sizes, zero, one)] == [8, 2]
    assert [x.ranks for x in levels_of(16, 8, sizes, zero, one)] == [8, 2]  # one replica a node, eight nodes a rack
    assert [x.ranks for x in levels_of(1000, 1, sizes, zero, one)] == [8, 8, 1000 / 64]
    assert [x.ranks for x in levels_of(1, 8, sizes, zero, one)] == [1]


def test_young_finds_the_best_interval() -> None:
    write, mttf = 20.0, 3 * 3600.0
    best = float(checkpoint_interval(write, mttf))
    assert best == pytest.approx(math.sqrt(2 * write * mttf))
    every = np.linspace(0.2 * best, 5 * best, 20001)
    lost = write / every + every / (2 * mttf)
    assert every[np.argmin(lost)] == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize(
    ("devices", "write", "restart", "published"),
    [(1024, 60, 600, 0.96), (16384, 60, 600, 0.79), (16384, 20, 300, 0.88), (131072, 10, 120, 0.72),
     (131072, 60, 600, 0.06), (262144, 60, 600, 0.0)],
)  # fmt: skip
def test_useful_share_at_the_failure_rate_of_a_published_cluster(
    devices: int, write: float, restart: float, published: float
) -> None:
    found = useful_share(devices / 8, failure_rate=6.5 * PER_NODE_DAY, checkpoint_write=write, restart=restart)
    assert float(found) == pytest.approx(published, abs=0.006)  # published to two digits


def test_mttf_lies_in_the_interval_of_published_ones() -> None:
    for devices, hours in ((1024, 7.9), (16384, 1.8), (131072, 0.23)):
        fast, slow = (float(job_mttf(devices / 8, r * PER_NODE_DAY)) / 3600 for r in (24.0, 2.34))
        assert fast / 2 <= hours <= slow * 2


def test_a_short_job_needs_no_checkpoint() -> None:
    alone = float(useful_share_without(60.0, mttf=1e6, restart=300.0))
    assert alone == pytest.approx(1.0 - 60.0 / 2e6 - 300.0 / 1e6, rel=1e-6)
    assert float(useful_share_without(1e9, mttf=1e3, restart=1.0)) == 0.0


@given(batch=st.floats(1.0, 1e9), critical=st.floats(1.0, 1e9))
def test_steps_and_samples_keep_the_hyperbola(batch: float, critical: float) -> None:
    fewest = 1e12
    samples = samples_to_goal(batch, fewest=fewest, critical_batch=critical)
    steps = steps_to_goal(batch, fewest=fewest, critical_batch=critical)
    assert samples == pytest.approx(steps * batch)
    assert (steps / (fewest / critical) - 1) * (samples / fewest - 1) == pytest.approx(1.0, rel=1e-3)
    assert fewest_samples(samples, batch, critical) == pytest.approx(fewest)


def test_arithmetic_of_a_step_is_the_published_formula() -> None:
    h, layers, s, v = 12288, 96, 2048, 51200
    model = Transformer(parameters=12 * layers * h**2 + v * h, layers=layers, hidden_size=h, attention_heads=96,
                        sequence_length=s, vocabulary_size=v)  # fmt: skip
    published = 96 * s * layers * h**2 * (1 + s / (6 * h) + v / (16 * layers * h))  # with full recomputation
    # The published one counts the head three times of four: it is not computed again.
    assert 4 * forward_flops(model) - 2 * v * h * s == pytest.approx(published, rel=1e-9)


def test_memory_of_a_step_is_the_published_formula() -> None:
    model = Transformer(parameters=175e9, layers=96, hidden_size=12288, attention_heads=96, sequence_length=2048)
    assert state_bytes(model, tensor=8, pipeline=8) == pytest.approx(18 * 175e9 / 64)
    assert state_bytes(model, tensor=8, pipeline=8, shards=4) == pytest.approx((6 + 3) * 175e9 / 64)

    def held(recompute: Recompute) -> float:
        return activation_bytes(model, micro_batch=1, tensor=8, pipeline=8, in_flight=8, recompute=recompute)

    sbh = 2048 * 12288
    assert held("selective") == pytest.approx(34 * sbh / 8 * 96)
    full = sbh * (2 * 96 + 10 + 3 + 5 * 96 * 2048 / (12288 * 8))
    assert held("full") == pytest.approx(full)


def test_thick_film_is_sondheimers_limit_and_thin_film_the_logarithm() -> None:
    thick = 100 * COPPER_PATH
    assert fuchs_sondheimer(thick) == pytest.approx(1 + 3 / 8 / 100, rel=1e-4)  # next term is 1e-4 of it
    k = 1e-4
    expected = 4 / (3 * k * (math.log(1 / k) + 0.4228))  # Sondheimer's thin limit
    assert fuchs_sondheimer(k * COPPER_PATH) == pytest.approx(expected, rel=0.01)
    assert fuchs_sondheimer(1e-9, specular=1.0) == pytest.approx(1.0)


def test_grain_boundaries_follow_mayadas_and_shatzkes() -> None:
    a = COPPER_PATH / 20e-9 * 3 / 7
    closed = 1 / (1 - 1.5 * a + 3 * a**2 - 3 * a**3 * math.log(1 + 1 / a))
    assert grain_factor(20e-9) == pytest.approx(closed)
    assert grain_factor(1.0) == pytest.approx(1.0, abs=1e-6)
    below, above = (grain_factor(COPPER_PATH * 3 / 7 / a) for a in (99.999, 100.001))
    assert below == pytest.approx(above, rel=1e-4)  # the series meets the closed form


def test_copper_is_what_the_theory_gave_elsewhere() -> None:
    # Notes computed with the thick-film term 1 + 3/8 path / thickness: exact integration is some per cent lower.
    for nm, expected in ((50, 3.0), (20, 4.9), (10, 8.0), (5, 14.0), (1.5, 43.0)):
        assert 1e8 * copper_resistivity(1e-9 * nm) == pytest.approx(expected, rel=0.07)


def test_nbp_wins_only_in_the_thinnest_films() -> None:
    rows = {row["thickness_nm"]: row for row in wire_table()["rows"]}
    assert rows[1.5]["ratio"] < 1.0 < rows[5.0]["ratio"]
    assert rows[1000.0]["ratio"] > 100.0
    assert wire_table((0.5,))["rows"][0]["nbp"] is None
    assert [skin_depth(f * 1e9, resistivity=COPPER) * 1e6 for f in (14, 28, 56)] == pytest.approx(
        [0.55, 0.39, 0.28], abs=0.005
    )


@pytest.mark.parametrize("bad", [0.0, -1.0, 1e-300, math.nan, math.inf])
def test_a_film_needs_a_thickness(bad: float) -> None:
    with pytest.raises(RangeError, match=r"expected 0\.1, an atom, to 1e9"):
        wire_table((bad,))
