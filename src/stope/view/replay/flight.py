# SPDX-License-Identifier: Apache-2.0
"""A flight as it was measured, beside what the model says would have happened: robots drawn from the prior or a belief.

Every stretch starts where the flight was measured and is flown on under the recorded commands, so what is seen at its
end is what the model gets wrong in that time, and the spread of the draws is what it does not claim to know. Open
loop from the start, a minute of it would say little: the draws fly apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stope.base.seeding import generator, stream_key
from stope.flight.record import Flight
from stope.learn.evaluate import draw_truths
from stope.view.replay.model import Part, Replay, State
from stope.view.replay.shapes import ground_patch, vehicle
from stope.world.batch import CONTROL_PERIOD, World
from stope.world.belief import Belief
from stope.world.robots import load_robot
from stope.world.site import make_site

__all__ = ["record_flight"]

Floats = NDArray[np.float64]
STATES = [
    State(name="measured", colour=6),
    State(name="drop-out: last measurement held", level=1, colour=0),
    State(name="predicted", colour=1),
]
DRAWN = 0.4
"""Share of its size that the measured robot is drawn with, so that those predicted, half as large, are seen."""
STRETCH = 10.0
"""Over which a prediction runs before it starts again where the flight was measured [s]; chosen: a docking's hold
twice over."""


def record_flight(flight: Flight, *, belief: Belief | None = None, num_draws: int = 24, seed: int = 1) -> Replay:
    """The measured path, and predictions in stretches of ten seconds.

    Args:
        flight: What was measured.
        belief: Where the predicted robots are drawn from; the robot's prior if None.
        num_draws: Predicted robots; 0 shows the measured one alone.
        seed: Of the draws.
    """
    robot = load_robot(flight.robot)
    site = make_site(flight.site.body, latitude_deg=flight.site.latitude_deg,
                     longitude_deg=flight.site.longitude_deg, height=flight.site.height)  # fmt: skip
    measured = np.concatenate([flight.position_l, flight.q_lb, flight.velocity_l, flight.rate_b], axis=1)
    held = _held(measured, flight.measured)
    rows = flight.num_rows
    can_predict = num_draws > 0 and abs(flight.control_period - CONTROL_PERIOD) < 1e-9
    drawn = num_draws if can_predict else 0
    poses, state = np.zeros((rows, 1 + drawn, 13)), np.full((rows, 1 + drawn), 2)
    poses[:, 0], state[:, 0] = held, np.where(flight.measured, 0, 1)
    is_end = np.zeros(rows, dtype=np.bool_)
    if drawn:
        z = draw_truths(belief or Belief.prior(robot.name), drawn, rng=generator(seed, "view-flight"))
        world = World(robot, site, robot.prior.theta(z), seed=stream_key(seed, "view-flight"))
        length = round(STRETCH / CONTROL_PERIOD)
        since = length
        for row in range(rows):
            if since >= length and flight.measured[row]:
                is_end[row] = since == length and row > 0
                poses[row, 1:] = world.state[:, :13] if is_end[row] else held[row]
                world.state[:, :13], since = held[row], 0
            else:
                poses[row, 1:] = world.state[:, :13]
            world.step(np.tile(flight.command[row] / robot.limit_b, (drawn, 1)))
            since += 1
    where, who = f"{site.name}, {flight.site.height:g} m up", "belief" if belief is not None else "prior"
    replay = Replay(
        kind="flight", title=f"flight {flight.name}: {flight.robot} at {site.name}", answer="", frame="l",
        times=flight.time, states=STATES, state=state,
        parts=[Part("robot/base", vehicle(robot.side), poses[..., :3], poses[..., 3:7],
                    shrink=np.array([DRAWN, *[0.5 * DRAWN] * drawn]))],
        names=["measured", *(f"predicted {i}" for i in range(drawn))],
        outcome=["as the flight's log has it", *(f"drawn from the {who}" for _ in range(drawn))],
        gravity=np.asarray(flight.gravity_l), paths=False, is_smooth=True,
        series={"distance from the origin of l [m]": np.linalg.norm(poses[..., :3], axis=2),
                "speed [m/s]": np.linalg.norm(poses[..., 7:10], axis=2),
                "from the measured position [m]": np.linalg.norm(poses[..., :3] - held[:, None, :3], axis=2)},
        notes=[f"Robots are drawn at {DRAWN:g} (measured) and {0.5 * DRAWN:g} (predicted) of their size.",
               "The light is for the eye: the log does not say where the Sun was."],
    )  # fmt: skip
    if site.body.kind != "uniform":
        replay.ground = ground_patch(site, 2.5 * flight.site.height + 4.0, cells=32)
    if flight.stand_in:
        replay.notes.insert(0, f"A stand-in flight: simulated by {flight.engine or 'another simulator'}, not flown.")
    lost = int((~flight.measured).sum())
    replay.answer = f"{flight.time[-1]:.0f} s at {where}: {rows} rows, {lost} of them drop-outs."
    replay.summary = {"flight": flight.name, "rows": rows, "drop_outs": lost, "prediction": None}
    if not drawn:
        why = "none was asked for" if num_draws == 0 else f"its period is {flight.control_period:g} s, not 0.2 s"
        replay.notes.append(f"Measured only, no prediction: {why}.")
        return replay
    _compare(replay, poses, held, is_end & flight.measured, who)
    return replay


def _held(values: Floats, measured: NDArray[np.bool_]) -> Floats:
    """Where nothing was measured, the last that was; before the first, the first."""
    index = np.where(measured, np.arange(len(measured)), 0)
    index = np.maximum.accumulate(index)
    first = int(np.argmax(measured))
    return values[np.where(measured[index], index, first)]


def _compare(replay: Replay, poses: Floats, held: Floats, ends: NDArray[np.bool_], who: str) -> None:
    """How far predictions were from what was measured, ten seconds on."""
    offset = poses[ends, 1:, :3] - held[ends, None, :3]
    num = int(ends.sum())
    if not num:
        replay.notes.append("The flight is shorter than a stretch of 10 s: predictions are drawn and not summed up.")
        return
    middle = np.linalg.norm(offset.mean(axis=1), axis=1)
    low, high = np.quantile(offset, 0.05, axis=1), np.quantile(offset, 0.95, axis=1)
    inside = ((low <= 0.0) & (high >= 0.0)).mean()
    found = {"from": who, "draws": poses.shape[1] - 1, "stretch_s": STRETCH, "stretches": num,
             "median_error_m": float(np.median(middle)), "largest_error_m": float(middle.max()),
             "median_width_90_m": float(np.median(high - low)), "inside_90": float(inside)}  # fmt: skip
    replay.summary["prediction"] = found
    replay.answer += (
        f" Ten seconds on, the mean of robots drawn from the {who} was "
        f"{100 * found['median_error_m']:.1f} cm from the measured place (median of {num} stretches), and "
        f"{100 * inside:.0f} % of the coordinates lay within their 90 %."
    )
    replay.notes.append(
        f"Blue: {poses.shape[1] - 1} robots drawn from the {who}, flown under the recorded commands. Every 10 s they "
        "start again at the measured pose, noise of the sensors included."
    )
