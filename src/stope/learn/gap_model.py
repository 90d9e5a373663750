# SPDX-License-Identifier: Apache-2.0
"""The gravity gap of a predictive model: fitted to flights on one platform, its open-loop error on another.

The model says how velocity and rate change in a control period, by ridge regression on the motion, its products, the
last commands and the direction of the vertical; pose follows from them. It is fitted to the true motion under random
commands, without noise, and knows nothing of the world it is in: what it learns is the mean robot of the prior. Every
platform gives the same number of steps.

The error is that of the position after `HORIZON` of prediction, root mean square over worlds. The gap of a model is
(its error - the specialist's) / (constant velocity's - the specialist's): 0 as good as the specialist of the place, 1
as bad as no model, more is worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError
from stope.base.progress import Progress, silent
from stope.base.rotation import from_rotation_vector, multiply, rotate, rotate_inverse
from stope.base.seeding import generator, stream_key
from stope.base.workers import Here, Unit, Workers
from stope.learn.gap import TESTED, TRAINED
from stope.learn.skills import flight_config
from stope.world.batch import CONTROL_PERIOD
from stope.world.env import DockBatch
from stope.world.platforms import PLATFORMS

__all__ = ["HORIZON", "Flights", "Model", "fit", "fly_at_random", "model_gap", "open_loop"]

Floats = NDArray[np.float64]
HORIZON = 5.0
"""Of an open-loop prediction [s]."""
LEAST_FLIGHTS = 20
"""That a model is fitted to; of two, one was fitted that flew away to infinity (chosen: well above that)."""
DURATION = 10.0
"""Of each flight [s]; chosen, twice the horizon, within the keep-in sphere."""
HOLD = 5
"""Control periods for which a random command is held; chosen, a second."""
SIZE = np.array([0.5, 0.5, 0.5, 0.2, 0.2, 0.2])
"""Largest random command [share of the limit]; chosen, so that rates stay below a radian a second."""
PAST = 2
"""Commands that the model sees: the one now and the one before, because of lag and latency."""
RIDGE = 1e-4
"""Weight of the squared coefficients of scaled features [1]; chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Flights:
    """True motion of many robots: states (steps + 1, n, 13) as in `stope.world.plant`, commands (steps, n, 6)."""

    states: Floats
    commands: Floats

    def part(self, worlds: NDArray[np.intp]) -> Flights:
        """Some of the worlds."""
        return Flights(self.states[:, worlds], self.commands[:, worlds])


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Change of velocity and rate in a control period, both in robot axes, linear in scaled features."""

    weights: Floats
    """(features, 6)."""
    scale: Floats
    """What features are divided by, (features,)."""

    def change(self, state: Floats, commands: Floats) -> Floats:
        """Change of velocity [m/s, b] and rate [rad/s, b], (n, 6)."""
        return _features(state, commands) / self.scale @ self.weights


def _features(state: Floats, commands: Floats) -> Floats:
    """Features (n, features) of states (n, 13) and of the last commands (n, PAST, 6)."""
    up = rotate_inverse(state[:, 3:7], np.array([0.0, 0.0, 1.0]))
    speed, rate = rotate_inverse(state[:, 3:7], state[:, 7:10]), state[:, 10:13]
    products = (rate[:, :, None] * np.concatenate([speed, rate], axis=1)[:, None, :]).reshape(len(state), -1)
    flat = commands.reshape(len(state), -1)
    return np.concatenate([np.ones((len(state), 1)), up, speed, rate, products, flat], axis=1)


def _after(state: Floats, change: Floats) -> Floats:
    """The state a control period later, when velocity and rate change by so much."""
    q, out = state[:, 3:7], state.copy()
    rate = state[:, 10:13] + change[:, 3:]
    turn = from_rotation_vector(0.5 * CONTROL_PERIOD * (state[:, 10:13] + rate))
    out[:, 3:7] = multiply(q, turn)
    out[:, 7:10] = state[:, 7:10] + rotate(q, change[:, :3])
    out[:, 0:3] = state[:, 0:3] + 0.5 * CONTROL_PERIOD * (state[:, 7:10] + out[:, 7:10])
    out[:, 10:13] = rate
    return out


def fly_at_random(platform: str, *, skill: str = "dock", num: int, seed: int, num_threads: int = 1) -> Flights:
    """Flights of `DURATION` on a platform, each in a world of its own, under commands held for a second."""
    config, where = flight_config(skill), PLATFORMS[platform]
    batch = DockBatch(where.robot(config.make_robot()), config.site.site(), num_worlds=num, seed=seed,
                      task=where.task(config.task), num_threads=num_threads)  # fmt: skip
    batch.reset()
    rng = generator(seed, "gap-model", platform)
    steps = round(DURATION / CONTROL_PERIOD)
    states, commands = [batch.world.state[:, :13].copy()], []
    asked = SIZE * rng.uniform(-1.0, 1.0, (steps // HOLD + 1, num, 6))
    for step in range(steps):
        action = asked[step // HOLD]
        batch.step(action, autoreset=False)
        states.append(batch.world.state[:, :13].copy())
        commands.append(action)
    return Flights(np.array(states), np.array(commands))


def fit(flights: Flights) -> Model:
    """The model that predicts a step of these flights best, in squares."""
    features, wanted = [], []
    for step in range(PAST - 1, len(flights.commands)):
        state, later = flights.states[step], flights.states[step + 1]
        features.append(_features(state, _past(flights, step)))
        speed = rotate_inverse(state[:, 3:7], later[:, 7:10] - state[:, 7:10])
        wanted.append(np.concatenate([speed, later[:, 10:13] - state[:, 10:13]], axis=1))
    x, y = np.concatenate(features), np.concatenate(wanted)
    scale = np.maximum(x.std(axis=0), 1e-6)
    scale[0] = 1.0
    x = x / scale
    gram = x.T @ x / len(x) + RIDGE * np.eye(x.shape[1])
    return Model(np.linalg.solve(gram, x.T @ y / len(x)), scale)


def open_loop(model: Model | None, flights: Flights) -> Floats:
    """Distance [m] between where a model says each robot is after `HORIZON`, and where it was, (n,).

    Args:
        model: None lets velocity and rate be.
        flights: Of which the commands are known all along, and the state at the start.
    """
    start, steps = PAST - 1, round(HORIZON / CONTROL_PERIOD)
    state = flights.states[start].copy()
    for step in range(start, start + steps):
        change = np.zeros((len(state), 6)) if model is None else model.change(state, _past(flights, step))
        state = _after(state, change)
    return np.linalg.norm(state[:, :3] - flights.states[start + steps, :, :3], axis=1)


def _past(flights: Flights, step: int) -> Floats:
    return flights.commands[step - PAST + 1 : step + 1].transpose(1, 0, 2)


def model_gap(
    *, skill: str = "dock", num: int = 1000, seeds: tuple[int, ...] = (1, 2, 3), num_threads: int = 1,
    progress: Progress = silent, workers: Workers | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Matrix of open-loop errors and of the gap of models over platforms.

    Args:
        skill: "dock" or "haul": whose robot and place.
        num: Flights that each model is fitted to, and that each is tested on, for each seed.
        seeds: Of flights; tests are flown in other worlds than fits.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of fits, then of tests.
        workers: Who works: a model's fit, and all tests of a seed at a place, are a unit each. This process if left
            out; results do not depend on it.

    Returns:
        `{"cells": {fitted: {tested: {"error_m", "low", "high", "by_seed", "gap"}}}, "constant": {tested: ...}, ...}`;
        intervals are 95 % ones over worlds and seeds, by bootstrap.

    Raises:
        ConfigError: no seed, or fewer than two flights.
    """
    if not seeds or num < LEAST_FLIGHTS:
        raise ConfigError(f"gap: seeds {list(seeds)}, num = {num}: expected a seed, {LEAST_FLIGHTS} flights or more.")
    crew = workers or Here()
    pairs = [(seed, where) for seed in seeds for where in TRAINED]
    models = dict(zip(pairs, crew.do([Unit(_fitted, (where, skill, num, seed, num_threads), f"fit of {where}")
                                      for seed, where in pairs], progress=progress), strict=True))  # fmt: skip
    tests = [(seed, there) for seed in seeds for there in TESTED]
    of_seed = {seed: {where: models[seed, where] for where in TRAINED} for seed in seeds}
    found = crew.do([Unit(_tested, (of_seed[seed], there, skill, num, seed, num_threads), f"test at {there}")
                     for seed, there in tests], progress=progress)  # fmt: skip
    errors: dict[str, dict[str, list[Floats]]] = {w: {t: [] for t in TESTED} for w in (*TRAINED, "constant")}
    for (_, there), answer in zip(tests, found, strict=True):
        for who, each in answer.items():
            errors[who][there].append(each)
    cells = {who: {there: _cell(errors[who][there], errors[there][there], errors["constant"][there])
                   for there in TESTED} for who in (*TRAINED, "constant")}  # fmt: skip
    constant = cells.pop("constant")
    return {
        "skill": skill, "robot": flight_config(skill).robot, "seeds": list(seeds), "flights": num,
        "horizon_s": HORIZON, "trained": list(TRAINED), "tested": list(TESTED), "cells": cells, "constant": constant,
        "platforms": {name: PLATFORMS[name].summary for name in TRAINED},
    }  # fmt: skip


