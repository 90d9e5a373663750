# SPDX-License-Identifier: Apache-2.0
"""Bank: whole measured outcomes of skills as one table, a row an outcome, in a Parquet file.

A row keeps what belongs together: context, outcome, duration, energy, mass, peak force, propellant, who flew and in
which physics. The fleet draws whole rows of one context. What the rows do not say, how often a rare outcome really
comes, is the belief: a Bayesian bootstrap of the rows of each skill (Rubin 1981, doi 10.1214/aos/1176345338).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import FileError, RangeError
from stope.base.files import write_atomic
from stope.base.intervals import clopper_pearson
from stope.base.seeding import generator
from stope.fleet.mission.kernels.columns import SKILLS

__all__ = ["COLUMNS", "Bank", "Tables", "shipped_bank"]

FORMAT = "stope-bank-2"
COLUMNS: dict[str, tuple[type, str]] = {
    "skill": (str, "name of the skill"),
    "told": (str, "what the robot was told: prior or sharp"),
    "robot": (str, "robot"),
    "site": (str, "site"),
    "gravity": (float, "m/s2"),
    "payload": (float, "carried, kg"),
    "cohesion": (float, "of the soil, Pa; 0 without soil"),
    "outcome": (int, "1 success, 0 no success, -1 robot lost"),
    "duration": (float, "s"),
    "energy": (float, "J, beyond what the robot draws at idle"),
    "mass": (float, "ore gained, kg"),
    "peak_force": (float, "N"),
    "propellant": (float, "kg"),
    "pilot": (str, "digest of the policy, or script"),
    "physics": (str, "hash of robot, site and prior"),
    "seed": (int, "root seed of the measurement"),
    "world": (int, "number of the world within it"),
}
"""Type and meaning of each column."""
NUM_RESAMPLED = 1024
"""Rows that one draw of the belief is written out to (chosen: the rate of an outcome is then right to 0.1 %)."""
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Records of all skills of a month, ready for the engine."""

    records: NDArray[np.float64]
    """Outcome, duration [s], energy [J], mass [g], propellant [kg], (records, 5)."""
    tables: NDArray[np.int64]
    """First record and number of each skill, (skills, 2)."""

    def of(self, skill: int) -> NDArray[np.float64]:
        """Records of one skill."""
        first, n = self.tables[skill]
        return self.records[first : first + n]

    @classmethod
    def join(cls, parts: list[NDArray[np.float64]]) -> Tables:
        """From the records of each skill, in order."""
        sizes = np.array([len(p) for p in parts], dtype=np.int64)
        return cls(np.concatenate(parts), np.stack([np.cumsum(sizes) - sizes, sizes], axis=1))

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of every number."""
        return hashlib.sha256(self.records.tobytes() + self.tables.tobytes()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Measured outcomes, one a row."""

    columns: Mapping[str, Array]
    """By the names of `COLUMNS`, each (rows,)."""
    about: Mapping[str, Any]
    """What was measured, with what, under which versions."""

    def __post_init__(self) -> None:
        """Check that every column is there, of one length, and finite.

        Raises:
            RangeError: naming the column.
        """
        n = len(next(iter(self.columns.values()), ()))
        for name, (kind, _) in COLUMNS.items():
            if name not in self.columns:
                raise RangeError(f"Bank.columns: {name!r} is missing.")
            column = self.columns[name]
            if column.shape != (n,) or n == 0:
                raise RangeError(f"Bank.{name}: shape {column.shape}: expected ({n},) with n > 0.")
            if kind is float and not (np.isfinite(column).all() and (column >= 0.0).all()):
                raise RangeError(f"Bank.{name}: expected finite numbers of 0 or more.")
        if not np.isin(self.columns["outcome"], (-1, 0, 1)).all():
            raise RangeError("Bank.outcome: expected -1, 0 or 1.")
        if (self.columns["duration"] <= 0.0).any():
            raise RangeError("Bank.duration: expected more than 0 s.")

    def __len__(self) -> int:
        """Rows."""
        return len(self.columns["outcome"])

    def rows(self, skill: str, told: str) -> NDArray[np.intp]:
        """Rows of a skill with what robots are told; where only the prior was told, those of the prior.

        Raises:
            RangeError: if the skill was not measured.
        """
        is_skill = self.columns["skill"] == skill
        found = np.flatnonzero(is_skill & (self.columns["told"] == told))
        found = found if len(found) else np.flatnonzero(is_skill & (self.columns["told"] == "prior"))
        if not len(found):
            known = ", ".join(sorted(set(self.columns["skill"].tolist())))
            raise RangeError(f"bank: skill {skill!r} told {told!r} was not measured. Measured: {known}.")
        return found

    def pilots(self, told: str = "prior") -> dict[str, str]:
        """Who flies each skill: the digest of its policy, or `script`; several where its rows have several."""
        return {s: "+".join(sorted(set(self.columns["pilot"][self.rows(s, told)].tolist()))) for s in SKILLS}

    def tables(self, told: str = "prior") -> Tables:
        """Records as measured, each once."""
        return Tables.join([self._numbers(self.rows(skill, told)) for skill in SKILLS])

    def believed(self, number: int, *, seed: int, told: str = "prior") -> Tables:
        """One draw of the belief: weights of all rows from a flat Dirichlet, written out as records."""
        parts: list[NDArray[np.float64]] = []
        for skill in SKILLS:
            rows = self.rows(skill, told)
            rng = generator(seed, "belief", number, skill)
            weights = rng.dirichlet(np.ones(len(rows)))
            ends = np.cumsum(weights) * NUM_RESAMPLED
            picked = np.searchsorted(ends, np.arange(NUM_RESAMPLED) + 0.5)
            parts.append(self._numbers(rows[np.minimum(picked, len(rows) - 1)]))
        return Tables.join(parts)

    def _numbers(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        c = self.columns
        columns = (c["outcome"], c["duration"], c["energy"], 1000.0 * c["mass"], c["propellant"])
        return np.stack([column[rows].astype(np.float64) for column in columns], axis=1)

    def summary(self) -> list[dict[str, Any]]:
        """Figures of each skill and what was told: success with its interval, medians, who flew."""
        out: list[dict[str, Any]] = []
        pairs = sorted(set(zip(self.columns["skill"].tolist(), self.columns["told"].tolist(), strict=True)))
        for skill, told in pairs:
            rows = np.flatnonzero((self.columns["skill"] == skill) & (self.columns["told"] == told))
            part = {name: column[rows] for name, column in self.columns.items()}
            rate = clopper_pearson(int((part["outcome"] > 0).sum()), len(rows))
            out.append({
                "skill": skill, "told": told, "success": rate.success, "n": rate.n, "low": rate.low, "high": rate.high,
                "lost": int((part["outcome"] < 0).sum()),
                **{f"{name}_median": float(np.median(part[name])) for name in
                   ("duration", "energy", "mass", "peak_force", "propellant")},
                "pilot": str(part["pilot"][0]), "robot": str(part["robot"][0]), "site": str(part["site"][0]),
                "physics": str(part["physics"][0]),
            })  # fmt: skip
        return out

    def card(self, command: str) -> dict[str, Any]:
        """What stands beside the file for people: the command that made it, and who flew what in which physics."""
        return {"command": command, "digest": self.digest, "rows": len(self), **self.about, "skills": self.summary()}

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of every row."""
        h = hashlib.sha256()
        for name in COLUMNS:
            column = self.columns[name]
            h.update(json.dumps(column.tolist()).encode() if COLUMNS[name][0] is str else column.tobytes())
        return h.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write one Parquet file, atomically."""
        import pyarrow as pa  # noqa: PLC0415 -- heavy; only who reads or writes a bank needs it
        import pyarrow.parquet as pq  # noqa: PLC0415 -- as above

        table = pa.table({name: self.columns[name] for name in COLUMNS})
        about = json.dumps({"format": FORMAT, "about": self.about, "columns": {n: m for n, (_, m) in COLUMNS.items()}},
                           sort_keys=True)  # fmt: skip
        sink = io.BytesIO()
        pq.write_table(table.replace_schema_metadata({"stope": about}), sink, compression="zstd")
        write_atomic(path, sink.getvalue())

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Read a bank; nothing in the file is executed.

        Raises:
            FileError: missing, truncated, or not a bank.
        """
        import pyarrow as pa  # noqa: PLC0415 -- heavy; only who reads or writes a bank needs it
        import pyarrow.parquet as pq  # noqa: PLC0415 -- as above

        if not path.is_file():
            raise FileError(f"{path}: no such bank. Measure one: `stope fleet measure --out {path}`.")
        try:
            table = pq.read_table(io.BytesIO(path.read_bytes()))
            metadata: Any = table.schema.metadata or {}
            head = json.loads(metadata.get(b"stope", b"{}"))
            if head.get("format") != FORMAT:
                raise FileError(
                    f"{path}: format {head.get('format')!r}: expected {FORMAT!r}. Measure it again: "
                    "stope fleet measure."
                )
            columns: dict[str, Any] = {}
            for name, (kind, _) in COLUMNS.items():
                values = table.column(name).to_pylist()
                columns[name] = np.array(values, dtype={str: np.str_, float: np.float64, int: np.int64}[kind])
            return cls(columns, head["about"])
        except FileError:
            raise
        except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
            raise FileError(f"{path}: not a whole bank ({type(error).__name__}: {error}). Measure it again.") from None


def shipped_bank() -> Path:
    """The bank that comes with the package."""
    return Path(__file__).parents[1] / "banks" / "ryugu.parquet"
