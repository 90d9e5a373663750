# SPDX-License-Identifier: Apache-2.0
# pyright: standard
"""SoilEngine: neural posterior estimation of the soil from a scoop test's log, with `sbi` (extra `stope[sbi]`).

Contact has no likelihood that a filter could predict a log with: the engine learns the posterior from simulated tests
instead, once for a test, a robot and a place, and reads any number of logs in milliseconds. What it learns from is
spoiled by how far models of soil are known to be off (`misjudged`), so a log of another law finds a wider posterior.

A log that lies farther from all simulations than they lie from each other is outside of what the model can say: its
belief is widened, and says so.

Source: Greenberg, Nonnenmacher and Macke 2019, arXiv 1905.07488; `sbi` is Tejero-Cantero et al. 2020,
doi 10.21105/joss.02505.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from scipy.spatial import cKDTree

from stope.base.config import as_dict, content_hash
from stope.base.device import set_learner_threads
from stope.base.errors import ConfigError, FileError
from stope.base.files import write_atomic
from stope.base.progress import Progress, silent
from stope.base.seeding import generator, stream_key
from stope.flight.ground.belief import GroundBelief, combined
from stope.flight.ground.imagine import SPREADS, Imagined, acting, features_of, imagine, misjudged
from stope.flight.ground.log import ContactFlight
from stope.flight.ground.scoop import ScoopTest, program
from stope.learn.store import task_hash
from stope.world.physics import GROUND_PARAMETERS
from stope.world.tasks import ContactTask

__all__ = ["INFERRED", "SoilEngine", "check_same_ground", "engine_for"]

Floats = NDArray[np.float64]
INFERRED = ("cohesion", "k_mu", "bulk_density")
"""What a scoop test can tell; of the others nothing but the prior is known."""
_AT = [[p.name for p in GROUND_PARAMETERS].index(name) for name in INFERRED]
COPIES = 8
"""Times that each simulation is learned from, each time spoiled anew; chosen."""
NEIGHBOURS = 5
"""Whose distance says how far a log lies from the simulations; chosen."""
SURE = 0.99
"""Share of the simulations that are nearer to the others than a log may be before its belief is widened; chosen."""
DRAWS = 2000
"""Of a posterior, for its mean and covariance."""
MISSING = "needs the extra: pip install -e '.[sbi]'"


@dataclass(frozen=True, slots=True, eq=False)
class SoilEngine:
    """A learned posterior for one test at one place."""

    test: ScoopTest
    net: Any
    """Of sbi: a density of whitened soil given features."""
    seen: Floats
    """Spoiled and scaled features of the simulations, for the distance, (n, num_features)."""
    farthest: float
    """Distance that `SURE` of the simulations keep to."""

    def belief(self, flight: ContactFlight, *, seed: int = 1) -> GroundBelief:
        """What one log says of the ground.

        Raises:
            ConfigError: a log of another task or program, or one that ends before its program does.
        """
        if flight.task != "dig" or flight.program != self.test.name:
            raise ConfigError(f"flight {flight.name}: task {flight.task!r}, program {flight.program!r}: expected 'dig' "
                              f"and {self.test.name!r}, which this engine has learned.")  # fmt: skip
        check_whole(flight, self.test)
        found = self.posterior(features_of(flight, self.test.num_stages)[None], seed=seed)[0]
        found.provenance["flight"] = flight.name
        return found

    def posterior(self, found: Floats, *, seed: int = 1) -> list[GroundBelief]:
        """Beliefs from features (logs, num_features), one each."""
        scaled = _scaled(found)
        distance = cKDTree(self.seen).query(scaled, k=NEIGHBOURS)[0][:, -1]
        out: list[GroundBelief] = []
        set_learner_threads()
        for row, away in zip(scaled, distance, strict=True):
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(seed)
                given = torch.from_numpy(row[None].astype(np.float32))
                draws = self.net.sample((DRAWS,), condition=given).reshape(DRAWS, -1).double().numpy()
            widening = max(1.0, float(away) / self.farthest)
            mean, covariance = np.zeros(len(GROUND_PARAMETERS)), np.eye(len(GROUND_PARAMETERS))
            mean[_AT] = draws.mean(axis=0)
            # No wider than what the prior allows about that mean.
            covariance[np.ix_(_AT, _AT)] = _bounded(np.cov(draws.T) * widening**2)
            out.append(GroundBelief(mean=mean, covariance=covariance, provenance={
                "method": "npe", "test": self.test.name, "distance": float(away / self.farthest),
                "widened": widening, "widened_because": "no simulation is like this log" if widening > 1.0 else "",
            }))  # fmt: skip
        return out

    def fit(self, flights: Sequence[ContactFlight], *, seed: int = 1) -> GroundBelief:
        """What several logs of the same ground say together."""
        return combined([self.belief(flight, seed=seed) for flight in flights])


def check_whole(flight: ContactFlight, test: ScoopTest) -> None:
    """Refuse a log that ends before its program does.

    Raises:
        ConfigError: naming both lengths.
    """
    if len(flight.observation) < test.num_rows:
        raise ConfigError(f"flight {flight.name}: {len(flight.observation)} rows: expected {test.num_rows}, the whole "
                          f"of program {flight.program!r}. A test that was broken off cannot be read.")  # fmt: skip


def check_same_ground(flights: Sequence[ContactFlight]) -> None:
    """Refuse logs that cannot be of one ground, one that is there twice, and one that ended early.

    Raises:
        ConfigError: naming the flight and what differs.
    """
    first, seen = flights[0], dict[str, str]()
    for flight in flights:
        for name in ("task", "robot", "body", "latitude_deg"):
            found, expected = getattr(flight, name), getattr(first, name)
            if found != expected:
                raise ConfigError(f"flight {flight.name}: {name} {found!r}: expected {expected!r}, as {first.name}. A "
                                  "belief is about one ground.")  # fmt: skip
        rows = hashlib.sha256(flight.observation.tobytes()).hexdigest()
        if rows in seen:
            raise ConfigError(f"flight {flight.name}: the same rows as {seen[rows]}: expected each log once.")
        seen[rows] = flight.name
        check_whole(flight, program(flight.program))


def engine_for(
    test: ScoopTest, task: ContactTask, root: Path, *, num: int = 2000, seed: int = 1, num_threads: int = 1,
    progress: Progress = silent,
) -> SoilEngine:  # fmt: skip
    """Learn an engine, or take the one that the same settings have made before.

    Args:
        test: The program that is flown.
        task: `dig`, where it is flown.
        root: Folder that simulations and networks are kept in.
        num: Worlds to learn from.
        seed: Root seed.
        num_threads: Threads of the physics; results do not depend on it.
        progress: Told of each stage.

    Raises:
        ConfigError: without the extra, or with fewer than 50 worlds.
        FileError: a kept file that is not whole.
    """
    if num < 50:
        raise ConfigError(f"soil engine: {num} worlds: expected 50 or more.")
    if test.time_limit != task.time_limit:
        raise ConfigError(f"soil engine: a test for episodes of {test.time_limit} s: expected {task.time_limit} s.")
    key = content_hash({"test": as_dict(test), "task": task_hash(task), "num": num, "seed": seed})
    made = Path(root) / f"soil-{key}.imagined.safetensors"
    path = Path(root) / f"soil-{key}-{content_hash(SPREADS)}.safetensors"
    if not made.exists():
        fresh = imagine(test, task, num=num, seed=seed, num_threads=num_threads, progress=progress)
        tensors = {"z": torch.from_numpy(fresh.z), "features": torch.from_numpy(fresh.features)}
        write_atomic(made, save(tensors))
    kept = _read(made)
    imagined = Imagined(kept["z"].numpy(), kept["features"].numpy())
    rng = generator(seed, "misjudged")
    x = np.concatenate([_scaled(misjudged(imagined.features, rng)) for _ in range(COPIES)])
    z = np.concatenate([acting(imagined.z, rng)[:, _AT] for _ in range(COPIES)])
    net = _learned(z, x, path, seed=stream_key(seed, "npe"), progress=progress)
    seen = x[: 2 * len(imagined.z)]
    apart = cKDTree(seen).query(seen, k=NEIGHBOURS + 1)[0][:, -1]
    return SoilEngine(test, net, seen, float(np.quantile(apart, SURE)))


def _learned(z: Floats, x: Floats, path: Path, *, seed: int, progress: Progress) -> Any:
    """A mixture density network of the posterior, trained or read."""
    try:
        from sbi.inference import NPE  # noqa: PLC0415 -- an extra, and seconds of import
        from sbi.neural_nets import posterior_nn  # noqa: PLC0415 -- as above
    except ImportError:
        raise ConfigError(f"fitting a scoop test {MISSING}") from None
    theta, given = torch.from_numpy(z.astype(np.float32)), torch.from_numpy(x.astype(np.float32))
    set_learner_threads()
    build = posterior_nn(model="mdn", hidden_features=64, num_components=4)
    with torch.random.fork_rng(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("sbi").setLevel(logging.ERROR)
        torch.manual_seed(seed % (1 << 31))
        if not path.exists():
            progress("learn the soil", 0.0)
            prior = torch.distributions.MultivariateNormal(torch.zeros(z.shape[1]), torch.eye(z.shape[1]))
            trainer = NPE(prior=prior, density_estimator=build, show_progress_bars=False, tracker=_Untold())
            trainer.append_simulations(theta, given)
            net = trainer.train(training_batch_size=256, stop_after_epochs=15, max_num_epochs=150)
            write_atomic(path, save({k: v.contiguous() for k, v in net.state_dict().items()}))
            progress("learn the soil", 1.0)
        net = build(theta[:512], given[:512])
        try:
            net.load_state_dict(_read(path))
        except RuntimeError as error:
            raise FileError(f"{path}: weights of another network ({str(error).splitlines()[0]}). Delete it.") from None
    net.train(mode=False)
    return net


class _Untold:
    """A tracker of sbi's that keeps nothing; its own writes a folder where one stands."""

    log_dir = None

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Nothing."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Nothing."""

    def log_params(self, params: dict[str, Any]) -> None:
        """Nothing."""

    def add_figure(self, name: str, figure: Any, step: int | None = None) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise FileError(f"{path}: not a whole file of tensors ({error}). Delete it to make it again.") from None


def _scaled(found: Floats) -> Floats:
    """Features whose size spans orders of magnitude, drawn together: logarithmic far from zero."""
    return np.arcsinh(20.0 * found)


def _bounded(covariance: Floats) -> Floats:
    """With no variance above the prior's, 1, nor next to none."""
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    return (vectors * np.clip(values, 1e-4, 1.0)) @ vectors.T
