# SPDX-License-Identifier: Apache-2.0
"""A month that is kept: a checkpoint a day, activities in Parquet, decisions and refusals in an append-only journal.

Each day is written in the order activities, journal, checkpoint, each whole or not at all. A month killed anywhere
goes on from its last checkpoint and makes the day that was cut again, the same to the bit; rows of the journal that
are there already stay. So the result has the same hash, and every moment can be played again from the
checkpoint before it.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError, MissingExtra, RangeError
from stope.base.files import read_json, write_atomic, write_json
from stope.base.progress import Progress, silent
from stope.base.runs import Run
from stope.base.units import DAY
from stope.fleet.mission.bank import Tables
from stope.fleet.mission.kernels import columns as k
from stope.fleet.mission.kernels.columns import KINDS, PHASES, Phase, World
from stope.fleet.mission.month import Player, close_books
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["Journal", "keep_month", "query", "replay", "restore", "snapshot"]

LOG_ROWS = 200_000
COMMANDS = {int(Phase.LEG_OUT): "fetch", int(Phase.LEG_BACK): "bring", int(Phase.ANCHOR): "anchor",
            int(Phase.DEPOSIT): "deposit", int(Phase.PROSPECT): "prospect", int(Phase.REPAIR): "repair"}  # fmt: skip
REFUSALS = {int(Phase.RECHARGE): "battery below the worst outcome and the reserve",
            int(Phase.COOL): "ground too hot", int(Phase.BLOCKED): "no room on the pile",
            int(Phase.WAIT_EARTH): "waits for Earth", int(Phase.QUEUE_REPAIR): "failed"}  # fmt: skip
CHANGING = [
    n for n in World._fields if n not in ("records", "tables", "near", "leg_time", "sunlight", "cool_bins", "log")
]


def snapshot(player: Player) -> bytes:
    """Everything of a month that changes, as the bytes of an npz file."""
    arrays: dict[str, Any] = {name: getattr(player.world, name) for name in CHANGING}
    sink = io.BytesIO()
    plan = player.dispatcher
    head = np.array([player.now, player.tick, player.struck, plan.planned], dtype=np.float64)
    np.savez(sink, allow_pickle=False, head=head, flows=plan.flows, **arrays)
    return sink.getvalue()


def restore(player: Player, data: bytes, *, where: str) -> None:
    """Bring a month of the same scenario, records, seed and replicate back to a snapshot.

    Raises:
        FileError: truncated, or a snapshot of another month.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            for name in CHANGING:
                target = getattr(player.world, name)
                if file[name].shape != target.shape:
                    raise FileError(f"{where}: {name} of shape {file[name].shape}: expected {target.shape}.")
                target[...] = file[name]
            now, tick, struck, planned = file["head"].tolist()
            flows = np.asarray(file["flows"], dtype=np.float64)
    except FileError:
        raise
    except Exception as error:  # noqa: BLE001 -- a damaged zip can raise nearly anything; it is reported, not hidden
        raise FileError(f"{where}: not a whole checkpoint ({type(error).__name__}: {error}). Delete it.") from None
    player.now, player.tick, player.struck = now, int(tick), int(struck)
    player.dispatcher.flows, player.dispatcher.planned = flows, planned


