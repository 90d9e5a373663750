# SPDX-License-Identifier: Apache-2.0
"""Measure the skill bank of a ferry mission: every leg and every docking flown in the world, n times a payload cell.

The work comes in pieces, each decided by its own random streams, so that they can be measured in any order, kept one by
one and joined: a kill loses one piece at most. Legs are flown by the guidance law, docking by the policy.

Truths are draws from `belief`: what is thought of these robots. Each robot flies by `told`, which may know less: with
the same seed the truths, the starts and the noise are the same whatever is told, so two banks can be compared outcome
by outcome. What a robot carries it is never told: its payload is drawn in the cell, and it believes the prior's. A
belief from a flight ties that flight's payload to the mass; the tie is dropped with the payload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import as_dict
from stope.base.errors import ConfigError
from stope.base.intervals import clopper_pearson
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.fleet.legs import (
    FAILURES,
    Flown,
    LegConfig,
    Pose,
    Route,
    fly_legs,
    grid_error,
    plan_route,
    pose_at,
    with_grid,
)
from stope.fleet.scenario import FerryScenario
from stope.fleet.skill_bank import Outcomes, SkillBank
from stope.learn.evaluate import Policy, draw_truths, fly
from stope.learn.store import physics_hash
from stope.world import plant as p
from stope.world.batch import World
from stope.world.belief import Belief
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import Robot, load_robot
from stope.world.tasks import dock

__all__ = ["PAYLOAD_EDGES", "bank_table", "join", "measure_bank", "measure_piece", "pieces", "plan_legs"]

PAYLOAD_EDGES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
"""Edges of the payload cells [kg]; cell 0 is empty."""
LOADED = range(1, len(PAYLOAD_EDGES))
DOCKS = {"dock-depot": (0,), "dock-processor": (0, *LOADED)}
"""Payload cells in which each docking is measured: robots come to a depot empty, and home loaded or empty."""
_PAYLOAD = index_of("payload")

Floats = NDArray[np.float64]
Cells = dict[tuple[str, int], Outcomes]
Report = Callable[[float], None]


def pieces(scenario: FerryScenario) -> tuple[str, ...]:
    """Names of the pieces that a scenario's bank is joined from: the legs of each depot, and two dockings."""
    return (*(f"legs-{name}" for name in sorted(depot.name for depot in scenario.depots)), *DOCKS)


def measure_bank(
    scenario: FerryScenario,
    policy: Policy,
    *,
    belief: Belief,
    told: Belief,
    n: int,
    seed: int,
    config: LegConfig | None = None,
    num_threads: int = 1,
    progress: Progress = silent,
) -> SkillBank:
    """Measure all pieces and join them; the arguments are those of `measure_piece`."""
    names = pieces(scenario)
    banks: list[SkillBank] = []
    for k, piece in enumerate(names):

        def report(stage: str, share: float, done: int = k) -> None:
            progress(stage, (done + share) / len(names))

        bank = measure_piece(piece, scenario, policy, belief=belief, told=told, n=n, seed=seed, config=config,
                             num_threads=num_threads, progress=report)  # fmt: skip
        banks.append(bank)
    return join(banks)


def measure_piece(
    piece: str,
    scenario: FerryScenario,
    policy: Policy,
    *,
    belief: Belief,
    told: Belief,
    n: int,
    seed: int,
    config: LegConfig | None = None,
    num_threads: int = 1,
    progress: Progress = silent,
) -> SkillBank:
    """Measure one piece.

    Args:
        piece: A name from `pieces`.
        scenario: Site, depots and robot.
        policy: What docks.
        belief: Where the true physics is drawn from.
        told: What the robots are told of it; its payload is replaced by the prior's.
        n: Outcomes in each cell.
        seed: Root seed; with `piece` it decides truths, starts and noise.
        config: What a leg is; the defaults of `LegConfig` when left out.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of the share done.

    Returns:
        A bank with this piece's cells.

    Raises:
        ConfigError: an unknown piece, n below 1, a belief about another robot, or payload cells beyond the prior.
    """
    robot = load_robot(scenario.robot)
    _check(piece, scenario, robot, (belief, told), n)
    config = config or LegConfig()
    run = _Run(robot=robot, belief=belief, told=_summary(told), n=n, seed=stream_key(seed, "bank", piece),
               config=config, num_threads=num_threads, progress=progress)  # fmt: skip
    routes = plan_legs(scenario, config)
    if piece in DOCKS:
        cells, facts = _measure_dock(run, piece, routes, policy)
    else:
        cells, facts = _measure_legs(run, piece.removeprefix("legs-"), routes)
    common = {
        "n": n, "seed": seed, "robot": robot.name, "site": scenario.site.site().name, "legs": as_dict(config),
        "depots": {depot.name: [depot.east, depot.north] for depot in scenario.depots},
        "policy": getattr(policy, "digest", type(policy).__name__), "belief": _digest(belief), "told": _digest(told),
        "physics": physics_hash(robot, scenario.site.site()),
    }  # fmt: skip
    return SkillBank(PAYLOAD_EDGES, cells, {"common": common, "pieces": {piece: facts}})


