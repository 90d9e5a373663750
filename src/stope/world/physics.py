# SPDX-License-Identifier: Apache-2.0
"""Physics (theta): the uncertain numbers of a world, packed as one array.

Every parameter has a whitened coordinate z whose prior is a standard normal by construction, so a belief is a
distribution over z and a prior needs no density code of its own. `PhysicsPrior.theta(z)` maps to SI units.

Mass properties are log-Cholesky (Rucker and Wensing 2022, doi 10.1109/LRA.2022.3144517, normalised by the mass):
with L the upper triangular matrix of exp(inertia_d*) on its diagonal and inertia_s* above it, the second moment of mass
about the centre of mass is m L L^T, and the inertia is its trace times the identity minus itself. Each z therefore
gives a body that can exist (positive mass, triangle inequality).

The robot's parameters and those of the ground are two families with the same machinery: `PARAMETERS` and
`GROUND_PARAMETERS`. A flight in free space says nothing about the ground, so its belief does not carry it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from stope.base.errors import RangeError

__all__ = [
    "GROUND_PARAMETERS",
    "NUM_PARAMETERS",
    "PARAMETERS",
    "Parameter",
    "PhysicsPrior",
    "check_theta",
    "index_of",
    "mass_properties",
]

Floats = NDArray[np.float64]
Transform = Literal["linear", "log", "uniform", "log-uniform"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One uncertain quantity of a world."""

    name: str
    unit: str
    transform: Transform
    """linear: centre + spread z; log: centre exp(spread z); uniform: centre + spread (2 Phi(z) - 1);
    log-uniform: centre exp(spread (2 Phi(z) - 1))."""
    low: float
    """Smallest admissible value [unit]."""
    high: float
    """Largest admissible value [unit]."""
    text: str


def _parameters() -> tuple[Parameter, ...]:
    rows: list[tuple[str, str, Transform, float, float, str]] = [
        ("mass", "kg", "log", 0.1, 1e4, "robot without payload"),
        *((f"com_{k}", "m", "linear", -1.0, 1.0, f"centre of mass without payload, {k}_b") for k in "xyz"),
        *((f"inertia_d{k}", "log m", "linear", -8.0, 3.0, f"log-Cholesky diagonal {k}") for k in (1, 2, 3)),
        *((f"inertia_s{k}", "m", "linear", -1.0, 1.0, f"log-Cholesky off-diagonal {k}") for k in (12, 13, 23)),
        *((f"gain_f{k}", "1", "log", 0.05, 20.0, f"true over commanded force, {k}_b") for k in "xyz"),
        *((f"gain_t{k}", "1", "log", 0.05, 20.0, f"true over commanded torque, {k}_b") for k in "xyz"),
        ("lag", "s", "log", 1e-3, 5.0, "time constant of the thrust"),
        ("latency", "s", "uniform", 0.0, 0.2, "from command to actuator; at most one control period"),
        ("drag", "kg/s", "log", 0.0, 10.0, "linear drag against air at rest in l"),
        ("payload", "kg", "uniform", 0.0, 100.0, "mass of the sphere at the payload mount"),
        *((f"residual_{k}", "m/s2", "linear", -1.0, 1.0, f"constant unexplained acceleration, {k}_l") for k in "xyz"),
    ]
    return tuple(Parameter(name=n, unit=u, transform=t, low=a, high=b, text=s) for n, u, t, a, b, s in rows)


PARAMETERS: tuple[Parameter, ...] = _parameters()
NUM_PARAMETERS: int = len(PARAMETERS)
_INDEX = {p.name: k for k, p in enumerate(PARAMETERS)}

_GROUND: tuple[tuple[str, str, Transform, float, float, str], ...] = (
    ("cohesion", "Pa", "log-uniform", 0.0, 1e5, "cohesion of the soil"),
    ("k_mu", "1", "log-uniform", 1.0, 1000.0, "frictional stress of the soil over its overburden"),
    ("bulk_density", "kg/m3", "uniform", 50.0, 6000.0, "of the soil"),
    ("inertial_factor", "1", "uniform", 0.1, 10.0, "stress over density times squared speed (lambda)"),
    ("tool_friction", "1", "uniform", 0.0, 2.0, "Coulomb friction of tools on soil and rock"),
    ("restitution", "1", "uniform", 0.0, 1.0, "of rock and boulders"),
    ("boulder_fraction", "1", "uniform", 0.0, 1.0, "share of the surface that is rock or boulder"),
)
GROUND_PARAMETERS: tuple[Parameter, ...] = tuple(
    Parameter(name=n, unit=u, transform=t, low=a, high=b, text=s) for n, u, t, a, b, s in _GROUND
)
"""Uncertain numbers of the ground; `stope.world.regolith.prior` gives their default prior."""


def index_of(name: str) -> int:
    """Column of a parameter in theta and in z.

    Raises:
        RangeError: if there is no such parameter.
    """
    if name not in _INDEX:
        raise RangeError(f"theta has no parameter {name!r}: expected one of {', '.join(_INDEX)}.")
    return _INDEX[name]


_LOW, _HIGH = np.array([p.low for p in PARAMETERS]), np.array([p.high for p in PARAMETERS])


