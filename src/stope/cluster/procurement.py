# SPDX-License-Identifier: Apache-2.0
"""Procurement: machines that arrive in batches, jobs with priorities, and who gets what when.

A mixed-integer program over weeks, solved by HiGHS through SciPy: as much priority as possible on time, then as soon as
possible. A job may use several batches and any number of devices up to the count at which more stop helping. What one
more of a batch would buy is the same program with that batch doubled.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from stope.base.config import build, read_toml
from stope.base.errors import ConfigError, RangeError
from stope.base.progress import Progress, silent
from stope.cluster.job import load_job
from stope.cluster.limit import limit_of
from stope.cluster.outcome import candidates, outcome_of
from stope.cluster.sampling import middle_of
from stope.cluster.system import load_system, system_names

__all__ = ["Available", "Batch", "Wanted", "read_available", "schedule", "solve"]

FORMAT = "stope-available-1"
WEEK = 7.0 * 86400.0
MOST_WEEKS = 208
"""Four years."""
EXTRA_WEEKS = 26
"""Planned beyond the date, so that a job that slips still gets a day."""
MOST_JOBS, MOST_BATCHES = 20, 20
SOLVER_SECONDS = 20.0
"""Of one solution; beyond it the best found is taken and said so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Devices that arrive together."""

    name: str
    """Unique."""
    system: str
    """A name of `stope cluster systems`, or a TOML file."""
    devices: int
    """How many."""
    arrives: str
    """Day they can be used from, YYYY-MM-DD."""
    leaves: str = ""
    """Day they must be given back; empty is never."""
    supplier: str = ""
    """Who delivers; a supplier that is sold out delays its batches."""
    where: str = ""
    """Jurisdiction the devices stand in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A job that somebody wants done."""

    job: str
    """A name of `stope cluster jobs`, or a TOML file."""
    priority: float
    """What having it on time is worth, beside the others."""
    name: str = ""
    """Unique; empty takes the job's."""
    repeats: int = 1
    """How many times it is to be trained: seeds, variants."""
    systems: tuple[str, ...] = ()
    """Systems it may run on; none named, all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Available:
    """What will be there and what is to be done."""

    format: str
    """stope-available-1."""
    start: str
    """First day, YYYY-MM-DD."""
    batch: tuple[Batch, ...]
    """Deliveries."""
    job: tuple[Wanted, ...]
    """Jobs."""
    sold_out: dict[str, str]
    """Suppliers that deliver nothing before a day: name = YYYY-MM-DD."""
    quota: dict[str, int]
    """Most devices of a system in all."""
    not_for: dict[str, tuple[str, ...]]
    """Systems that a jurisdiction may not buy."""


def read_available(path: Path) -> Available:
    """Read what is available.

    Raises:
        ConfigError, FileError: with one line that names file, field, what was found and what was expected.
    """
    data = read_toml(path)
    if data.get("format") != FORMAT:
        raise ConfigError(f'{path.name}: format = {data.get("format")!r}: expected "{FORMAT}".')
    for key in ("sold_out", "quota", "not_for"):
        data.setdefault(key, {})
    found = build(Available, data, where=path.name)
    if not 1 <= len(found.batch) <= MOST_BATCHES or not 1 <= len(found.job) <= MOST_JOBS:
        raise ConfigError(f"{path.name}: {len(found.batch)} batches and {len(found.job)} jobs: expected 1 to "
                          f"{MOST_BATCHES} and 1 to {MOST_JOBS}.")  # fmt: skip
    found = replace(found, job=tuple(replace(w, name=w.name or load_job(w.job).name) for w in found.job))
    for what, names in (("batch", [b.name for b in found.batch]), ("job", [w.name for w in found.job])):
        if len(set(names)) < len(names):
            raise ConfigError(f"{path.name}: {what} names {', '.join(names)}: expected each once.")
    _check_names(found, path.name)
    _check_numbers(found, path.name)
    return found


def _check_numbers(found: Available, where: str) -> None:
    """Refuse devices, quotas, priorities and repeats that cannot be."""
    for batch in found.batch:
        if batch.devices < 1:
            raise ConfigError(f"{where}: batch {batch.name!r}: devices = {batch.devices}: expected 1 or more.")
    for system, most in found.quota.items():
        if most < 0:
            raise ConfigError(f"{where}: quota: {system} = {most}: expected 0 or more.")
    for wanted in found.job:
        if not wanted.priority > 0 or wanted.repeats < 1:
            raise ConfigError(f"{where}: job {wanted.name!r}: priority = {wanted.priority}, repeats = "
                              f"{wanted.repeats}: expected more than 0, and 1 or more.")  # fmt: skip


def _check_names(found: Available, where: str) -> None:
    """Refuse names that nothing carries: a quota with a typing error would be no quota."""
    systems = {*system_names(), *(b.system for b in found.batch)}
    named = [("quota", name, systems) for name in found.quota]
    named += [("not_for", name, systems) for names in found.not_for.values() for name in names]
    named += [("not_for", name, {b.where for b in found.batch}) for name in found.not_for]
    named += [("sold_out", name, {b.supplier for b in found.batch}) for name in found.sold_out]
    named += [(f"job {w.name!r}: systems", name, systems) for w in found.job for name in w.systems]
    for key, name, known in named:
        if name not in known:
            raise ConfigError(f"{where}: {key}: {name!r}: expected one of {', '.join(sorted(known - {''}))}.")


def schedule(path: Path, *, by: str, progress: Progress = silent) -> dict[str, Any]:
    """Schedule the jobs of a file on its deliveries.

    Returns:
        `jobs`, each with the day it ends and whether that is on time; `one_more`, what another batch of each kind would
        buy; `use`, devices by job, batch and week; `notes`.

    Raises:
        ConfigError: a date, name or number that does not fit.
    """
    available = read_available(path)
    start, end = _day(available.start, f"{path.name}: start"), _day(by, "--by")
    weeks = (end - start).days // 7  # of a week that is begun nothing is on time
    if not 1 <= weeks <= MOST_WEEKS:
        raise ConfigError(f"--by {by}: {weeks} whole weeks after start {available.start}: expected 1 to {MOST_WEEKS}.")
    batches, notes = _deliverable(available, path.name)
    windows = [_window(b, available, start, path.name) for b in batches]
    rates, most, why = _rates(available, batches, progress)
    devices = [b.devices for b in batches]
    repeats, priorities = [w.repeats for w in available.job], [w.priority for w in available.job]

    def solved(counts: Sequence[float]) -> dict[str, Any]:
        return solve(rates=rates, most=most, devices=counts, windows=windows, repeats=repeats, priorities=priorities,
                     weeks=weeks, horizon=weeks + EXTRA_WEEKS)  # fmt: skip

    now = solved(devices)
    progress("schedule", 0.5)
    jobs = [_told(w, j, now, batches, start, weeks) for j, w in enumerate(available.job)]
    more: list[dict[str, Any]] = []
    for b, batch in enumerate(batches):
        other = solved([2.0 * d if k == b else d for k, d in enumerate(devices)])
        gained = [w.name for j, w in enumerate(available.job) if other["on_time"][j] and not now["on_time"][j]]
        sooner = sum(p * 7.0 * (now["ends"][j] - other["ends"][j]) for j, p in enumerate(priorities)) / sum(priorities)
        more.append({"batch": batch.name, "more_on_time": gained, "days_sooner": float(sooner)})
        progress("schedule", 0.5 + 0.5 * (b + 1) / len(batches))
    used = cast("np.ndarray[Any, Any]", now["use"])
    use = [
        {
            "job": available.job[int(j)].name,
            "batch": batches[int(b)].name,
            "week": int(t),
            "devices": float(used[j, b, t]),
        }
        for j, b, t in np.argwhere(used > 1e-6)
    ]
    if not now["is_proven"]:
        notes.append(f"the solver stopped at {SOLVER_SECONDS:.0f} s: a better schedule may exist.")
    return {"by": by, "jobs": jobs, "one_more": more, "use": use, "notes": [*notes, *why]}


def solve(
    *,
    rates: np.ndarray[Any, Any],
    most: np.ndarray[Any, Any],
    devices: Sequence[float],
    windows: Sequence[tuple[int, int]],
    repeats: Sequence[int],
    priorities: Sequence[float],
    weeks: int,
    horizon: int,
) -> dict[str, Any]:
    """The mixed-integer program.

    Args:
        rates: Trainings a week of one device, by job and batch; 0 where a job may not run.
        most: Most devices that one training uses well, by job and batch.
        devices: Of each batch.
        windows: First week and first week no more, of each batch.
        repeats: Trainings wanted of each job.
        priorities: Of each job.
        weeks: By which jobs should end.
        horizon: Weeks that are planned.

    Returns:
        `use` [jobs, batches, weeks] in devices, `ends` in weeks (the horizon if never), `on_time`, `done` by the date,
        `is_proven`.
    """  # fmt: skip
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 -- heavy, and few ask

    frame = _Frame(num_jobs=int(rates.shape[0]), num_batches=int(rates.shape[1]), horizon=horizon)
    top = np.ones(frame.size)
    for j, b, t in frame.uses():
        is_there = windows[b][0] <= t < windows[b][1] and rates[j, b] > 0.0
        top[frame.use(j, b, t)] = min(devices[b], most[j, b] * repeats[j]) if is_there else 0.0
    gain = np.zeros(frame.size)
    for j, priority in enumerate(priorities):
        gain[frame.ended(j, 0) : frame.ended(j, horizon - 1) + 1] = priority
        gain[frame.ended(j, weeks - 1)] += priority * horizon * frame.num_jobs
    whole = np.zeros(frame.size)
    whole[frame.ended(0, 0) :] = 1.0
    rows, high = _constraints(frame, rates, devices, repeats)
    found: Any = milp(-gain, constraints=LinearConstraint(rows, -np.inf, high), bounds=Bounds(0.0, top),
                      integrality=whole, options={"time_limit": SOLVER_SECONDS, "mip_rel_gap": 1e-6})  # fmt: skip
    if found.x is None:
        raise RangeError(f"schedule: no answer from the solver ({found.message}).")
    answer: np.ndarray[Any, Any] = np.asarray(found.x)
    flags = answer[frame.ended(0, 0) :].reshape(frame.num_jobs, horizon) > 0.5
    used = answer[: frame.ended(0, 0)].reshape(frame.num_jobs, frame.num_batches, horizon)
    done = np.einsum("jbt,jb->j", used[:, :, :weeks], rates) / np.asarray(repeats)
    has_end = [bool(value) for value in np.max(flags, axis=1)]
    first = [int(value) for value in np.argmax(flags, axis=1)]
    return {"use": used, "ends": [k + 1 if has else horizon for k, has in zip(first, has_end, strict=True)],
            "on_time": [bool(value) for value in flags[:, weeks - 1]], "done": np.minimum(done, 1.0),
            "has_end": has_end, "is_proven": found.status == 0}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Frame:
    """Where each unknown stands in the vector of all: devices in use, then whether a job has ended."""

    num_jobs: int
    num_batches: int
    horizon: int

    @property
    def size(self) -> int:
        """Unknowns in all."""
        return self.ended(self.num_jobs, 0)

    def use(self, j: int, b: int, t: int) -> int:
        """Devices of batch b that job j has in week t."""
        return (j * self.num_batches + b) * self.horizon + t

    def ended(self, j: int, t: int) -> int:
        """Whether job j has ended by the end of week t."""
        return (self.num_jobs * self.num_batches + j) * self.horizon + t

    def uses(self) -> Iterator[tuple[int, int, int]]:
        """Every job, batch and week."""
        return itertools.product(range(self.num_jobs), range(self.num_batches), range(self.horizon))


def _constraints(frame: _Frame, rates: np.ndarray[Any, Any], devices: Sequence[float], repeats: Sequence[int]) -> Any:
    """Rows and their upper ends: no batch is used twice, and an end by week t needs the work of the weeks up to it."""
    from scipy.sparse import lil_matrix  # noqa: PLC0415 -- heavy, and few ask

    num_capacity = frame.num_batches * frame.horizon
    rows: Any = lil_matrix((num_capacity + frame.num_jobs * frame.horizon, frame.size))
    high = np.zeros(num_capacity + frame.num_jobs * frame.horizon)
    for j, b, t in frame.uses():
        rows[b * frame.horizon + t, frame.use(j, b, t)] = 1.0
        high[b * frame.horizon + t] = devices[b]
        if rates[j, b] > 0.0:
            for later in range(t, frame.horizon):
                rows[num_capacity + j * frame.horizon + later, frame.use(j, b, t)] = -rates[j, b] / repeats[j]
    for j in range(frame.num_jobs):
        for t in range(frame.horizon):
            rows[num_capacity + j * frame.horizon + t, frame.ended(j, t)] = 1.0
    return rows.tocsr(), high


def _day(text: str, where: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{where} = {text!r}: expected a day, YYYY-MM-DD.") from None


def _deliverable(available: Available, where: str) -> tuple[list[Batch], list[str]]:
    """Batches that law and quota let through, the later ones cut, and notes of what does not come."""
    notes: list[str] = []
    found: list[Batch] = []
    left = dict(available.quota)
    for batch in sorted(available.batch, key=lambda b: b.arrives):
        if batch.system in available.not_for.get(batch.where, ()):
            notes.append(f"batch {batch.name}: {batch.where} may not buy {batch.system}.")
            continue
        num = min(batch.devices, left.get(batch.system, batch.devices))
        if batch.system in left:
            left[batch.system] -= num
        if num < batch.devices:
            notes.append(f"batch {batch.name}: quota of {batch.system} leaves {num} of {batch.devices} devices.")
        if num:
            found.append(replace(batch, devices=num))
    if not found:
        raise ConfigError(f"{where}: no batch may be delivered: {' '.join(notes)}")
    return found, notes


def _window(batch: Batch, available: Available, start: dt.date, where: str) -> tuple[int, int]:
    first = _day(batch.arrives, f"{where}: batch {batch.name!r}: arrives")
    if batch.supplier in available.sold_out:
        first = max(first, _day(available.sold_out[batch.supplier], f"{where}: sold_out.{batch.supplier}"))
    last = _day(batch.leaves, f"{where}: batch {batch.name!r}: leaves") if batch.leaves else None
    return max(0, math.ceil((first - start).days / 7)), MOST_WEEKS * 2 if last is None else (last - start).days // 7


def _rates(available: Available, batches: Sequence[Batch], progress: Progress) -> tuple[Any, Any, list[str]]:
    """Trainings a week of one device and the most devices one training uses well, by job and batch."""
    rates = np.zeros((len(available.job), len(batches)))
    most = np.ones_like(rates)
    why: list[str] = []
    for j, wanted in enumerate(available.job):
        job = load_job(wanted.job)
        for b, batch in enumerate(batches):
            if wanted.systems and batch.system not in wanted.systems:
                continue
            system = load_system(batch.system)
            try:
                stop = max(1, limit_of(job, system)["stops"]["time"]["count"])
                count = min(batch.devices, stop)
                one = outcome_of(job, system, count, middle_of(job, system), candidates(job, system))
            except RangeError as error:
                why.append(f"{wanted.name} not on {batch.name}: {error}")
                continue
            rates[j, b] = WEEK / float(one.seconds[0]) / one.count
            most[j, b] = stop
        progress("rates", (j + 1) / len(available.job))
    return rates, most, why


def _told(
    wanted: Wanted, j: int, found: dict[str, Any], batches: Sequence[Batch], start: dt.date, weeks: int
) -> dict[str, Any]:
    used = cast("np.ndarray[Any, Any]", found["use"])[j].sum(axis=1)
    ends = start + dt.timedelta(weeks=found["ends"][j])
    return {"job": wanted.name, "priority": wanted.priority, "is_on_time": found["on_time"][j],
            "ends": ends.isoformat() if found["has_end"][j] else None,
            "weeks_late": max(0, found["ends"][j] - weeks) if found["has_end"][j] else None,
            "done_by_date": float(found["done"][j]),
            "batches": [b.name for b, n in zip(batches, used, strict=True) if n > 1e-6]}  # fmt: skip
