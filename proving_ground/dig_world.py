# SPDX-License-Identifier: Apache-2.0
"""Hidden worlds of the digger: what the soil is and what no trainer models, by tier.

T1 has another law of the soil than stope (see `dig_kernel`) and this package's numerics. T2 adds what actuators and
sensors do: drums that turn at another rate than commanded, stiction, a supply that sags, torques and scales that err,
2 to 10 % lost readings. T3 adds soil: cohesion that grows with depth, scoops that hold more or less than the nominal
rule says and let go gradually, another share caught, soil that sticks to a drum, and, in sealed worlds only, a hard
crust. Every size is drawn; the ranges are chosen.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proving_ground.hidden import world_seed

DEFAULT = Path(__file__).with_name("dig_scenario.toml")
TABLES = ("site", "robot", "soil", "prior", "noise", "stones", "task")


@dataclass(frozen=True, kw_only=True)
class DigScenario:
    """Place, robot, soil, prior and noise, as in `dig_scenario.toml` (units are written there)."""

    control_period: float
    """Between two commands, and between two measurements [s]."""
    site: dict[str, Any]
    robot: dict[str, Any]
    soil: dict[str, Any]
    prior: dict[str, Any]
    noise: dict[str, Any]
    stones: dict[str, Any]
    task: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DigTruth:
    """The hidden numbers of one robot in its soil."""

    cohesion: float
    """At the surface [Pa]."""
    bulk_density: float
    """[kg/m3]"""
    k_mu: float
    """Frictional strength [1]."""
    friction_angle: float
    """[rad], that of `k_mu`."""
    anchor_scatter: np.ndarray
    """Strength of each anchor over what the soil's law says (4,) [1]."""
    base_mass: float
    """With payload [kg]."""
    com_x: float
    """Of base and payload [m], b."""


@dataclass(frozen=True, kw_only=True)
class DigEffects:
    """What acts beside the truth."""

    packet_loss: float
    """Share of readings lost [1]."""
    rate_scale: float
    """Measured over true rate of each drum, less one [1]; the servo believes it."""
    stiction: float
    """Dry friction of a drum's motor [N m]."""
    sag: float
    """Share of the commanded drum rate that is missing after 400 s of supply [1]."""
    torque_bias: np.ndarray
    """Of each drum's torque sensor (2,) [N m]."""
    torque_scale: np.ndarray
    """Reading over truth (2,) [1]."""
    load_bias: np.ndarray
    """Of each drum's scale (2,) [share of capacity]."""
    load_drift: float
    """Random walk of a scale over 400 s, one sigma [share of capacity]."""
    kappa: float
    """Hold of a scoop on cohesive soil over the nominal rule [1]."""
    release_width: float
    """Width of the release in the logarithm of the acceleration [1]."""
    catch_share: float
    """Share of the cut that stays in a scoop [1]."""
    growth: float
    """Share by which cohesion grows for each 10 cm of depth [1]."""
    adhesion: float
    """Share of what is not caught that sticks to the drum [1]."""
    crust: float
    """Cohesion of the crust over that of the soil below [1]; 1 without a crust."""
    crust_depth: float
    """[m]"""


@dataclass(frozen=True, kw_only=True)
class DigWorld:
    """One digger in one soil."""

    name: str
    seed: int
    tier: str
    truth: DigTruth
    effects: DigEffects