def check_theta(theta: ArrayLike) -> Floats:
    """Theta as an array (worlds, num_parameters).

    Raises:
        RangeError: for a wrong shape, or a number that is not finite or outside the bounds of its parameter.
    """
    theta = np.atleast_2d(np.asarray(theta, dtype=np.float64))
    if theta.ndim != 2 or theta.shape[1] != NUM_PARAMETERS or len(theta) == 0:
        raise RangeError(f"theta has shape {theta.shape}: expected (worlds, {NUM_PARAMETERS}), one world or more.")
    bad = np.argwhere(~((theta >= _LOW) & (theta <= _HIGH)))
    if len(bad):
        i, k = bad[0]
        p = PARAMETERS[k]
        raise RangeError(f"theta of world {i}: {p.name} = {theta[i, k]} {p.unit}: expected {p.low} to {p.high}.")
    return theta


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PhysicsPrior:
    """Prior over theta: a centre and a spread per parameter; z is standard normal."""

    centre: Floats
    """Value at z = 0 [unit of each], shape (num_parameters,)."""
    spread: Floats
    """Spread in the parameter's transform, shape (num_parameters,); 0 fixes the parameter."""
    parameters: tuple[Parameter, ...] = PARAMETERS
    """Which family."""

    def __post_init__(self) -> None:
        """Check shapes, signs and bounds.

        Raises:
            RangeError: naming the parameter, what was found and what was expected.
        """
        for name in ("centre", "spread"):
            if np.shape(getattr(self, name)) != (len(self.parameters),):
                raise RangeError(
                    f"prior.{name} has shape {np.shape(getattr(self, name))}: expected ({len(self.parameters)},)."
                )
        for k, p in enumerate(self.parameters):
            c, s = float(self.centre[k]), float(self.spread[k])
            if not (np.isfinite(c) and np.isfinite(s)):
                raise RangeError(f"prior.{p.name} = {c} +- {s} {p.unit}: expected finite numbers.")
            if s < 0:
                raise RangeError(f"prior.{p.name}.spread = {s}: expected 0 or more.")
            if not p.low <= c <= p.high:
                raise RangeError(f"prior.{p.name}.centre = {c} {p.unit}: expected {p.low} to {p.high}.")
            if p.transform.startswith("log") and c == 0.0 and s > 0.0:
                raise RangeError(f"prior.{p.name} = 0 {p.unit} with spread {s}: a share of nothing; expected spread 0.")
            if p.transform == "uniform" and not (p.low <= c - s and c + s <= p.high):
                raise RangeError(f"prior.{p.name} = {c} +- {s} {p.unit}: leaves {p.low} to {p.high}.")
            if p.transform == "log-uniform" and not (p.low <= c * np.exp(-s) and c * np.exp(s) <= p.high):
                raise RangeError(f"prior.{p.name} = {c} times exp(+-{s}) {p.unit}: leaves {p.low} to {p.high}.")

    @property
    def is_free(self) -> NDArray[np.bool_]:
        """Which parameters are uncertain at all, shape (num_parameters,)."""
        return self.spread > 0

    def theta(self, z: ArrayLike) -> Floats:
        """Parameters in SI units from whitened coordinates.

        Args:
            z: Whitened coordinates [1], shape (..., num_parameters).

        Returns:
            theta, the same shape; inside the bounds of `PARAMETERS`.
        """
        z = np.asarray(z, dtype=np.float64)
        out = np.empty_like(z)
        for k, p in enumerate(self.parameters):
            c, s = self.centre[k], self.spread[k]
            inner = 2.0 * ndtr(z[..., k]) - 1.0 if p.transform.endswith("uniform") else z[..., k]
            out[..., k] = c * np.exp(s * inner) if p.transform.startswith("log") else c + s * inner
            np.clip(out[..., k], p.low, p.high, out=out[..., k])
        return out

    def whiten(self, theta: ArrayLike) -> Floats:
        """Whitened coordinates of theta; 0 where the prior fixes a parameter. Inverse of `theta` inside the bounds."""
        theta = np.asarray(theta, dtype=np.float64)
        out = np.zeros_like(theta)
        for k, p in enumerate(self.parameters):
            c, s = self.centre[k], self.spread[k]
            if s == 0:
                continue
            inner = (np.log(theta[..., k] / c) if p.transform.startswith("log") else theta[..., k] - c) / s
            if p.transform.endswith("uniform"):
                inner = ndtri(np.clip(0.5 * inner + 0.5, 1e-12, 1.0 - 1e-12))
            out[..., k] = inner
        return out


def mass_properties(
    theta: ArrayLike, *, payload_mount_b: ArrayLike, payload_radius: float
) -> tuple[Floats, Floats, Floats]:
    """Total mass, centre of mass and inertia of robot and payload.

    Args:
        theta: Parameters, shape (..., num_parameters).
        payload_mount_b: Centre of the payload sphere [m], in base axes from the base origin.
        payload_radius: Radius of the homogeneous payload sphere [m].

    Returns:
        Mass [kg] (...), centre of mass [m, b] (..., 3), inertia about it [kg m2, b axes] (..., 3, 3).
    """
    th = np.asarray(theta, dtype=np.float64)
    mass, payload = th[..., index_of("mass")], th[..., index_of("payload")]
    com = th[..., index_of("com_x") : index_of("com_x") + 3]
    d = index_of("inertia_d1")
    low = np.zeros((*th.shape[:-1], 3, 3))
    for k in range(3):
        low[..., k, k] = np.exp(th[..., d + k])
    low[..., 0, 1], low[..., 0, 2], low[..., 1, 2] = (th[..., d + 3 + k] for k in range(3))
    second = mass[..., None, None] * (low @ np.swapaxes(low, -1, -2))
    total = mass + payload
    mount = np.asarray(payload_mount_b, dtype=np.float64)
    offset = mount - com
    # Two bodies about their common centre: the reduced mass times the offset, squared.
    reduced = (mass * payload / total)[..., None, None] * (offset[..., :, None] * offset[..., None, :])
    sphere = (payload * payload_radius**2 / 5.0)[..., None, None] * np.eye(3)
    second = second + reduced + sphere
    inertia = np.trace(second, axis1=-2, axis2=-1)[..., None, None] * np.eye(3) - second
    return total, com + (payload / total)[..., None] * offset, inertia
