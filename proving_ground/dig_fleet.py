# SPDX-License-Identifier: Apache-2.0
"""Many diggers at once, each in its own soil, with what they read of themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from proving_ground.dig_kernel import NUM_CELLS, ROW, STATE, STEP, advance_all
from proving_ground.dig_world import DigScenario, DigWorld, cohesion_at

NUM_READ, NUM_COMMAND = 22, 4
SUPPLY = 400.0
"""Time [s] after which the whole of a supply's sag has come."""


def bearing_factors(angle: float) -> tuple[float, float]:
    """Terzaghi's factors N_c, N_q of a strip under local shear: that of an angle whose tangent is two thirds.

    Terzaghi 1943: N_q = exp(2 (3 pi / 4 - p / 2) tan p) / (2 cos^2(pi / 4 + p / 2)), N_c = (N_q - 1) / tan p.
    """
    tan = 2.0 / 3.0 * math.tan(angle)
    p = math.atan(tan)
    nq = math.exp(2.0 * (0.75 * math.pi - 0.5 * p) * tan) / (2.0 * math.cos(0.25 * math.pi + 0.5 * p) ** 2)
    return (nq - 1.0) / tan, nq


def anchor_strength(scenario: DigScenario, world: DigWorld) -> float:
    """Pull-out force of an anchor [N] before its scatter: the soil cylinder above the helix.

    Its weight, and cohesion and friction on its side under earth pressure at rest, 1 - sin of the friction angle.
    """
    robot, truth = scenario.robot, world.truth
    weight = truth.bulk_density * scenario.site["gravity"]
    radius, deep = robot["helix_radius"], robot["helix_depth"]
    at_rest = (1.0 - math.sin(truth.friction_angle)) * math.tan(truth.friction_angle)
    cohesion = float(np.mean([cohesion_at(z, world) for z in deep * (np.arange(40) + 0.5) / 40]))
    side = cohesion + 0.5 * weight * deep * at_rest
    return 2.0 * math.pi * radius * deep * side + math.pi * radius**2 * deep * weight


def row_of(scenario: DigScenario, world: DigWorld) -> np.ndarray:
    """What one vehicle is, for the compiled scheme: () of ROW."""
    robot, soil, truth, effects = scenario.robot, scenario.soil, world.truth, world.effects
    gravity, density, angle = scenario.site["gravity"], truth.bulk_density, truth.friction_angle
    nc, nq = bearing_factors(angle)
    strength = anchor_strength(scenario, world) * truth.anchor_scatter
    stiffness = np.minimum(robot["anchor_stiffness"], strength / soil["anchor_yield"])
    arm_mass = robot["arm_mass"] + robot["drum_mass"]
    share = 0.25 * (truth.base_mass + 2.0 * arm_mass)
    pad = 2.0 / 3.0 * cohesion_at(0.0, world) * nc * math.pi * robot["pad_radius"] ** 2
    # Rankine 1857: a bank of this height stands upright; one as high as a drum's radius is the measure (chosen).
    bank = 4.0 * truth.cohesion / (density * gravity) * math.tan(0.25 * math.pi + 0.5 * angle)
    values: dict[str, Any] = {
        "gravity": gravity, "mass": truth.base_mass, "inertia": robot["base_inertia"], "com_x": truth.com_x,
        "arm_mass": arm_mass, "reach": robot["drum_reach"], "radius": robot["drum_radius"],
        "width": robot["drum_width"], "scoop": robot["scoop_depth"], "foot": robot["foot_reach"], "density": density,
        "cohesion": truth.cohesion, "growth": effects.growth, "crust": effects.crust,
        "crust_depth": effects.crust_depth, "passive": math.tan(0.25 * math.pi + 0.5 * angle) ** 2,
        "nc": nc, "nq": nq, "stand": math.tan(angle) + bank / robot["drum_radius"],
        "catch": effects.catch_share, "adhesion": effects.adhesion,
        "hold": effects.kappa * truth.cohesion / (density * robot["scoop_depth"]), "let_go": effects.release_width,
        "strength": strength, "stiffness": stiffness,
        "damping": 2.0 * soil["anchor_damping"] * np.sqrt(stiffness * share), "tear": soil["tear_slip"],
        "pad_stiffness": pad / soil["bearing_yield"], "rate_scale": effects.rate_scale, "stiction": effects.stiction,
    }  # fmt: skip
    row = np.zeros((), dtype=ROW)
    for name in ROW.names or ():
        row[name] = next(source[name] for source in (values, robot, soil) if name in source)
    return row


