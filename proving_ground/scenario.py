# SPDX-License-Identifier: Apache-2.0
"""What is flown, and the hidden truths of one seed."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proving_ground.dynamics import Place, Vehicle

DEFAULT = Path(__file__).with_name("scenario.toml")
AXES = ("fx", "fy", "fz", "tx", "ty", "tz")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Place, nominal robot, prior, noise and pilot, as in `scenario.toml` (units are written there)."""

    name: str
    robot: str
    control_period: float
    """Between two commands, and between two measurements [s]."""
    start_utc: str
    keep_in_radius: float
    """A flight that leaves this sphere about the origin of l is refused [m]."""
    site: dict[str, Any]
    nominal: dict[str, Any]
    prior: dict[str, Any]
    noise: dict[str, Any]
    pilot: dict[str, Any]

    @property
    def spin_l(self) -> np.ndarray:
        """Spin of the local frame (3,) [rad/s], l."""
        pole_l = np.array(self.site["pole_l"], dtype=float)
        return 2.0 * math.pi / (self.site["spin_period_h"] * 3600.0) * pole_l / np.linalg.norm(pole_l)

    @property
    def place(self) -> Place:
        """The site as the engine needs it."""
        centre_l = np.array([0.0, 0.0, self.site["centre_distance"]])
        gravity_l, gradient_l = (np.array(self.site[name], dtype=float) for name in ("gravity_l", "gradient_l"))
        return Place(gravity_l=gravity_l, spin_l=self.spin_l, centre_l=centre_l, gradient_l=gradient_l)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The hidden numbers of one flight."""

    mass: float
    """Of the robot without payload [kg]."""
    com_b: np.ndarray
    """Centre of mass without payload (3,) [m], b."""
    inertia_d: np.ndarray
    """Logarithms of the diagonal of L (3,) [log m]; second moment = mass L L^T."""
    inertia_s: np.ndarray
    """Entries 12, 13, 23 of L (3,) [m]."""
    gain: np.ndarray
    """True over commanded force x, y, z and torque x, y, z (6,) [1]."""
    lag: float
    """Time constant of the thrust [s]."""
    latency: float
    """From command to actuator [s]."""
    payload: float
    """Mass of the payload sphere [kg]."""
    residual_l: np.ndarray
    """Constant unexplained acceleration (3,) [m/s2], l."""

    def by_name(self) -> dict[str, float]:
        """The numbers under the names that flight files use; drag is 0 in vacuum."""
        row = {"mass": self.mass}
        row |= {f"com_{k}": float(v) for k, v in zip("xyz", self.com_b, strict=True)}
        row |= {f"inertia_d{k}": float(v) for k, v in zip("123", self.inertia_d, strict=True)}
        row |= {f"inertia_s{k}": float(v) for k, v in zip(("12", "13", "23"), self.inertia_s, strict=True)}
        row |= {f"gain_{k}": float(v) for k, v in zip(AXES, self.gain, strict=True)}
        row |= {"lag": self.lag, "latency": self.latency, "drag": 0.0, "payload": self.payload}
        row |= {f"residual_{k}": float(v) for k, v in zip("xyz", self.residual_l, strict=True)}
        return row

    def vehicle(self, scenario: Scenario) -> Vehicle:
        """Robot and payload as one rigid body with its thrusters."""
        total, com_b, inertia_b = mass_properties(
            self,
            mount_b=np.array(scenario.nominal["payload_mount_b"], dtype=float),
            radius=scenario.nominal["payload_radius"],
        )
        return Vehicle(mass=total, com_b=com_b, inertia_b=inertia_b, gain=self.gain, lag=self.lag, latency=self.latency)


def load_scenario(path: Path = DEFAULT) -> Scenario:
    """Read a scenario file.

    Raises:
        ValueError: if the file is not TOML or has other fields; one line naming the file.
    """
    try:
        return Scenario(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ValueError(f"{path.name}: not a scenario ({error}). Compare scenario.toml of the package.") from None


def nominal_inertia_d(scenario: Scenario) -> np.ndarray:
    """Log-Cholesky diagonal (3,) [log m] of the nominal robot, whose inertia is diagonal."""
    inertia = np.array(scenario.nominal["inertia_b"], dtype=float)
    second = 0.5 * inertia.sum() - inertia  # (Iyy + Izz - Ixx) / 2 and so on
    return 0.5 * np.log(second / scenario.nominal["mass"])


def draw_truth(scenario: Scenario, rng: np.random.Generator) -> Truth:
    """Hidden truths from the published prior: the draw is from that prior so that coverage has a meaning."""
    prior, nominal = scenario.prior, scenario.nominal
    return Truth(
        mass=nominal["mass"] * math.exp(prior["mass_log_sd"] * rng.standard_normal()),
        com_b=np.array(nominal["com_b"]) + prior["com_sd"] * rng.standard_normal(3),
        inertia_d=nominal_inertia_d(scenario) + prior["inertia_log_sd"] * rng.standard_normal(3),
        inertia_s=prior["inertia_skew_sd"] * rng.standard_normal(3),
        gain=np.exp(prior["gain_log_sd"] * rng.standard_normal(6)),
        lag=prior["lag_median"] * math.exp(prior["lag_log_sd"] * rng.standard_normal()),
        latency=prior["latency_high"] * rng.random(),
        payload=prior["payload_high"] * rng.random(),
        residual_l=prior["residual_sd"] * rng.standard_normal(3),
    )


def mass_properties(truth: Truth, *, mount_b: np.ndarray, radius: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Total mass [kg], centre of mass (3,) [m, b] and inertia about it (3, 3) [kg m2, b] of robot and payload.

    The parallel axis theorem on second moments of mass, each body about the common centre. A homogeneous sphere of
    mass p and radius a has the second moment p a^2 / 5 along each axis.
    """
    factor = np.diag(np.exp(truth.inertia_d))
    factor[0, 1], factor[0, 2], factor[1, 2] = truth.inertia_s
    total = truth.mass + truth.payload
    com_b = (truth.mass * truth.com_b + truth.payload * mount_b) / total
    second = truth.mass * (factor @ factor.T + np.outer(truth.com_b - com_b, truth.com_b - com_b))
    second += truth.payload * (radius**2 / 5.0 * np.eye(3) + np.outer(mount_b - com_b, mount_b - com_b))
    return total, com_b, np.trace(second) * np.eye(3) - second
