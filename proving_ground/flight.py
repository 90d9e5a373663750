# SPDX-License-Identifier: Apache-2.0
"""One stand-in flight: truth, pilot, engine and sensors together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from proving_ground.dynamics import Motion, Pose
from proving_ground.pilot import Pilot
from proving_ground.scenario import Scenario, Truth, draw_truth
from proving_ground.sensors import lost_rows, measure

STREAMS = ("truth", "pilot", "push", "sensors", "losses")
"""Independent random streams of one seed; a longer flight of a seed has the same truth."""


@dataclass(frozen=True, kw_only=True)
class Flown:
    """A flight and what the flight file does not tell."""

    seed: int
    scenario: Scenario
    truth: Truth
    time: np.ndarray
    """Of each row (T,) [s]."""
    command: np.ndarray
    """Force [N] and torque [N m] commanded from each row on (T, 6), b."""
    lost: np.ndarray
    """Rows without a reading (T,) bool."""
    seen: list[Pose]
    """Readings, also where lost (T)."""
    true: list[Pose]
    """What was to be read (T)."""


def streams(seed: int) -> dict[str, np.random.Generator]:
    """One independent generator for each name in `STREAMS`."""
    return {name: np.random.Generator(np.random.Philox([seed, k])) for k, name in enumerate(STREAMS)}


def fly(scenario: Scenario, *, seed: int, minutes: float) -> Flown:
    """Fly one stand-in flight.

    Args:
        scenario: What is flown.
        seed: Picks the hidden truths, the targets and the noise; zero or more.
        minutes: Length of the flight [min].

    Returns:
        The flight, with its truth.

    Raises:
        ValueError: if the seed is negative or the flight shorter than the gap in its readings.
        RuntimeError: if the flight leaves the keep-in sphere.
    """
    num_rows = round(minutes * 60.0 / scenario.control_period)
    shortest = round(scenario.noise["gap"] / scenario.control_period) + 5
    if num_rows < shortest:
        raise ValueError(f"fly.minutes = {minutes:g} min: gives {num_rows} rows, at least {shortest} are needed.")
    if seed < 0:
        raise ValueError(f"fly.seed = {seed}: must be zero or more.")
    random = streams(seed)
    truth = draw_truth(scenario, random["truth"])
    return fly_truth(scenario, truth, seed=seed, num_rows=num_rows)


def fly_truth(scenario: Scenario, truth: Truth, *, seed: int, num_rows: int) -> Flown:
    """Fly with given truths; the seed picks the targets and the noise.

    Raises:
        RuntimeError: if the flight leaves the keep-in sphere.
    """
    random = streams(seed)
    period, vehicle = scenario.control_period, truth.vehicle(scenario)
    pilot = Pilot(scenario, random["pilot"])
    lost = lost_rows(scenario, random["losses"], num_rows)
    rest = Pose(position_l=np.zeros(3), attitude_lb=Rotation.identity(), velocity_l=np.zeros(3), rate_b=np.zeros(3))
    motion = Motion(vehicle, scenario.place, rest)
    command, seen, true = np.zeros((num_rows, 6)), [], []
    held, known = np.zeros(6), rest
    for k in range(num_rows):
        pose = motion.pose()
        if np.linalg.norm(pose.position_l) > scenario.keep_in_radius:
            raise RuntimeError(
                f"seed {seed}: left the keep-in sphere of {scenario.keep_in_radius:g} m at t = {k * period:.1f} s. "
                "The pilot cannot hold this vehicle; take another seed."
            )
        true.append(pose)
        seen.append(measure(scenario, random["sensors"], pose))
        known = known if lost[k] else seen[k]
        command[k] = pilot.command(k * period, known)
        push_l = truth.residual_l + scenario.noise["acceleration_rms"] * random["push"].standard_normal(3)
        motion.advance(k * period + vehicle.latency, target=vehicle.gain * held, push_l=push_l)
        motion.advance((k + 1) * period, target=vehicle.gain * command[k], push_l=push_l)
        held = command[k]
    time = period * np.arange(num_rows)
    return Flown(seed=seed, scenario=scenario, truth=truth, time=time, command=command, lost=lost, seen=seen, true=true)
