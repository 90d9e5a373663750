# SPDX-License-Identifier: Apache-2.0
"""A month that was kept: every robot's activities over the body, from the files of the run alone.

What is measured is when each activity began and ended, at which pit, and to what end. Where a robot stands beside its
pit is drawn by lot, a hauler's way between yard and pit is drawn as an arc; the page says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.config import build
from stope.base.errors import FileError, MissingExtra
from stope.base.files import read_json
from stope.base.rotation import from_rotation_vector
from stope.base.seeding import generator
from stope.base.units import DAY, DEG
from stope.fleet.mission.kernels.columns import KINDS, PHASES, Kind, Phase
from stope.fleet.mission.lay_out import Place, contacts, place_of
from stope.fleet.mission.scenario import MonthScenario
from stope.view.replay.model import Part, Replay, State
from stope.view.replay.questions import questions
from stope.view.replay.shapes import body_mesh, ellipsoid, on_surface
from stope.world.body import Body, load_body
from stope.world.light import sun_direction

__all__ = ["MOST_ROWS", "is_month_folder", "record_month"]

Floats = NDArray[np.float64]
MOST_ROWS = 2_000_000
"""Activities that a page holds; more are refused (chosen: about 20 MB of page)."""
_LOOK = {
    Phase.DECIDE: (0, 0), Phase.RECHARGE: (8, 1), Phase.COOL: (3, 1), Phase.ANCHOR: (5, 0), Phase.DIG: (6, 0),
    Phase.DEPOSIT: (6, 0), Phase.BLOCKED: (10, 2), Phase.PARKED: (11, 0), Phase.LEG_OUT: (1, 0),
    Phase.QUEUE_PIT: (9, 1), Phase.LOAD: (2, 0), Phase.LEG_BACK: (1, 0), Phase.QUEUE_PORT: (9, 1),
    Phase.UNLOAD: (2, 0), Phase.PROSPECT: (7, 0), Phase.QUEUE_REPAIR: (4, 3), Phase.REPAIR: (10, 2),
    Phase.WAIT_EARTH: (3, 2), Phase.PROCESS: (7, 0), Phase.LOST: (4, 5), Phase.NO_SPARE: (4, 4), Phase.SAFE: (3, 2),
}  # fmt: skip
"""Colour and alarm level (chosen) of each activity."""
LOST_TIME = {Phase.RECHARGE, Phase.COOL, Phase.BLOCKED, Phase.QUEUE_PIT, Phase.QUEUE_PORT, Phase.QUEUE_REPAIR,
             Phase.REPAIR, Phase.WAIT_EARTH, Phase.LOST, Phase.NO_SPARE, Phase.SAFE}  # fmt: skip
AT_YARD = {int(p) for p in (Phase.QUEUE_PORT, Phase.UNLOAD, Phase.QUEUE_REPAIR, Phase.REPAIR, Phase.PROCESS)}
SUNS_A_TURN = 24
"""Directions of the Sun in a turn of the body, between which the page interpolates: 15 deg of hour angle (chosen)."""
NUM_TIMES = 480
"""Times of the three-dimensional view of a month; the activities themselves are exact (chosen)."""


def is_month_folder(folder: Path) -> bool:
    """Whether a folder is a run of `stope mine` with a month that is kept, or its first days."""
    return (folder / "kept.json").is_file() and any((folder / "month" / "activities").glob("day-*.parquet"))


def record_month(folder: Path, *, most_bytes: int = 24_000_000) -> Replay:
    """Read a run of `stope mine SCENARIO`; of a month that is under way, the days that are there.

    Args:
        folder: Of the run; holds kept.json and month/.
        most_bytes: Of poses; fewer times are shown in three dimensions where robots are many.

    Raises:
        FileError: no such run, or a broken file.
        MissingExtra: without pyarrow.
    """
    kept = read_json(folder / "kept.json", what="run of `stope mine`")
    for name, kind in (("scenario", dict), ("seed", int), ("bank_digest", str)):
        if not isinstance(kept.get(name), kind):
            raise FileError(f"{folder}/kept.json: {name} = {kept.get(name)!r}: expected a {kind.__name__}.")
    scenario = build(MonthScenario, kept["scenario"], where=f"{folder}/kept.json")
    days, rows = _activities(folder / "month" / "activities")
    done = folder / "month" / "result.json"
    result = read_json(done, what="result") if done.is_file() else None
    if result is not None and not (isinstance(result.get("counts"), dict) and "unloaded" in result["counts"]):
        raise FileError(f"{done}: no counts with `unloaded`: expected the result of a month of this version.")
    end = scenario.days * DAY if result else min(days, scenario.days) * DAY
    fleet, place, body = scenario.fleet, place_of(scenario), load_body(scenario.ground.body)
    kinds = np.repeat([Kind.EXCAVATOR, Kind.HAULER, Kind.PROSPECTOR, Kind.UNIT],
                      [fleet.excavators, fleet.haulers, fleet.prospectors, fleet.units])  # fmt: skip
    num = max(len(kinds), int(rows["robot"].max()) + 1)
    if num != len(kinds):
        raise FileError(f"{folder}: activities of {num} robots: expected {len(kinds)} of the scenario in kept.json.")
    frames = int(min(NUM_TIMES, max(2, most_bytes // (16 * num))))
    times = np.linspace(0.0, end, frames)
    at = _rows_at(rows, num, times)
    state = np.where(at >= 0, rows["state"][np.maximum(at, 0)], int(Phase.DECIDE))
    parts = [Part("fleet/robot", ellipsoid(np.full(3, 0.018 * _radius(body)), halvings=1 if num <= 1000 else 0),
                  *_poses(rows, at, times, kinds, place, scenario, body))]  # fmt: skip
    states = [State(name=name, colour=_LOOK[Phase(k)][0], level=_LOOK[Phase(k)][1], is_lost_time=Phase(k) in LOST_TIME)
              for k, name in enumerate(PHASES)]  # fmt: skip
    index = np.arange(num) - np.searchsorted(kinds, kinds)
    sun = sun_direction(body, _sun_times(times, body), sun_latitude_deg=scenario.ground.sun_latitude_deg)
    links = contacts(scenario, seed=kept["seed"], replicate=0)
    waits = {name: values[rows["state"] == Phase.WAIT_EARTH] for name, values in rows.items()}
    asked = questions(waits["robot"], waits["start_s"], waits["end_s"], links, light=scenario.link.light_time,
                      decision=scenario.link.decision_time)  # fmt: skip
    links = np.clip(links[(links[:, 0] < times[-1]) & (links[:, 1] > 0.0)], 0.0, times[-1])
    replay = Replay(
        kind="month", title=f"{scenario.name}: {num} robots on {body.name}", answer="", frame="a", times=times,
        states=states, state=state, parts=parts, ground=body_mesh(body), sun=sun, is_smooth=num <= 10_000,
        names=[f"fleet/{KINDS[k]}/{i}" for k, i in zip(kinds, index, strict=True)],
        rows=rows, questions=asked,
        bands={"daylight at pit 0": _daylight(place, times[-1]), "contact with Earth": links},
        notes=[
            "Robots are drawn larger than they are, beside their pit by lot; a way is drawn as an arc over the ground.",
            f"Of the scenario's {fleet.total} robots, the {fleet.maintainers} maintainers are not shown: the month "
            "counts how many are free and keeps no activities of each.",
            "Alarm levels of activities are stope's choice, in the five levels of XTCE.",
            "Where a question to Earth is follows from contact, light time and the time of a decision, without faults.",
            "An activity is in the log when it ended: those under way at the end are shown as decide.",
            f"The scene, the states over time and the lists of who is in a state have {frames} times; the chart of one "
            "robot and the Pareto of lost time use every activity.",
        ],
    )  # fmt: skip
    replay.facts = {"run": folder.name, "seed": str(kept["seed"]), "bank": str(kept["bank_digest"])}
    _sum_up(replay, scenario, result)
    return replay


def _sun_times(times: Floats, body: Body) -> Floats:
    """Evenly spaced times from the first to the last, whole parts of a frame, `SUNS_A_TURN` or more in a turn [s]."""
    step = float(times[1] - times[0])
    parts = int(np.ceil(step * abs(body.spin_rate) / (2.0 * np.pi) * SUNS_A_TURN))
    return np.linspace(0.0, times[-1], (len(times) - 1) * max(1, parts) + 1)


def _sum_up(replay: Replay, scenario: MonthScenario, result: dict[str, Any] | None) -> None:
    """The answer of a month, or of the days of one that is under way."""
    num, days = len(replay.names), float(replay.times[-1] / DAY)
    first = next(iter(replay.lost_time().items()), ("nothing", 0.0))
    most = f"most time was lost in {first[0]}, {first[1]:.0f} robot hours."
    said = f"{len(replay.rows['robot'])} activities"
    if result is None:
        replay.answer = f"Under way: {num} robots, {days:g} of {scenario.days:g} days: {said}; {most}"
        replay.summary = {"days_kept": days}
        return
    counts = result["counts"]
    replay.answer = (
        f"{num} robots and {scenario.fleet.maintainers} maintainers in {scenario.days:g} days: {said}, "
        f"{counts['unloaded'] / 1e6:.2f} t unloaded; {most}"
    )
    replay.summary = {"digest": result["digest"], "unloaded_t": counts["unloaded"] / 1e6, "counts": counts}
    replay.facts |= {"digest of the month": str(result["digest"])}


def _activities(folder: Path) -> tuple[int, dict[str, NDArray[Any]]]:
    """Days that are there, and columns robot, state, start_s, end_s, pit, ordered by robot and start."""
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415 -- heavy; only who reads Parquet needs it
    except ImportError:
        raise MissingExtra("a month's replay needs pyarrow. Install it: pip install -e '.[query]'.") from None
    found = sorted(folder.glob("day-*.parquet"))
    if not found:
        raise FileError(f"{folder}: no activities. Keep a month: `stope mine --out {folder.parent.parent}`.")
    code = {name: k for k, name in enumerate(PHASES)}
    columns: dict[str, list[NDArray[Any]]] = {n: [] for n in ("robot", "state", "start_s", "end_s", "pit")}
    total = 0
    for path in found:
        try:
            table = pq.read_table(path, columns=["robot", "activity", "start_s", "end_s", "pit"])
            names: Sequence[Any] = table["activity"].to_pylist()
            columns["state"].append(np.array([code[n] for n in names], dtype=np.int64))
        except (OSError, ValueError, KeyError) as error:
            raise FileError(f"{path}: not the activities of a month ({' '.join(str(error).split())}).") from None
        for name in ("robot", "start_s", "end_s", "pit"):
            columns[name].append(table[name].to_numpy())
        total += len(names)
        if total > MOST_ROWS:
            raise FileError(f"{folder}: more than {MOST_ROWS} activities: expected fewer in one page. Keep fewer days.")
    out = {name: np.concatenate(values) for name, values in columns.items()}
    if not total:
        raise FileError(f"{folder}: no activity in {len(found)} files: expected one or more.")
    order = np.lexsort((out["start_s"], out["robot"]))
    return len(found), {name: values[order] for name, values in out.items()}


def _rows_at(rows: dict[str, NDArray[Any]], num: int, times: Floats) -> NDArray[np.int64]:
    """Row of each robot's activity at each time, -1 for none, (frames, robots)."""
    first = np.searchsorted(rows["robot"], np.arange(num + 1))
    out = np.full((len(times), num), -1, dtype=np.int64)
    for i in range(num):
        a, b = first[i], first[i + 1]
        if a == b:
            continue
        row = a + np.searchsorted(rows["start_s"][a:b], times, side="right") - 1
        is_in = (row >= a) & (rows["end_s"][np.maximum(row, a)] > times)
        out[:, i] = np.where(is_in, row, -1)
    return out


