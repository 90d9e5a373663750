# SPDX-License-Identifier: Apache-2.0
"""Dispatch: quotas of haulers by a linear programme over yards and pits, then an exact assignment of the free ones.

Every hour the programme gives each pit its share of loads: it moves as much ore as diggers, haulers and plants allow,
and of the ways to do so it takes the shortest. At every tick the haulers that are free are assigned to loads that are
there, or will be by the time they come, at the least flying time; a pit beyond its quota costs more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from stope.base.units import DAY, HOUR
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import Kind, Phase, World
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["Dispatcher", "exact_assignment", "layered_assignment", "nearest_assignment", "quotas"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
GROUP = 100
"""Pairs that exchange tasks together (chosen: some milliseconds each)."""
LARGE = 1e6
"""Cost of a load that is not there [s] (chosen: more than a month's waiting never is)."""


def quotas(supply: Floats, legs: Floats, near: Whole, haulers: Floats, plant: Floats, *, load_time: float) -> Floats:
    """Loads a second from each yard's haulers to each of its candidate pits.

    Args:
        supply: Loads a second that each pit gives, (pits,).
        legs: Flying time one way, (yards, candidates) [s].
        near: Candidates of each yard, (yards, candidates).
        haulers: Haulers of each yard, (yards,).
        plant: Loads a second that each yard's units take, (yards,).
        load_time: Time of a cycle beside its legs [s].

    Returns:
        Flows (yards, candidates) [1/s]; together the most that can be moved, on the shortest ways.
    """
    yards, width = near.shape
    num = yards * width
    column, yard = near.ravel(), np.repeat(np.arange(yards, dtype=np.int64), width)
    cycle = 2.0 * legs.ravel() + load_time
    index = np.arange(num, dtype=np.int64)
    rows = np.concatenate([column, len(supply) + yard, len(supply) + yards + yard])
    values = np.concatenate([np.ones(num), cycle, np.ones(num)])
    limits = csr_array((values, (rows, np.tile(index, 3))), shape=(len(supply) + 2 * yards, num))
    reward = -1.0 + 1e-3 * cycle / cycle.max()
    found = linprog(reward, A_ub=limits, b_ub=np.concatenate([supply, haulers, plant]), method="highs")
    assert found.status == 0, found.message
    return np.maximum(np.asarray(found.x), 0.0).reshape(yards, width)


@dataclass(slots=True)
class Dispatcher:
    """Orders for haulers that are parked."""

    scenario: MonthScenario
    flows: Floats
    """Of the last plan, as `quotas` gives them."""
    planned: float = -math.inf
    """When that plan was made [s]."""

    def orders(self, w: World, t: float) -> tuple[Whole, Whole]:
        """Parked haulers and the candidate pit of each, both (orders,)."""
        robots = np.flatnonzero(w.whole[:, k.PHASE] == Phase.PARKED)
        if not len(robots):
            return robots, robots
        if t - self.planned >= HOUR:
            self._plan(w, t)
        columns = np.full(len(robots), -1, dtype=np.int64)
        totals = np.bincount(w.near.ravel(), self.flows.ravel(), minlength=len(w.pits)).astype(np.float64)
        yard = w.whole[robots, k.YARD]
        for y in np.unique(yard):
            mine = np.flatnonzero(yard == y)
            columns[mine] = self._yard_orders(w, int(y), len(mine), totals)
        sent = columns >= 0
        return robots[sent], columns[sent]

    def _yard_orders(self, w: World, y: int, num: int, totals: Floats) -> Whole:
        """Candidate of each of a yard's free haulers, -1 to stay."""
        load, legs, near = w.constants[k.HAUL_LOAD], w.leg_time[y], w.near[y]
        share = self.flows[y] / np.maximum(totals[near], 1e-30)
        coming = totals[near] * legs * load  # what the pit will have dug by the arrival
        ahead = w.pits[near, k.PILE] + coming - w.pits[near, k.INBOUND] * load
        slots = np.clip(np.floor(ahead / load * np.clip(share, 0.0, 1.0) + 1e-9), 0, num).astype(np.int64)
        columns = np.repeat(np.arange(len(near)), slots)
        if not len(columns):
            return np.full(num, -1)
        order = np.argsort(legs[columns], kind="stable")[:num]
        out = np.full(num, -1, dtype=np.int64)
        out[: len(order)] = columns[order]  # haulers of one yard stand together, so the cheapest loads are exact
        return out

    def _plan(self, w: World, t: float) -> None:
        scenario, load = self.scenario, float(w.constants[k.HAUL_LOAD])
        kind, phase = w.whole[:, k.KIND], w.whole[:, k.PHASE]
        alive = ~np.isin(phase, (Phase.LOST, Phase.NO_SPARE))
        pits, yards = len(w.pits), len(w.near)
        diggers = np.bincount(w.whole[(kind == Kind.EXCAVATOR) & alive, k.PIT], minlength=pits)
        haulers = np.bincount(w.whole[(kind == Kind.HAULER) & alive, k.YARD], minlength=yards)
        mined = float(w.counts[k.Count.MINED])
        each = mined / max(t, DAY / 24.0) / max(int(diggers.sum()), 1)
        supply = diggers * each / load + w.pits[:, k.PILE] / load / HOUR
        plant = np.full(yards, scenario.unit_rate * 1000.0 * w.constants[k.NUM_UNITS] / load)
        load_time = scenario.plant.load_time + scenario.plant.unload_time
        self.flows = quotas(supply, w.leg_time, w.near, haulers.astype(np.float64), plant, load_time=load_time)
        self.planned = t


def exact_assignment(robots: Floats, tasks: Floats) -> tuple[Whole, float]:
    """Task of each robot at the least sum of distances, and that sum; places (n, 3) [m]."""
    cost = np.linalg.norm(robots[:, None] - tasks[None], axis=2)
    rows, columns = linear_sum_assignment(cost)
    return np.asarray(columns), float(cost[rows, columns].sum())


def nearest_assignment(robots: Floats, tasks: Floats) -> tuple[Whole, float]:
    """Each robot in turn takes the nearest task that is left."""
    left, out, total = np.ones(len(tasks), dtype=np.bool_), np.empty(len(robots), dtype=np.int64), 0.0
    for i, place in enumerate(robots):
        far = np.where(left, np.linalg.norm(tasks - place, axis=1), np.inf)
        out[i] = int(far.argmin())
        left[out[i]] = False
        total += float(far[out[i]])
    return out, total


def layered_assignment(robots: Floats, tasks: Floats, robot_site: Whole, task_site: Whole) -> tuple[Whole, float]:
    """Robots to sites by a transport programme, exact assignment within each site, exchanges across their borders.

    Args:
        robots: Places, (n, 3) [m].
        tasks: Places, (n, 3) [m].
        robot_site: Site of each robot, from 0.
        task_site: Site of each task, from 0.

    Returns:
        Task of each robot, and the sum of distances [m].
    """
    num = int(max(robot_site.max(), task_site.max())) + 1
    have, want = (np.bincount(x, minlength=num) for x in (robot_site, task_site))
    middle = [np.stack([p[s == i].mean(axis=0) if (s == i).any() else np.zeros(3) for i in range(num)])
              for p, s in ((robots, robot_site), (tasks, task_site))]  # fmt: skip
    cost = np.linalg.norm(middle[0][:, None] - middle[1][None], axis=2)
    flow = _transport(cost, have, want)
    order_r = [np.flatnonzero(robot_site == i) for i in range(num)]
    out = np.empty(len(robots), dtype=np.int64)
    free = [np.flatnonzero(task_site == j) for j in range(num)]
    for j in np.argsort(-want, kind="stable"):
        group: list[int] = []
        for i in range(num):
            if flow[i, j]:
                ids = order_r[i]
                near = ids[np.argsort(np.linalg.norm(robots[ids] - middle[1][j], axis=1), kind="stable")[: flow[i, j]]]
                group.extend(int(x) for x in near)
                order_r[i] = np.setdiff1d(ids, near, assume_unique=True)
        if group:
            columns, _ = exact_assignment(robots[group], tasks[free[j]])
            out[group] = free[j][columns]
    _exchange(robots, tasks, out)
    return out, float(np.linalg.norm(robots - tasks[out], axis=1).sum())


def _exchange(robots: Floats, tasks: Floats, columns: Whole) -> None:
    """Let neighbours of different sites exchange tasks: groups of about `GROUP` are assigned exactly once more.

    Groups are cut by the places half way, then by where robots are; no exchange makes the sum longer.
    """
    for share in (0.5, 0.0):
        there = (1.0 - share) * robots + share * tasks[columns]
        centres = there[::GROUP]
        _, nearest = cKDTree(centres).query(there)
        for i in range(len(centres)):
            group = np.flatnonzero(nearest == i)
            if len(group) > 1:
                picked, _ = exact_assignment(robots[group], tasks[columns[group]])
                columns[group] = columns[group][picked]


def _transport(cost: Floats, have: Whole, want: Whole) -> Whole:
    """Whole flows between sites at the least cost (a transport programme has whole corners)."""
    num = len(have)
    index = np.arange(num * num)
    rows = np.concatenate([index // num, num + index % num])
    balance = csr_array((np.ones(2 * num * num), (rows, np.tile(index, 2))), shape=(2 * num, num * num))
    found = linprog(cost.ravel(), A_eq=balance, b_eq=np.concatenate([have, want]), method="highs-ds")
    assert found.status == 0, found.message
    return np.round(np.asarray(found.x)).astype(np.int64).reshape(num, num)