def join(banks: list[SkillBank]) -> SkillBank:
    """One bank of several pieces.

    Raises:
        ConfigError: nothing to join, pieces of different measurements, or a cell that is measured twice.
    """
    if not banks:
        raise ConfigError("join of no skill banks: expected at least one.")
    cells: Cells = {}
    facts: dict[str, Any] = {}
    first = banks[0]
    for bank in banks:
        for key, value in bank.provenance["common"].items():
            if value != first.provenance["common"][key]:
                raise ConfigError(
                    f"skill bank pieces differ in {key}: {first.provenance['common'][key]!r} and {value!r}. "
                    "Measure them again."
                )
        double = sorted(set(cells) & set(bank.cells))
        if double:
            raise ConfigError(f"skill bank cell {double[0]} is in two pieces: expected each once.")
        cells |= bank.cells
        facts |= bank.provenance["pieces"]
    return SkillBank(first.payload_edges, cells, {"common": first.provenance["common"], "pieces": facts})


def bank_table(bank: SkillBank) -> list[dict[str, Any]]:
    """Figures of each cell: success with its interval, and medians (and 90 % ranges) over all outcomes."""
    rows: list[dict[str, Any]] = []
    for (activity, cell), outcomes in sorted(bank.cells.items()):
        rate = clopper_pearson(int(outcomes.is_success.sum()), len(outcomes))
        row: dict[str, Any] = {
            "activity": activity, "cell": cell,
            "payload_kg": [bank.payload_edges[max(cell - 1, 0)], bank.payload_edges[cell]],
            "success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
        }  # fmt: skip
        columns = {"duration_s": outcomes.duration, "energy_j": outcomes.energy, "propellant_kg": outcomes.propellant,
                   "final_error_m": outcomes.final_error}  # fmt: skip
        for name, column in columns.items():
            low, median, high = np.quantile(column, (0.05, 0.5, 0.95))
            row[name] = {"median": float(median), "p05": float(low), "p95": float(high)}
        rows.append(row)
    return rows


def plan_legs(scenario: FerryScenario, config: LegConfig) -> dict[str, tuple[Route, Route]]:
    """Routes out and back of every depot, at one site whose gravity grid holds them all.

    Raises:
        RangeError: if a depot has no ground under it, or no arc clears the ground on the way.
    """
    site = scenario.site.site()
    home = pose_at(site, 0.0, 0.0)
    there = {depot.name: pose_at(site, depot.east, depot.north) for depot in scenario.depots}
    routes = {
        name: (plan_route(site, home, pose, config), plan_route(site, pose, home, config))
        for name, pose in there.items()
    }
    world = with_grid(site, [route for pair in routes.values() for route in pair], config)
    return {name: (replace(out, site=world), replace(back, site=world)) for name, (out, back) in routes.items()}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Run:
    """What all cells of one piece share. Each outcome is another robot: its own draw of the physics."""

    robot: Robot
    belief: Belief
    told: Floats
    n: int
    seed: int
    config: LegConfig
    num_threads: int
    progress: Progress

    def draw(self, cell: int, num: int, *path: str | int) -> tuple[Floats, Floats]:
        """Whitened truths (num, num_parameters) with payloads of the cell, and the payloads [kg] (num,)."""
        rng = generator(self.seed, "truth", cell, *path)
        z = draw_truths(self.belief, num, rng=rng).copy()
        low, high = PAYLOAD_EDGES[max(cell - 1, 0)], PAYLOAD_EDGES[cell]
        payload = high - (high - low) * rng.random(num)
        theta = self.robot.prior.theta(z)
        theta[:, _PAYLOAD] = payload
        z[:, _PAYLOAD] = self.robot.prior.whiten(theta)[:, _PAYLOAD]
        return z, payload

    def theta(self, z: Floats, payload: Floats) -> Floats:
        """Physics of whitened truths, with exactly this payload [kg]; z itself cannot say 0 kg, only 5e-12 kg."""
        theta = self.robot.prior.theta(z)
        theta[:, _PAYLOAD] = payload
        return theta


