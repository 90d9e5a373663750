# SPDX-License-Identifier: Apache-2.0
"""Hidden worlds: a robot's truth, and what no trainer models, by tier.

T1 has what stope publishes that it models, under this package's numerics: a truth, and for each flight a small
acceleration and a gyro bias of its own. T2 adds what actuators and sensors do: a saturation curve, cross-coupling, sag
of the supply, a dead band, jitter of the clock, 2 to 10 % lost packets, a drifting gyro. T3 adds dynamics: propellant
that sloshes, an acceleration that swings, and, in sealed worlds only, a hose. Every size is drawn; the ranges are
chosen.

Twenty worlds of each tier are open. A hundred are sealed: their seeds come from the SHA-256 of the commit at which the
learner's code was frozen, so that nobody can have looked at them before.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from proving_ground.scenario import Scenario, Truth, draw_truth

TIERS = ("T1", "T2", "T3")
NUM_OPEN, NUM_SEALED = 20, 100
STANDARD_GRAVITY = 9.80665
"""[m/s2], exact by definition."""


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What acts beside the truth; in T1 only what stope models too, `flight_push` and `gyro_bias`."""

    saturation: float
    """Share of the thrust that is missing at the limit [1]; grows with the square of the command."""
    coupling: np.ndarray
    """Of each axis into the others (6, 6) [1], zero on the diagonal."""
    sag: float
    """Share of the gain that is lost per 100 N s of use [1]."""
    dead_band: float
    """Share of the limit under which a thruster does nothing [1]."""
    clock_jitter: float
    """Of the time of a reading, one sigma [s]."""
    packet_loss: float
    """Share of readings lost [1]."""
    gyro_bias: float
    """At the start, one sigma per axis [rad/s]."""
    gyro_drift: float
    """Random walk [rad/s per square root of s]."""
    slosh_mass: float
    """Part of the robot that swings on a spring [kg]."""
    slosh_hz: float
    """Its frequency [Hz]."""
    slosh_damping: float
    """Its damping ratio [1]."""
    slosh_at_b: np.ndarray
    """Where it is at rest (3,) [m], b."""
    flight_push: float
    """Acceleration of one flight, one sigma per axis of l [m/s2]."""
    swing: float
    """Amplitude of an acceleration that swings [m/s2], l."""
    swing_period: float
    """[s]"""
    hose_torque: float
    """Constant torque of a hose, one sigma per axis [N m], b."""
    hose_stiffness: float
    """Torque per turn against it [N m/rad]."""


@dataclass(frozen=True, kw_only=True)
class HiddenWorld:
    """One robot in one world."""

    name: str
    seed: int
    tier: str
    truth: Truth
    effects: Effects


def world_seed(tier: str, index: int, commit: str = "") -> int:
    """Seed of an open world, or of a sealed one when a commit is given."""
    if tier not in TIERS:
        raise ValueError(f"tier {tier!r}: expected one of {', '.join(TIERS)}.")
    limit = NUM_SEALED if commit else NUM_OPEN
    if not 0 <= index < limit:
        raise ValueError(f"world {index}: expected 0 to {limit - 1}, {'sealed' if commit else 'open'}.")
    text = f"{commit or 'open'}/{tier}/{index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def hidden_world(scenario: Scenario, tier: str, index: int, commit: str = "") -> HiddenWorld:
    """Draw one world.

    Args:
        scenario: Robot and place.
        tier: T1, T2 or T3.
        index: Which; 0 to 19 open, 0 to 99 sealed.
        commit: Full hash of the frozen commit for a sealed world; empty for an open one.

    Raises:
        ValueError: no such tier or world.
    """
    seed = world_seed(tier, index, commit)
    truth_rng, effect_rng = (np.random.Generator(np.random.Philox([seed, k])) for k in (0, 1))
    name = f"{tier}-{'sealed' if commit else 'open'}-{index:02d}"
    return HiddenWorld(name=name, seed=seed, tier=tier, truth=draw_truth(scenario, truth_rng),
                       effects=draw_effects(effect_rng, tier, is_sealed=bool(commit)))  # fmt: skip


def draw_effects(rng: np.random.Generator, tier: str, *, is_sealed: bool) -> Effects:
    """Sizes of the effects of one world; every world draws the same numbers, a lower tier sets them to zero."""
    two, three = float(tier in ("T2", "T3")), float(tier == "T3")
    coupling = 0.03 * rng.standard_normal((6, 6))
    # A force leaks into torques with a lever of 15 cm, and the other way round.
    coupling[3:, :3] *= 0.05
    coupling[:3, 3:] *= 0.5
    np.fill_diagonal(coupling, 0.0)
    return Effects(
        saturation=two * rng.uniform(0.0, 0.2),
        coupling=two * coupling,
        sag=two * rng.uniform(0.0, 0.05),
        dead_band=two * rng.uniform(0.0, 0.03),
        clock_jitter=two * 5e-3,
        packet_loss=rng.uniform(0.02, 0.10) if two else 0.02,
        gyro_bias=math.radians(0.02) if two else 2e-4,
        gyro_drift=two * 5e-6,
        slosh_mass=three * rng.uniform(0.2, 0.8),
        slosh_hz=rng.uniform(0.2, 0.8),
        slosh_damping=rng.uniform(0.02, 0.10),
        slosh_at_b=0.06 * (2.0 * rng.random(3) - 1.0),
        flight_push=1e-4,
        swing=three * STANDARD_GRAVITY * 10.0 ** rng.uniform(-6.0, -4.0),
        swing_period=rng.uniform(20.0, 90.0),
        hose_torque=three * float(is_sealed) * 10.0 ** rng.uniform(-4.0, -3.0),
        hose_stiffness=three * float(is_sealed) * 10.0 ** rng.uniform(-5.0, -4.0),
    )
