# SPDX-License-Identifier: Apache-2.0
"""A month that is kept: a checkpoint a day, activities in Parquet, decisions and refusals in an append-only journal.

A row of the journal says what was decided, why, from which state (`inputs`: the first 16 hex digits of the SHA-256 of
the checkpoint that its day began with), and by which version of a skill's policy, where one flies it.

Each day is written in the order activities, journal, checkpoint, each whole or not at all. A month killed anywhere
goes on from its last checkpoint and makes the day that was cut again, the same to the bit; rows of the journal that
are there already stay. So the result has the same hash, and every moment can be played again from the
checkpoint before it.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from collections.abc import Iterable, Mapping
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
from stope.fleet.mission.month import Note, Player, close_books
from stope.fleet.mission.scenario import MonthScenario

__all__ = ["Journal", "keep_month", "query", "replay", "restore", "snapshot"]

LOG_ROWS = 200_000
COMMANDS = {
    Phase.LEG_OUT: ("fetch", "free and able", ""), Phase.LEG_BACK: ("bring", "loaded, or waited in vain", ""),
    Phase.ANCHOR: ("anchor", "free and able", "anchor"), Phase.DIG: ("dig", "anchored", "dig"),
    Phase.DEPOSIT: ("deposit", "hopper full", ""), Phase.LOAD: ("load", "ore is there", "dock"),
    Phase.UNLOAD: ("unload", "a port and room", "haul"), Phase.PROSPECT: ("prospect", "free and able", "hop"),
    Phase.REPAIR: ("repair", "a maintainer is free", "capture"),
}  # fmt: skip
"""Of a phase: what was commanded, why, and the skill whose policy flies it; none flies legs and deposits."""
REFUSALS = {
    Phase.RECHARGE: "battery below the worst outcome and the reserve", Phase.COOL: "ground too hot",
    Phase.BLOCKED: "no room on the pile", Phase.WAIT_EARTH: "waits for Earth", Phase.QUEUE_REPAIR: "failed",
    Phase.NO_SPARE: "failed, and no spare part is left", Phase.LOST: "lost", Phase.QUEUE_PIT: "no load at the pit",
    Phase.QUEUE_PORT: "no port or no room at the plant", Phase.PARKED: "no order",
    Phase.SAFE: "no policy, no server, or the pit is closed",
}  # fmt: skip
"""Of a phase: why the robot does not work."""
CHANGING = [
    n
    for n in World._fields
    if n not in ("records", "tables", "near", "leg_time", "leg_hops", "sunlight", "cool_bins", "log")
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
    policies: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Play a month and keep it in a folder, or take it up where it was left.

    Args:
        scenario: What there is.
        tables: Records of the skills.
        folder: Where.
        seed: Root seed.
        replicate: Which month.
        policies: Version of the policy of each skill, for the journal.
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
    done, state = _last(run, player)
    journal = Journal(run.path("journal.sqlite"))
    try:
        for day in range(done, int(np.ceil(scenario.days))):
            inputs = hashlib.sha256(state).hexdigest()[:16]
            player.advance((day + 1) * DAY)
            rows = np.concatenate(logged) if logged else np.zeros((0, 8))
            logged.clear()
            _write_activities(run.path(f"activities/day-{day:04d}.parquet"), rows)
            known = rows if player.now < player.end else np.concatenate([rows, _under_way(player)])
            journal.add(day, _decisions(known, player.notes, inputs, policies or {}))
            player.notes.clear()
            state = snapshot(player)
            write_atomic(run.path(f"checkpoints/day-{day + 1:04d}.npz"), state)
            progress("the month that is kept", (day + 1) / scenario.days)
    finally:
        journal.close()
    month = close_books(player)
    write_json(result, month.as_dict() | {"digest": month.digest})
    return read_json(result, what="result")


def _last(run: Run, player: Player) -> tuple[int, bytes]:
    """Go to the last checkpoint; returns how many days are done, and its bytes."""
    found = sorted(run.path("checkpoints/day-0000.npz").parent.glob("day-*.npz"))
    if not found:
        state = snapshot(player)
        write_atomic(run.path("checkpoints/day-0000.npz"), state)
        return 0, state
    state = found[-1].read_bytes()
    restore(player, state, where=str(found[-1]))
    return int(found[-1].stem.removeprefix("day-")), state


def _under_way(player: Player) -> NDArray[np.float64]:
    """Rows of a log for what has not ended when the month does."""
    w, out = player.world, np.zeros((len(player.world.real), 8))
    for column, values in enumerate((np.arange(len(out)), w.whole[:, k.PHASE], w.real[:, k.SINCE])):
        out[:, column] = values
    out[:, 3], out[:, 7] = player.end, w.whole[:, k.PIT]
    return out


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


def _decisions(
    rows: NDArray[np.float64], notes: list[Note], inputs: str, policies: Mapping[str, str]
) -> Iterable[tuple[Any, ...]]:
    """What the dispatcher did, and what was commanded or refused at the start of each activity; why, by what policy."""
    for t, kind, what, robot, pit, cause in notes:
        yield (t, kind, what, robot, pit, cause, inputs, "")
    for robot, phase, start, _, _, _, _, pit in rows.tolist():
        if phase in COMMANDS:
            what, cause, skill = COMMANDS[Phase(int(phase))]
            yield (start, "command", what, int(robot), int(pit), cause, inputs, policies.get(skill, ""))
        elif phase in REFUSALS:
            yield (start, "refusal", PHASES[int(phase)], int(robot), int(pit), REFUSALS[Phase(int(phase))], inputs, "")


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
        raise MissingExtra("stope fleet query needs duckdb. Install it: pip install -e '.[query]'.") from None
    files = sorted((folder / "activities").glob("day-*.parquet"))
    if not files:
        raise FileError(f"{folder}: no activities. Keep a month: `stope mine --out {folder}`.")
    with duckdb.connect() as db:
        try:
            db.read_parquet([str(f) for f in files]).to_table("activities")
            db.execute("SET enable_external_access = false; SET lock_configuration = true")
            found: Any = db.execute(sql)
            if found is None:  # of a text with no statement in it; DuckDB's stubs do not say so
                raise RangeError("query: found no statement: expected SQL such as SELECT count(*) FROM activities.")
            return [d[0] for d in found.description or ()], found.fetchall()
        except duckdb.Error as error:
            raise RangeError(f"query: {' '.join(str(error).split())}") from None


def as_json(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as JSON can hold them: null for a number that is not finite, as 0/0 of an aggregate."""
    return json.loads(json.dumps(rows, default=str), parse_constant=lambda _: None)