def _measure_legs(run: _Run, depot: str, routes: dict[str, tuple[Route, Route]]) -> tuple[Cells, dict[str, Any]]:
    out, back = routes[depot]
    plan = [(f"leg-out-{depot}", 0), *((f"leg-back-{depot}", cell) for cell in LOADED)]
    drawn = [run.draw(cell, run.n) for _, cell in plan]
    z, payload = np.concatenate([d[0] for d in drawn]), np.concatenate([d[1] for d in drawn])
    index = np.repeat([0 if cell == 0 else 1 for _, cell in plan], run.n)
    longest = max(float(r.arc.duration[0]) for r in (out, back))

    def report(world: World, _: NDArray[np.float32]) -> None:
        run.progress(f"legs to and from {depot}", min(float(world.state[0, p.TIME]) / longest, 1.0))

    flown = fly_legs([out, back], run.robot, config=run.config, route_index=index, theta=run.theta(z, payload),
                     told=np.broadcast_to(run.told, (len(z), len(run.told))), seed=run.seed,
                     num_threads=run.num_threads, on_step=report)  # fmt: skip
    cells = {key: _leg_outcomes(flown, payload, slice(k * run.n, (k + 1) * run.n)) for k, key in enumerate(plan)}
    facts = {name: {**route.describe(), "gravity_grid_error": grid_error(route.site, route),
                    "failures": _failures(flown.failure[index == k]), "lowest_m": float(flown.lowest[index == k].min())}
             for k, (name, route) in enumerate((("out", out), ("back", back)))}  # fmt: skip
    return cells, {**facts, "gravity_grid": out.site.grid.describe()}


def _failures(codes: NDArray[np.int64]) -> dict[str, int]:
    return {FAILURES[k]: int((codes == k).sum()) for k in range(1, len(FAILURES)) if (codes == k).any()}


def _leg_outcomes(flown: Flown, payload: Floats, part: slice) -> Outcomes:
    return Outcomes(
        is_success=flown.is_success[part], duration=flown.duration[part], energy=flown.energy[part],
        propellant=flown.propellant[part], final_error=flown.final_error[part], payload=payload[part],
    )  # fmt: skip


def _measure_dock(
    run: _Run, piece: str, routes: dict[str, tuple[Route, Route]], policy: Policy
) -> tuple[Cells, dict[str, Any]]:
    places = {"processor": next(iter(routes.values()))[1].goal}
    if piece == "dock-depot":
        places = {name: routes[name][0].goal for name in sorted(routes)}
    parts: dict[int, list[Outcomes]] = {cell: [] for cell in DOCKS[piece]}
    for k, (name, place) in enumerate(places.items()):
        num = run.n // len(places) + (k < run.n % len(places))
        if num == 0:
            continue

        def report(share: float, done: int = k) -> None:
            run.progress(piece, (done + share) / len(places))

        measured = _dock_at(run, place, policy, num=num, cells=DOCKS[piece], name=name, report=report)
        for cell, outcomes in measured.items():
            parts[cell].append(outcomes)
    cells = {(piece, cell): _stack(outcomes) for cell, outcomes in parts.items()}
    return cells, {"places": {name: place.site.name for name, place in places.items()}}