class Journal:
    """Commands and refusals in SQLite; rows can be added, never changed or taken away."""

    def __init__(self, path: Path) -> None:
        """Open, and make the table where it is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._db = path, sqlite3.connect(path)
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE IF NOT EXISTS journal (day INTEGER, number INTEGER, time REAL, kind TEXT, what TEXT,"
            " robot INTEGER, pit INTEGER, cause TEXT, inputs TEXT, policy TEXT,"
            " PRIMARY KEY (day, number)) WITHOUT ROWID;"
            "CREATE TRIGGER IF NOT EXISTS no_change BEFORE UPDATE ON journal BEGIN"
            " SELECT RAISE(ABORT, 'append only'); END;"
            "CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON journal BEGIN"
            " SELECT RAISE(ABORT, 'append only'); END;"
        )

    def add(self, day: int, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add a day's rows in one transaction; those that are there stay."""
        with self._db:
            self._db.executemany(
                "INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((day, number, *row) for number, row in enumerate(rows)),
            )

    def count(self) -> int:
        """Rows."""
        return int(self._db.execute("SELECT COUNT(*) FROM journal").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def keep_month(
    scenario: MonthScenario,
    tables: Tables,
    folder: Path,
    *,
    seed: int,
    replicate: int = 0,
    policy: str = "",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Play a month and keep it in a folder, or take it up where it was left.

    Args:
        scenario: What there is.
        tables: Records of the skills.
        folder: Where.
        seed: Root seed.
        replicate: Which month.
        policy: Version of the bank, for the journal.
        progress: Told of the share done.

    Returns:
        The month as plain data, with its `digest`.

    Raises:
        ConfigError: the folder holds another month.
        FileError: a broken file.
    """
    run = Run(folder, {"scenario": scenario.digest, "tables": tables.digest, "seed": seed, "replicate": replicate})
    result = run.path("result.json")
    if result.exists():
        return read_json(result, what="result")
    logged: list[NDArray[np.float64]] = []
    player = Player(scenario, tables, seed=seed, replicate=replicate, log_rows=LOG_ROWS,
                    on_log=lambda w, _: logged.append(w.log[: w.clock[2]].copy()))  # fmt: skip
    done = _last(folder, player)
    journal = Journal(run.path("journal.sqlite"))
    try:
        for day in range(done, int(np.ceil(scenario.days))):
            before = scenario.digest + ":" + tables.digest + f":{seed}:{replicate}:{day}"
            player.advance((day + 1) * DAY)
            rows = np.concatenate(logged) if logged else np.zeros((0, 8))
            logged.clear()
            _write_activities(run.path(f"activities/day-{day:04d}.parquet"), rows)
            journal.add(day, _decisions(rows, before, policy))
            write_atomic(run.path(f"checkpoints/day-{day + 1:04d}.npz"), snapshot(player))
            progress("the month that is kept", (day + 1) / scenario.days)
    finally:
        journal.close()
    month = close_books(player)
    write_json(result, month.as_dict() | {"digest": month.digest})
    return read_json(result, what="result")


def _last(folder: Path, player: Player) -> int:
    """Go to the last checkpoint; returns how many days are done."""
    found = sorted((folder / "checkpoints").glob("day-*.npz"))
    if not found:
        return 0
    restore(player, found[-1].read_bytes(), where=str(found[-1]))
    return int(found[-1].stem.removeprefix("day-"))


def _write_activities(path: Path, rows: NDArray[np.float64]) -> None:
    import pyarrow as pa  # noqa: PLC0415 -- heavy; only who writes Parquet needs it
    import pyarrow.parquet as pq  # noqa: PLC0415 -- as above

    names = np.array(PHASES)
    table = pa.table({
        "robot": rows[:, 0].astype(np.int32), "activity": pa.array(names[rows[:, 1].astype(int)].tolist(), pa.string()),
        "start_s": rows[:, 2], "end_s": rows[:, 3], "outcome": rows[:, 4].astype(np.int8),
        "mass_g": rows[:, 5].astype(np.int64), "energy_j": rows[:, 6], "pit": rows[:, 7].astype(np.int32),
    })  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    write_atomic(path, sink.getvalue())


def _decisions(rows: NDArray[np.float64], inputs: str, policy: str) -> Iterable[tuple[Any, ...]]:
    """Of each activity that ended, what was commanded or refused at its start, and why."""
    for robot, phase, start, _, _, _, _, pit in rows.tolist():
        if phase in COMMANDS:
            yield (start, "command", COMMANDS[phase], int(robot), int(pit), "free and able", inputs, policy)
        elif phase in REFUSALS:
            yield (start, "refusal", PHASES[int(phase)], int(robot), int(pit), REFUSALS[phase], inputs, policy)


def replay(
    scenario: MonthScenario, tables: Tables, folder: Path, t: float, *, seed: int, replicate: int = 0
) -> dict[str, Any]:
    """The state at a time [s] of a month that is kept, played from the checkpoint before it.

    Raises:
        RangeError: a time outside the month.
        FileError: the folder holds no such month, or a broken file.
    """
    head = folder / "run.json"
    wanted = {"scenario": scenario.digest, "tables": tables.digest, "seed": seed, "replicate": replicate}
    if not head.exists() or read_json(head, what="run").get("config") != wanted:
        raise FileError(f"{folder}: holds no month of this scenario, bank and seed. Keep one: `stope mine`.")
    if not 0.0 <= t <= scenario.days * DAY:
        raise RangeError(f"replay at {t / DAY:g} d: expected 0 to {scenario.days:g} d.")
    player = Player(scenario, tables, seed=seed, replicate=replicate)
    found = [p for p in sorted((folder / "checkpoints").glob("day-*.npz"))
             if int(p.stem.removeprefix("day-")) * DAY <= t]  # fmt: skip
    if found:
        restore(player, found[-1].read_bytes(), where=str(found[-1]))
    player.advance(t)
    w = player.world
    states = {kind: {PHASES[p]: int(n) for p, n in enumerate(np.bincount(
        w.whole[w.whole[:, k.KIND] == i, k.PHASE], minlength=len(PHASES))) if n}
        for i, kind in enumerate(KINDS)}  # fmt: skip
    return {"time_d": t / DAY, "robots": states, "piles_t": (w.pits[:, k.PILE] / 1e6).tolist(),
            "counts": {c.name.lower(): int(w.counts[c]) for c in k.Count}}  # fmt: skip


def query(folder: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Ask the activities of a kept month, the table `activities`, with DuckDB; nothing outside them can be read.

    Raises:
        MissingExtra: without duckdb.
        FileError: no activities there.
        RangeError: what DuckDB refuses.
    """
    try:
        import duckdb  # noqa: PLC0415 -- optional
    except ImportError:
        raise MissingExtra("stope fleet query needs duckdb. Install it: pip install 'stope[query]'.") from None
    files = sorted((folder / "activities").glob("day-*.parquet"))
    if not files:
        raise FileError(f"{folder}: no activities. Keep a month: `stope mine --out {folder}`.")
    with duckdb.connect() as db:
        try:
            db.read_parquet([str(f) for f in files]).to_table("activities")
            db.execute("SET enable_external_access = false; SET lock_configuration = true")
            found = db.execute(sql)
            return [d[0] for d in found.description or ()], found.fetchall()
        except duckdb.Error as error:
            raise RangeError(f"query: {' '.join(str(error).split())}") from None


def as_json(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as JSON can hold them."""
    return json.loads(json.dumps(rows, default=str))