def load_dig_scenario(path: Path = DEFAULT) -> DigScenario:
    """Read a scenario file of the digger.

    Raises:
        ValueError: if the file is not TOML or has other fields; one line naming the file.
    """
    try:
        return DigScenario(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ValueError(f"{path.name}: not a digger's scenario ({error}). Compare {DEFAULT.name}.") from None


def friction_angle(k_mu: float) -> float:
    """Friction angle [rad] at which three-dimensional resistive force theory has this strength.

    Its scale is density gravity (894 m^3 - 386 m^2 + 89 m) with m the tangent of the angle (Agarwal, Goldman and
    Kamrin 2023, doi 10.1073/pnas.2214017120); the polynomial rises for every m, so its root is the only one.
    """
    roots = np.roots([894.0, -386.0, 89.0, -k_mu])
    return math.atan(float(roots[np.argmin(np.abs(roots.imag))].real))


def dig_world(scenario: DigScenario, tier: str, index: int, commit: str = "") -> DigWorld:
    """Draw one world; its seed is that of `hidden.world_seed`, its streams are its own.

    Args:
        scenario: Robot, place and prior.
        tier: T1, T2 or T3.
        index: Which; 0 to 19 open, 0 to 99 sealed.
        commit: Full hash of the frozen commit for a sealed world; empty for an open one.

    Raises:
        ValueError: no such tier or world.
    """
    seed = world_seed(tier, index, commit)
    truth_rng, effect_rng = (np.random.Generator(np.random.Philox([seed, k])) for k in (10, 11))
    name = f"{tier}-{'sealed' if commit else 'open'}-{index:02d}"
    return DigWorld(name=name, seed=seed, tier=tier, truth=draw_dig_truth(scenario, truth_rng),
                    effects=draw_dig_effects(scenario, effect_rng, tier, is_sealed=bool(commit)))  # fmt: skip


def draw_dig_truth(scenario: DigScenario, rng: np.random.Generator) -> DigTruth:
    """Hidden truths from the published prior, so that coverage has a meaning."""
    prior, robot = scenario.prior, scenario.robot

    def log_uniform(low: float, high: float) -> float:
        return low * (high / low) ** float(rng.random())

    cohesion = log_uniform(*prior["cohesion"])
    density = float(rng.uniform(*prior["bulk_density"]))
    k_mu = log_uniform(*prior["k_mu"])
    base = robot["base_mass"] * math.exp(prior["base_mass_log_sd"] * rng.standard_normal())
    return DigTruth(
        cohesion=cohesion,
        bulk_density=density,
        k_mu=k_mu,
        friction_angle=friction_angle(k_mu),
        anchor_scatter=np.exp(prior["anchor_log_sd"] * rng.standard_normal(4)),
        base_mass=base + prior["payload_high"] * rng.random(),
        com_x=prior["com_x_sd"] * rng.standard_normal(),
    )


def draw_dig_effects(scenario: DigScenario, rng: np.random.Generator, tier: str, *, is_sealed: bool) -> DigEffects:
    """Sizes of the effects of one world; every world draws the same numbers, a lower tier sets them to nominal."""
    two, three = float(tier in ("T2", "T3")), float(tier == "T3")
    crusted = three * float(is_sealed)

    def mix(share: float, nominal: float, drawn: float) -> float:
        return nominal + share * (drawn - nominal)

    return DigEffects(
        packet_loss=mix(two, 0.02, rng.uniform(0.02, 0.10)),
        rate_scale=two * 0.05 * rng.standard_normal(),
        stiction=two * rng.uniform(0.0, 0.1),
        sag=two * rng.uniform(0.0, 0.15),
        torque_bias=two * 0.01 * rng.standard_normal(2),
        torque_scale=1.0 + two * 0.10 * rng.standard_normal(2),
        load_bias=two * 0.01 * rng.standard_normal(2),
        load_drift=two * rng.uniform(0.0, 0.02),
        kappa=mix(three, 1.0, 0.5 * 4.0 ** rng.random()),
        release_width=mix(three, 0.1, rng.uniform(0.1, 0.4)),
        catch_share=mix(three, scenario.robot["catch_share"], rng.uniform(0.45, 0.75)),
        growth=three * rng.uniform(0.0, 1.0),
        adhesion=three * rng.uniform(0.0, 0.2),
        crust=mix(crusted, 1.0, 5.0 * 4.0 ** rng.random()),
        crust_depth=crusted * rng.uniform(0.01, 0.03),
    )


def cohesion_at(depth: float, world: DigWorld) -> float:
    """Cohesion [Pa] at a depth [m] under level ground."""
    effects = world.effects
    crust = effects.crust if depth < effects.crust_depth else 1.0
    return world.truth.cohesion * crust * (1.0 + effects.growth * depth / 0.10)


def truth_row(world: DigWorld) -> dict[str, Any]:
    """The hidden numbers of a world, flat, for scoring a belief and for an oracle."""
    truth, effects = world.truth, world.effects
    names = {"cohesion": "cohesion_pa"}
    row = {names.get(k, k): v for k, v in (vars(truth) | vars(effects)).items()}
    return {"world": world.name} | {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in row.items()}