def _fitted(where: str, skill: str, num: int, seed: int, num_threads: int) -> Model:
    """The model of a platform."""
    return fit(fly_at_random(where, skill=skill, num=num, seed=stream_key(seed, "fit"), num_threads=num_threads))


def _tested(
    models: dict[str, Model], there: str, skill: str, num: int, seed: int, num_threads: int
) -> dict[str, Floats]:
    """Errors [m] of every model, and of none, in the same flights, (num,) each."""
    flights = fly_at_random(there, skill=skill, num=num, seed=stream_key(seed, "test"), num_threads=num_threads)
    return {who: open_loop(model, flights) for who, model in ({"constant": None} | models).items()}


def _cell(found: list[Floats], best: list[Floats], constant: list[Floats]) -> dict[str, Any]:
    """Error of one model at one place, and its gap to the specialist there; worlds and seeds are drawn together."""
    squares = [np.square(np.array(x)) for x in (found, best, constant)]
    rng = generator(0, "gap-model-bootstrap")

    def of(parts: list[Floats]) -> tuple[float, float]:
        mine, least, most = (float(np.sqrt(x.mean())) for x in parts)
        return mine, (mine - least) / (most - least)

    seeds, worlds = squares[0].shape
    drawn = []
    for _ in range(1000):
        ids, picks = rng.integers(0, seeds, seeds), rng.integers(0, worlds, (seeds, worlds))
        drawn.append(of([np.take_along_axis(x[ids], picks, axis=1) for x in squares]))
    (low, gap_low), (high, gap_high) = np.percentile(drawn, [2.5, 97.5], axis=0)
    value, gap = of(squares)
    return {
        "error_m": value, "low": float(low), "high": float(high),
        "by_seed": [float(np.sqrt(x.mean())) for x in squares[0]],
        "gap": {"value": gap, "low": float(gap_low), "high": float(gap_high)},
    }  # fmt: skip
