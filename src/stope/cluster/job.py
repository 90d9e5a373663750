# SPDX-License-Identifier: Apache-2.0
"""Jobs: a dense training, or simulation actors with a learner; what is to be reached, and how the batch may grow.

A job is one TOML file (`docs/reference/cluster-files.md`). Its uncertain numbers carry range and source, its choices
are bare.
"""

from __future__ import annotations

import difflib
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from stope.base.config import check_positive, read_toml
from stope.base.errors import ConfigError, UnknownName
from stope.base.files import read_json
from stope.cluster.quantity import Quantity, read_quantity
from stope.cluster.transformer import Recompute, Transformer

__all__ = ["ActorLearner", "DenseTraining", "Job", "job_names", "load_job", "with_profile"]

FORMAT = "stope-job-1"
_FOLDER = Path(__file__).parent / "jobs"


@dataclass(frozen=True, kw_only=True, slots=True)
class DenseTraining:
    """Training of a dense transformer, data-, tensor- and pipeline-parallel."""

    name: str
    """Name, kebab-case."""
    summary: str
    """One line for tables."""
    goal: Quantity
    """Tokens that reach the goal when steps are of `goal_batch` tokens."""
    goal_batch: Quantity
    """Tokens of a step in the run `goal` is from."""
    critical_batch: Quantity
    """Tokens of a step at which twice the fewest steps are needed."""
    model: Transformer
    """Shape."""
    tensor: int = 0
    """Devices that share each layer; 0 chooses."""
    pipeline: int = 0
    """Stages; 0 chooses."""
    micro_batch: int = 0
    """Samples of one pass; 0 chooses."""
    recompute: Recompute = "selective"
    """What the backward pass computes again."""

    @property
    def quantities(self) -> dict[str, Quantity]:
        """The uncertain numbers."""
        return {"goal": self.goal, "goal_batch": self.goal_batch, "critical_batch": self.critical_batch}


@dataclass(frozen=True, kw_only=True, slots=True)
class ActorLearner:
    """Worlds that step and a policy that learns from them, in turn; each device brings its own worlds."""

    name: str
    """Name, kebab-case."""
    summary: str
    """One line for tables."""
    simulator: Literal["host", "device"]
    """Where worlds step: on the host's cores, as stope's, or on the device itself."""
    goal: Quantity
    """Samples that reach the goal with mini-batches of `goal_batch`."""
    goal_batch: Quantity
    """Samples of a mini-batch in the run `goal` is from."""
    critical_batch: Quantity
    """Samples of a mini-batch at which twice the fewest updates are needed."""
    world_rate: Quantity
    """Samples a second of one core (host) or one device, the policy's forward pass included [1/s]."""
    rollout_spread: Quantity
    """Standard deviation of a rollout's time between nodes over its mean [1]."""
    learner_flops: Quantity
    """Arithmetic of one sample in one epoch [FLOP]."""
    learner_efficiency: Quantity
    """Share of the peak the learner reaches [1]."""
    update_overhead: Quantity
    """Fixed time of one mini-batch [s]."""
    world_memory: Quantity
    """Of one world on the device, replay included [B]."""
    parameters: float
    """Weights [1]."""
    worlds: int
    """Worlds of one core (host) or one device."""
    steps: int
    """Steps of one world in an iteration."""
    worlds_least: int
    """Fewest worlds of one core or device at which `world_rate` still holds; halves down to it are tried."""
    epochs: int
    """Passes over the samples of an iteration."""
    mini_batches: int
    """Updates of one epoch."""

    def __post_init__(self) -> None:
        """Check signs."""
        check_positive(self, "parameters", "worlds", "worlds_least", "steps", "epochs", "mini_batches")

    @property
    def quantities(self) -> dict[str, Quantity]:
        """The uncertain numbers."""
        return {name: getattr(self, name) for name in ACTOR_UNITS}


Job = DenseTraining | ActorLearner
DENSE_UNITS = {"goal": "tokens", "goal_batch": "tokens", "critical_batch": "tokens"}
ACTOR_UNITS = {
    "goal": "samples", "goal_batch": "samples", "critical_batch": "samples", "world_rate": "1/s",
    "rollout_spread": "1", "learner_flops": "FLOP", "learner_efficiency": "1", "update_overhead": "s",
    "world_memory": "B",
}  # fmt: skip
KINDS: dict[str, tuple[type[DenseTraining | ActorLearner], dict[str, str]]] = {
    "dense-training": (DenseTraining, DENSE_UNITS), "actor-learner": (ActorLearner, ACTOR_UNITS)}  # fmt: skip