def _radius(body: Body) -> float:
    return float(body.mean_radius) or sum(map(float, body.semi_axes)) / 3.0


def _directions(place: Place, scenario: MonthScenario, radius: float) -> tuple[Floats, Floats]:
    """Unit vectors, frame a, to each yard and each pit, as `lay_out` puts them."""
    yards = np.arange(scenario.num_yards)
    lat = np.where(yards % 2 == 0, 1.0, -1.0) * scenario.ground.latitude_deg * DEG
    lon = 2.0 * np.pi * yards / scenario.num_yards
    pit_lat = np.clip(lat[place.yard_of] + place.pit_xy[:, 1] / radius, -85.0 * DEG, 85.0 * DEG)
    pit_lon = lon[place.yard_of] + place.pit_xy[:, 0] / (radius * np.cos(lat[place.yard_of]))

    def unit(a: Floats, b: Floats) -> Floats:
        return np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], axis=-1)

    return unit(lat, lon), unit(pit_lat, pit_lon)


def _poses(
    rows: dict[str, NDArray[Any]], at: NDArray[np.int64], times: Floats, kinds: NDArray[Any], place: Place,
    scenario: MonthScenario, body: Body,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Places (frames, robots, 3) [m], frame a, and unit quaternions."""
    radius, num = _radius(body), at.shape[1]
    yard, pit = _directions(place, scenario, radius)
    spread = generator(0, "view-month").standard_normal((num, 3)) * 0.02
    row = np.maximum(at, 0)
    phase = np.where(at >= 0, rows["state"][row], int(Phase.DECIDE))
    where = np.where(at >= 0, rows["pit"][row], -1)
    # Between two activities a robot stays at its last pit; one that never had a pit stands at a yard.
    for f in range(1, len(times)):
        where[f] = np.where(where[f] < 0, where[f - 1], where[f])
    home = np.where(where >= 0, place.yard_of[np.maximum(where, 0)], np.arange(num) % scenario.num_yards)
    share = (times[:, None] - rows["start_s"][row]) / np.maximum(rows["end_s"][row] - rows["start_s"][row], 1e-9)
    share = np.clip(share, 0.0, 1.0)
    away = np.where(np.isin(phase, list(AT_YARD)) | (where < 0), 0.0, 1.0)
    away = np.where((phase == Phase.DECIDE) & np.isin(kinds, [Kind.HAULER, Kind.UNIT]), 0.0, away)
    away = np.where(phase == Phase.LEG_OUT, share, np.where(phase == Phase.LEG_BACK, 1.0 - share, away))
    lift = np.where(np.isin(phase, [Phase.LEG_OUT, Phase.LEG_BACK]), 0.25 * share * (1.0 - share), 0.0)
    ray = yard[home] * (1.0 - away[..., None]) + pit[np.maximum(where, 0)] * away[..., None] + spread
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    ground = on_surface(body, ray)
    turn = from_rotation_vector(np.zeros((*at.shape, 3)))
    return ground * (1.0 + 0.006 + lift[..., None]), turn


def _daylight(place: Place, end: float) -> Floats:
    """Begin and end of daylight at pit 0 (k, 2) [s], to a bin of the calendar."""
    lit, width = place.illumination[0] > 0.0, place.spin / place.illumination.shape[1]
    bins = np.arange(int(np.ceil(end / width)))
    on = np.concatenate([[False], lit[bins % len(lit)], [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(on))
    return np.minimum(edges.reshape(-1, 2) * width, end)