def _dock_at(
    run: _Run, place: Pose, policy: Policy, *, num: int, cells: tuple[int, ...], name: str, report: Report
) -> dict[int, Outcomes]:
    drawn = [run.draw(cell, num, name) for cell in cells]
    z, payload = np.concatenate([d[0] for d in drawn]), np.concatenate([d[1] for d in drawn])
    batch = DockBatch(run.robot, place.site, num_worlds=len(z), seed=stream_key(run.seed, "dock", name),
                      task=run.config.dock, pool_size=1, num_threads=run.num_threads)  # fmt: skip
    until = _UntilDocked(batch, report)
    fly(policy, batch, z, run.told, on_step=until)
    outcomes = until.outcomes(payload)
    return {cell: _stack([outcomes], slice(k * num, (k + 1) * num)) for k, cell in enumerate(cells)}


class _UntilDocked:
    """Keeps what each docking had used when its 5 s hold ended; the episode itself goes on to its time limit."""

    def __init__(self, batch: DockBatch, report: Report) -> None:
        self.batch, self.report = batch, report
        self.state = np.zeros_like(batch.world.state)
        self.record = np.zeros_like(batch.record)
        self.is_open = np.ones(batch.num_worlds, dtype=bool)
        self.is_lost = np.zeros(batch.num_worlds, dtype=bool)

    def __call__(self, step: int) -> None:
        record, on = self.batch.last_record, self.is_open
        self.state[on], self.record[on] = self.batch.world.state[on], record[on]
        self.is_lost |= on & (record[:, dock.POSITION_ERROR] > self.batch.task.keep_in)
        self.is_open = on & (record[:, dock.SUCCESS_TIME] < 0.0)
        if step % 50 == 0:
            self.report(step / self.batch.max_episode_steps)

    def outcomes(self, payload: Floats) -> Outcomes:
        robot, state, limit = self.batch.robot, self.state, self.batch.task.time_limit
        is_success = ~self.is_open & ~self.is_lost
        duration = np.where(self.is_open, limit, self.record[:, dock.SUCCESS_TIME])
        effort = state[:, p.IMPULSE] + state[:, p.IMPULSE + 1] / robot.torque_arm
        return Outcomes(
            is_success=is_success, duration=duration,
            energy=robot.power_idle * duration + robot.power_per_newton * effort,
            propellant=robot.propellant_capacity - state[:, p.PROPELLANT],
            final_error=self.record[:, dock.POSITION_ERROR], payload=payload,
        )  # fmt: skip


def _stack(parts: list[Outcomes], part: slice = slice(None)) -> Outcomes:
    return Outcomes(**{k: np.concatenate([getattr(o, k)[part] for o in parts]) for k in Outcomes.__dataclass_fields__})


def _summary(told: Belief) -> Floats:
    """What a robot is told: the belief's summary, with the prior's payload."""
    out = told.summary().copy()
    out[_PAYLOAD], out[NUM_PARAMETERS + _PAYLOAD] = 0.0, 0.0
    return out


def _check(piece: str, scenario: FerryScenario, robot: Robot, beliefs: tuple[Belief, ...], n: int) -> None:
    if piece not in pieces(scenario):
        raise ConfigError(f"piece {piece!r} of the skill bank: expected one of {', '.join(pieces(scenario))}.")
    if n < 1:
        raise ConfigError(f"n = {n} outcomes in each cell: expected 1 or more.")
    for belief in beliefs:
        if belief.robot not in ("", robot.name):
            raise ConfigError(f"belief about robot {belief.robot!r}: the mission flies {robot.name!r}. Fit its flight.")
    centre, spread = robot.prior.centre[_PAYLOAD], robot.prior.spread[_PAYLOAD]
    if centre - spread > PAYLOAD_EDGES[0] or centre + spread < PAYLOAD_EDGES[-1]:
        raise ConfigError(
            f"robot {robot.name!r}: its prior holds payloads of {centre - spread:g} to {centre + spread:g} kg, the "
            f"bank measures {PAYLOAD_EDGES[0]:g} to {PAYLOAD_EDGES[-1]:g} kg."
        )


def _digest(belief: Belief) -> dict[str, Any]:
    """Method of a belief, and first 16 hex digits of the SHA-256 of its numbers."""
    h = hashlib.sha256(belief.mean.tobytes() + belief.covariance.tobytes())
    h.update(b"" if belief.particles is None else np.ascontiguousarray(belief.particles).tobytes())
    return {"method": str(belief.provenance.get("method", "unknown")), "digest": h.hexdigest()[:16]}