MODEL_KEYS = tuple(f.name for f in fields(Transformer))


def job_names() -> tuple[str, ...]:
    """Names of the jobs that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_job(name_or_path: str | Path) -> Job:
    """Load a job of the package by name, or a user's from the path of a TOML file.

    Raises:
        UnknownName: if a name without `.toml` is not one of the package.
        ConfigError: a key, type, unit or range that does not fit.
        FileError: the file is missing or not TOML.
    """
    if str(name_or_path).endswith(".toml"):
        return _read(Path(name_or_path))
    if str(name_or_path) not in job_names():
        raise UnknownName.of("job", str(name_or_path), job_names(), listing="stope cluster jobs")
    return _shipped(str(name_or_path))


def with_profile(job: Job, path: Path) -> Job:
    """A job with what `stope cluster scale train --out FILE` measured in place of its own numbers.

    Raises:
        FileError: no such file, or not JSON.
        ConfigError: a file without a profile, a dense training, or a number or unit that does not fit.
    """
    table: Any = read_json(path, what="profile").get("profile")
    rows = cast("dict[str, Any]", table) if isinstance(table, dict) else {}
    if not rows or not isinstance(job, ActorLearner):
        raise ConfigError(f"{path}: expected a profile of `stope cluster scale train`, and actors with a learner.")
    wrong = sorted(set(rows) - set(ACTOR_UNITS))
    if wrong:
        raise ConfigError(f"{path}: profile.{wrong[0]}: expected some of {', '.join(ACTOR_UNITS)}.")
    found = {k: read_quantity(v, unit=ACTOR_UNITS[k], at=f"{path}: profile.{k}") for k, v in rows.items()}
    return replace(job, **found)


@cache
def _shipped(name: str) -> Job:
    return _read(_FOLDER / f"{name}.toml")


def _read(path: Path) -> Job:
    data, where = read_toml(path), path.name
    if data.pop("format", None) != FORMAT:
        raise ConfigError(f'{where}: format: expected "{FORMAT}" on the first line.')
    kind = data.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{where}: kind = {kind!r}: expected one of {', '.join(KINDS)}.")
    cls, units = KINDS[kind]
    known = [f.name for f in fields(cls)]
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"Closest: {close[0]!r}." if close else f"Known: {', '.join(known)}."
            raise ConfigError(f"{where}: field {key!r} is unknown. {hint}")
    for f in fields(cls):
        if f.name not in data and f.default is MISSING:
            raise ConfigError(f"{where}: field {f.name!r} is missing.")
    values: dict[str, Any] = {
        key: read_quantity(data[key], unit=unit, at=f"{where}: {key}", may_be_zero=key in ("rollout_spread",
                           "update_overhead", "world_memory"))
        for key, unit in units.items()
    }  # fmt: skip
    for key in known:
        if key in data and key not in units:
            values[key] = _plain(data[key], key, where)
    return cls(**values)


def _plain(value: Any, key: str, where: str) -> Any:
    if key == "model":
        table = cast("dict[str, Any]", value)
        if not isinstance(value, dict) or set(table) != set(MODEL_KEYS):
            raise ConfigError(f"{where}: model: expected a table with {', '.join(MODEL_KEYS)}.")
        return Transformer(**{k: _whole(table[k], f"model.{k}", where) for k in MODEL_KEYS})
    if key in ("name", "summary"):
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where}: {key} = {value!r}: expected text.")
        return value
    if key in {"simulator", "recompute"}:
        known = ("host", "device") if key == "simulator" else ("full", "selective", "none")
        if value not in known:
            raise ConfigError(f"{where}: {key} = {value!r}: expected one of {', '.join(known)}.")
        return value
    return _whole(value, key, where)


def _whole(value: Any, key: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e18 or value != int(value):
        raise ConfigError(f"{where}: {key} = {value!r}: expected a whole number, 0 or more.")
    return int(value)