def state_of(scenario: DigScenario, row: np.ndarray) -> np.ndarray:
    """One vehicle at rest under its weight, anchored, drums up and empty: () of STATE."""
    robot, state = scenario.robot, np.zeros((), dtype=STATE)
    gravity, foot = float(row["gravity"]), float(row["foot"])
    weight = (float(row["mass"]) + 2.0 * float(row["arm_mass"])) * gravity
    ahead = 0.5 * weight + float(row["com_x"] * row["mass"]) * gravity / (2.0 * foot)
    stiff = row["stiffness"].reshape(2, 2).sum(axis=1) + 2.0 * float(row["pad_stiffness"])
    sunk = np.array([ahead, weight - ahead]) / stiff
    state["ez"], state["pad"], state["holds"] = -np.repeat(sunk, 2), sunk, 1.0
    state["z"], state["aim"] = robot["standing_height"], robot["arm_top"]
    sag = float(row["arm_mass"]) * gravity / robot["arm_gain"]
    state["height"] = robot["standing_height"] + robot["drum_height"] + robot["arm_top"] - sag
    return state


class DigFleet:
    """Diggers of several worlds that dig together; what one does never depends on the others."""

    def __init__(
        self, scenario: DigScenario, worlds: Sequence[DigWorld], *, episodes: Sequence[int], num_rows: int
    ) -> None:
        """Put diggers on the ground, at rest.

        Args:
            scenario: Robot and place.
            worlds: One a vehicle; a world may come many times.
            episodes: Number of each vehicle's episode in its world: picks noise and stones.
            num_rows: Control periods that will be flown.
        """
        self.scenario, self.worlds, self.row, n = scenario, list(worlds), 0, len(worlds)
        self.rows, self.state = np.zeros(n, dtype=ROW), np.zeros(n, dtype=STATE)
        for k, world in enumerate(worlds):
            self.rows[k] = row_of(scenario, world)
            self.state[k] = state_of(scenario, self.rows[k])
        self.beds = np.zeros((n, 2, NUM_CELLS))
        self.sag = np.array([w.effects.sag for w in worlds])[:, None]
        self._draw(episodes, num_rows)
        self.seen = self._reading()

    def _draw(self, episodes: Sequence[int], num_rows: int) -> None:
        """Everything random of each vehicle, from a stream of its own."""
        n, noise = len(self.worlds), self.scenario.noise
        self.noise, self.drift = np.zeros((num_rows + 1, n, 8)), np.zeros((num_rows + 1, n, 2))
        self.lost = np.zeros((num_rows + 1, n), dtype=bool)
        self.stones = np.zeros((n, 2, self.scenario.stones["most"], 4))
        sizes = np.array([math.radians(noise["attitude_sd_deg"])] * 3 + [noise["velocity_sd"]] * 3
                         + [noise["fill_sd"]] * 2)  # fmt: skip
        step = math.sqrt(self.scenario.control_period / SUPPLY)
        for k, (world, number) in enumerate(zip(self.worlds, episodes, strict=True)):
            rng = np.random.Generator(np.random.Philox([world.seed, 12, int(number)]))
            self._bury(rng, self.stones[k])
            self.noise[:, k] = sizes * rng.standard_normal((num_rows + 1, 8))
            self.lost[:, k] = rng.random(num_rows + 1) < world.effects.packet_loss
            walk = world.effects.load_drift * step * rng.standard_normal((num_rows + 1, 2))
            self.drift[:, k] = np.cumsum(walk, axis=0)
        self.lost[0] = False

    def _bury(self, rng: np.random.Generator, stones: np.ndarray) -> None:
        """Draw an episode's stones, none to the most, each under a drum by chance, into stones (2, most, 4)."""
        given, reach = self.scenario.stones, self.scenario.robot["drum_reach"]
        for j in range(int(rng.integers(0, given["most"] + 1))):
            side = int(rng.integers(0, 2))
            stones[side, j] = (reach * (1.0 - 2.0 * side) + given["along"] * rng.uniform(-1.0, 1.0),
                               given["across"] * rng.uniform(-1.0, 1.0), -rng.uniform(*given["depth"]),
                               rng.uniform(*given["radius"]))  # fmt: skip

    def advance(self, command: np.ndarray) -> None:
        """One control period under commands (vehicles, 4): speed of lowering front, rear [m/s], drum rates [rad/s]."""
        shape = (len(self.worlds), NUM_COMMAND)
        if command.shape != shape or not np.isfinite(command).all():
            raise ValueError(f"commands of shape {command.shape}: expected finite {shape}.")
        robot, period = self.scenario.robot, self.scenario.control_period
        arms, lead = self.arms(), robot["arm_lead"]
        down = np.clip(command[:, :2], -robot["arm_speed"], robot["arm_speed"])
        aim = np.clip(self.state["aim"] - period * down, arms - lead, arms + lead)
        self.state["aim"] = np.clip(aim, robot["arm_bottom"], robot["arm_top"])
        spin = np.clip(command[:, 2:], -robot["drum_rate"], robot["drum_rate"])
        spin = spin * (1.0 - self.sag * min(1.0, self.row * period / SUPPLY))
        advance_all(self.rows, self.state, self.beds, self.stones, spin, round(period / STEP))
        self.row += 1
        self.seen = np.where(self.lost[self.row][:, None], self.seen, self._reading())

    def arms(self) -> np.ndarray:
        """Positions of the arms (vehicles, 2) [m]."""
        robot, s = self.scenario.robot, self.state
        ways = robot["drum_reach"] * np.array([1.0, -1.0])
        return s["height"] - s["z"][:, None] - robot["drum_height"] + ways * s["pitch"][:, None]

    def fill(self) -> np.ndarray:
        """Volume of loose soil in each drum over its capacity (vehicles, 2) [1]."""
        return self.share(self.state["load"])

    def share(self, mass: np.ndarray) -> np.ndarray:
        """Volume of loose soil of a mass (vehicles, 2) [kg] over a drum's capacity [1]."""
        full = self.scenario.robot["capacity"] * self.rows["density"] / self.rows["bulking"]
        return mass / full[:, None]

    def slip(self) -> np.ndarray:
        """How far each base has moved (vehicles,) [m]."""
        return np.hypot(self.state["x"], self.state["z"] - self.scenario.robot["standing_height"])

    def _reading(self) -> np.ndarray:
        """What the robots read of themselves, (vehicles, 22), in the order of `dig_serve`."""
        s, noise, effects = self.state, self.noise[self.row], [w.effects for w in self.worlds]
        out = np.zeros((len(s), NUM_READ))
        # One by one: numpy's sine may round otherwise for another number of vehicles.
        for k, pitch in enumerate(s["pitch"]):
            sin, cos = math.sin(pitch), math.cos(pitch)
            up, (ax, ay, az) = np.array([-sin, 0.0, cos]), noise[k, :3]
            # A small turn of b: up_b changes by up_b x turn.
            up = up + np.array([up[1] * az - up[2] * ay, up[2] * ax - up[0] * az, up[0] * ay - up[1] * ax])
            out[k, :3] = up / math.sqrt(up[0] * up[0] + up[1] * up[1] + up[2] * up[2])
            vx, vz = s["vx"][k], s["vz"][k]
            out[k, 3:6] = np.array([cos * vx - sin * vz, 0.0, sin * vx + cos * vz]) + noise[k, 3:6]
        out[:, 6:8] = self.arms()
        out[:, 8:10] = s["spin"] * (1.0 + self.rows["rate_scale"][:, None])
        bias, scale, load = (
            np.array([getattr(e, name) for e in effects]) for name in ("torque_bias", "torque_scale", "load_bias")
        )
        out[:, 10:12] = scale * s["torque"] + bias
        out[:, 12:14] = s["force"]
        out[:, 14:16] = self.share(s["load"] + s["stuck"]) + load + self.drift[self.row] + noise[:, 6:8]
        out[:, 16:20], out[:, 20:22] = s["felt"], s["struck"]
        return out
