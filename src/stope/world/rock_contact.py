# SPDX-License-Identifier: Apache-2.0
"""Impact of rigid bodies on rock: Coulomb friction, energetic restitution, one point or several.

At one point the impact is followed through its normal impulse: the slip slows, turns, stops, sticks or reverses as the
friction makes it, and the impulse ends when it has given back the share restitution^2 of the work that the compression
took. Each increment keeps the slip direction and ends where the slip along it would reverse, so its friction takes
energy whatever its size: the kinetic energy cannot grow. Several points are struck one after the other, the fastest
approach first, until none approaches; points of one approach speed and normal share one impulse at their middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import RangeError

__all__ = ["Rigid", "collide", "strike", "strike_ground"]

Floats = NDArray[np.float64]

TURN = 0.1
"""Largest turn of the slip direction in one increment [rad] (chosen)."""
MOST_INCREMENTS = 400
"""Increments after which the rest of an impact goes without friction (chosen; a swirling slip takes some tens)."""
MOST_IMPACTS = 200
"""Impacts of one contact of several points with the given restitution; after them it is 0 (chosen)."""
STILL = 1e-12
"""Slip, over the largest speed at the contact, that counts as none (chosen)."""
SETTLED = 1e-11
"""Approach, over the largest speed at the contact, at which a contact of several points has ended (chosen)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rigid:
    """A free rigid body at one moment; all vectors in one frame that is not turning."""

    mass: float
    """[kg]"""
    inertia: Floats
    """About the centre of mass, in the axes of the frame, (3, 3) [kg m2]."""
    position: Floats
    """Of the centre of mass (3,) [m]."""
    velocity: Floats
    """Of the centre of mass (3,) [m/s]."""
    rate: Floats
    """Angular velocity (3,) [rad/s]."""

    @property
    def kinetic_energy(self) -> float:
        """Of motion and turning [J]."""
        return float(0.5 * self.mass * self.velocity @ self.velocity + 0.5 * self.rate @ self.inertia @ self.rate)

    @property
    def momentum(self) -> Floats:
        """Of the body (3,) [N s]."""
        return self.mass * self.velocity

    @property
    def angular_momentum(self) -> Floats:
        """About the origin of the frame (3,) [N m s]."""
        return np.cross(self.position, self.momentum) + self.inertia @ self.rate


@nb.njit(cache=True, error_model="numpy")
def _reversed_slip(k, friction, out):
    """Direction s in which slip begins anew where friction cannot hold: (friction K_tt + a) s = K_tn, |s| = 1."""
    high = math.hypot(k[0, 2], k[1, 2])
    low = 0.0
    for _ in range(80):
        a = 0.5 * (low + high)
        c, d, e = friction * k[0, 0] + a, friction * k[0, 1], friction * k[1, 1] + a
        det = c * e - d * d
        out[0], out[1] = (e * k[0, 2] - d * k[1, 2]) / det, (c * k[1, 2] - d * k[0, 2]) / det
        if math.hypot(out[0], out[1]) > 1.0:
            low = a
        else:
            high = a
    size = math.hypot(out[0], out[1])
    out[0], out[1] = out[0] / size, out[1] / size


@nb.njit(cache=True, error_model="numpy")
def _way(k, u, friction, still, step):
    """Impulse per normal impulse (3,), filled; returns the slip speed, or 0 where it sticks or slip begins anew."""
    slip = math.hypot(u[0], u[1])
    step[0], step[1], step[2] = 0.0, 0.0, 1.0
    if friction == 0.0:
        return 0.0
    if slip > still:
        step[0], step[1] = -friction * u[0] / slip, -friction * u[1] / slip
        return slip
    det = k[0, 0] * k[1, 1] - k[0, 1] * k[0, 1]
    hold0 = -(k[1, 1] * k[0, 2] - k[0, 1] * k[1, 2]) / det
    hold1 = -(k[0, 0] * k[1, 2] - k[0, 1] * k[0, 2]) / det
    if math.hypot(hold0, hold1) <= friction:
        step[0], step[1] = hold0, hold1
    else:
        _reversed_slip(k, friction, step)
        step[0], step[1] = -friction * step[0], -friction * step[1]
    return 0.0


@nb.njit(cache=True, error_model="numpy")
def _longest(slip, du, step, friction, least):
    """Longest increment of the normal impulse over which the slip direction may be kept."""
    if slip == 0.0:
        return math.inf
    way0, way1 = -step[0] / friction, -step[1] / friction
    along, aside = du[0] * way0 + du[1] * way1, abs(du[1] * way0 - du[0] * way1)
    most = max(TURN * slip / aside, least) if aside > 1e-12 * abs(along) else math.inf
    return min(most, -slip / along) if along < 0.0 else most


@nb.njit(cache=True, error_model="numpy")
def _until(u2, du2, most, restitution, left):
    """Increment to the next event, and whether it is the last; `left` is the work that is left to give back [J]."""
    if u2 < 0.0:
        if du2 > 0.0 and -u2 / du2 <= most:
            return -u2 / du2, restitution == 0.0
        return most, False
    root = u2 * u2 + 2.0 * du2 * left
    if root < 0.0:
        return most, False
    full = 2.0 * left / (u2 + math.sqrt(root)) if left > 0.0 else 0.0
    return (full, True) if full <= most else (most, False)


@nb.njit(cache=True, error_model="numpy")
def _impulse(k, u, restitution, friction, total):
    """Impulse (3,) at one point, components along two tangents and the normal.

    Args:
        k: Inverse mass at the contact (3, 3): change of the relative velocity by an impulse.
        u: Relative velocity (3,), its last component negative; changed in place.
        restitution: Energetic, 0 to 1.
        friction: Coulomb coefficient.
        total: The impulse, filled.
    """
    total[:] = 0.0
    scale = math.sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2])
    work, deepest, step, du = 0.0, 0.0, np.zeros(3), np.zeros(3)
    for n in range(MOST_INCREMENTS + 4):
        rub = friction if n < MOST_INCREMENTS else 0.0
        slip = _way(k, u, rub, STILL * scale, step)
        for i in range(3):
            du[i] = k[i, 0] * step[0] + k[i, 1] * step[1] + k[i, 2]
        most = _longest(slip, du, step, rub, 1e-9 * scale / k[2, 2])
        left = (1.0 - restitution * restitution) * deepest - work
        p, ends = _until(u[2], du[2], most, restitution, left)
        if not p < math.inf:
            break
        work += p * (u[2] + 0.5 * p * du[2])
        for i in range(3):
            u[i] += p * du[i]
            total[i] += p * step[i]
        if abs(u[2]) <= 1e-15 * scale:
            u[2] = 0.0
        deepest = min(deepest, work)
        if ends:
            break


@nb.njit(cache=True, error_model="numpy")
def _tangents(n, frame):
    """Rows of a right-handed frame whose third axis is the unit vector n."""
    j = 0
    for k in range(1, 3):
        if abs(n[k]) < abs(n[j]):
            j = k
    for k in range(3):
        frame[2, k] = n[k]
        frame[0, k] = (1.0 if k == j else 0.0) - n[j] * n[k]
    size = math.sqrt(frame[0, 0] ** 2 + frame[0, 1] ** 2 + frame[0, 2] ** 2)
    for k in range(3):
        frame[0, k] /= size
    for k in range(3):
        frame[1, k] = n[(k + 1) % 3] * frame[0, (k + 2) % 3] - n[(k + 2) % 3] * frame[0, (k + 1) % 3]


@nb.njit(cache=True, error_model="numpy")
def _cross(a, b, out):
    for k in range(3):
        out[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3]


@nb.njit(cache=True, error_model="numpy")
def _approach(velocity, rate, arms, out):
    """Velocity (3,) of a point of the first body less that of the second."""
    for k in range(3):
        a, b = (k + 1) % 3, (k + 2) % 3
        first = velocity[0, k] + rate[0, a] * arms[0, b] - rate[0, b] * arms[0, a]
        second = velocity[1, k] + rate[1, a] * arms[1, b] - rate[1, b] * arms[1, a]
        out[k] = first - second


@nb.njit(cache=True, error_model="numpy")
def _inverse_mass(inverse_mass, inverse_inertia, arms, frame, turned, k):
    """Inverse mass at a contact (3, 3), and what an impulse along each axis turns (2, 3, 3); both filled."""
    lever = np.zeros((3, 3))
    k[:] = 0.0
    for b in range(2):
        for i in range(3):
            _cross(arms[b], frame[i], lever[i])
            k[i, i] += inverse_mass[b]
        turned[b] = lever @ inverse_inertia[b].T
        for i in range(3):
            for j in range(3):
                k[i, j] += lever[i, 0] * turned[b, j, 0] + lever[i, 1] * turned[b, j, 1] + lever[i, 2] * turned[b, j, 2]


@nb.njit(cache=True, error_model="numpy")
def _at_point(inverse_mass, inverse_inertia, arms, frame, velocity, rate, restitution, friction):
    """Carry out one impact at one point; returns its normal impulse."""
    turned, k = np.zeros((2, 3, 3)), np.zeros((3, 3))
    _inverse_mass(inverse_mass, inverse_inertia, arms, frame, turned, k)
    v, p = np.zeros(3), np.zeros(3)
    _approach(velocity, rate, arms, v)
    u = frame @ v
    _impulse(k, u, restitution, friction, p)
    push = p @ frame
    for m in range(3):
        velocity[0, m] += inverse_mass[0] * push[m]
        velocity[1, m] -= inverse_mass[1] * push[m]
        for i in range(3):
            rate[0, m] += p[i] * turned[0, i, m]
            rate[1, m] -= p[i] * turned[1, i, m]
    return p[2]


@nb.njit(cache=True, error_model="numpy")
def strike(inverse_mass, inverse_inertia, position, velocity, rate, points, normals, restitution, friction):
    """Carry out the impact of two bodies, the second of which may be the ground, for kernels.

    Args:
        inverse_mass: (2,) [1/kg]; 0 for the ground.
        inverse_inertia: (2, 3, 3) [1/(kg m2)] in the axes of the frame; 0 for the ground.
        position: Centres of mass (2, 3) [m].
        velocity: (2, 3) [m/s], changed in place.
        rate: (2, 3) [rad/s], changed in place.
        points: Contacts (num, 3) [m].
        normals: Unit normals (num, 3), out of the second body.
        restitution: (num,), 0 to 1.
        friction: (num,).

    Returns:
        Sum of the normal impulses [N s].
    """
    num = points.shape[0]
    arms, frame, v = np.zeros((2, 3)), np.zeros((3, 3)), np.zeros(3)
    speeds, middle = np.zeros(num), np.zeros(3)
    scale, pressed = 0.0, 0.0
    for n in range(4 * MOST_IMPACTS):
        worst, first = 0.0, -1
        for i in range(num):
            for k in range(3):
                arms[0, k], arms[1, k] = points[i, k] - position[0, k], points[i, k] - position[1, k]
            _approach(velocity, rate, arms, v)
            scale = max(scale, math.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2)) if n == 0 else scale
            speeds[i] = v[0] * normals[i, 0] + v[1] * normals[i, 1] + v[2] * normals[i, 2]
            if speeds[i] < worst:
                worst, first = speeds[i], i
        if first < 0 or worst > -SETTLED * scale:
            break
        count = 0
        middle[:] = 0.0
        for i in range(num):
            same = (
                normals[i, 0] * normals[first, 0]
                + normals[i, 1] * normals[first, 1]
                + normals[i, 2] * normals[first, 2]
            )
            if speeds[i] < (1.0 - 1e-6) * worst and same > 1.0 - 1e-12:
                count += 1
                for k in range(3):
                    middle[k] += points[i, k]
        for k in range(3):
            arms[0, k], arms[1, k] = middle[k] / count - position[0, k], middle[k] / count - position[1, k]
        _tangents(normals[first], frame)
        back = restitution[first] if n < MOST_IMPACTS else 0.0
        pressed += _at_point(inverse_mass, inverse_inertia, arms, frame, velocity, rate, back, friction[first])
    return pressed


def _check(body: Rigid, name: str) -> None:
    for what in ("inertia", "position", "velocity", "rate"):
        shape = (3, 3) if what == "inertia" else (3,)
        value = np.asarray(getattr(body, what))
        if value.shape != shape or not np.isfinite(value).all():
            raise RangeError(f"{name}.{what} = {value.tolist()}: expected finite numbers of shape {shape}.")
    if not (math.isfinite(body.mass) and body.mass > 0.0):
        raise RangeError(f"{name}.mass = {body.mass} kg: expected more than 0.")
    if np.linalg.eigvalsh(body.inertia).min() <= 0.0:
        raise RangeError(f"{name}.inertia: expected a positive definite matrix.")


def _many(value: ArrayLike, num: int, name: str, *, most: float) -> Floats:
    array = np.broadcast_to(np.asarray(value, dtype=np.float64), (num,)).copy()
    if not ((array >= 0.0) & (array <= most) & np.isfinite(array)).all():
        rule = "0 to 1" if most == 1.0 else "a finite number, 0 or more"
        raise RangeError(f"{name} = {np.asarray(value).tolist()}: expected {rule}.")
    return array


def _solve(
    bodies: tuple[Rigid, ...], points: ArrayLike, normals: ArrayLike, *, restitution: ArrayLike, friction: ArrayLike
) -> tuple[Rigid, ...]:
    at = np.atleast_2d(np.asarray(points, dtype=np.float64)).copy()
    out = np.broadcast_to(np.asarray(normals, dtype=np.float64), at.shape).copy()
    if at.shape[1:] != (3,) or not np.isfinite(at).all():
        raise RangeError(f"points of shape {at.shape}: expected finite numbers (num, 3).")
    if not np.allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-9):
        raise RangeError("normals: expected unit vectors.")
    num = len(at)
    e, mu = _many(restitution, num, "restitution", most=1.0), _many(friction, num, "friction", most=math.inf)
    inverse_mass, inverse_inertia = np.zeros(2), np.zeros((2, 3, 3))
    position, velocity, rate = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for k, body in enumerate(bodies):
        _check(body, f"body {k + 1}")
        inverse_mass[k], inverse_inertia[k] = 1.0 / body.mass, np.linalg.inv(body.inertia)
        position[k], velocity[k], rate[k] = body.position, body.velocity, body.rate
    strike(inverse_mass, inverse_inertia, position, velocity, rate, at, out, e, mu)
    return tuple(replace(body, velocity=velocity[k], rate=rate[k]) for k, body in enumerate(bodies))


def collide(
    first: Rigid, second: Rigid, *, points: ArrayLike, normals: ArrayLike, restitution: ArrayLike, friction: ArrayLike
) -> tuple[Rigid, Rigid]:
    """Two free bodies after an impact.

    Args:
        first: Body before the impact.
        second: The other.
        points: Contacts (num, 3) or (3,) [m].
        normals: Unit normals out of the second body, (num, 3) or one for all.
        restitution: Share of energy given back at a contact, its square root; 0 to 1, one or one per contact.
        friction: Coulomb coefficient, one or one per contact.

    Raises:
        RangeError: for numbers that no body or contact can have.

    Valid for:
        Hard bodies that touch at points for a time short against their motion. Where several points touch at once the
        outcome of a real impact depends on stiffnesses that are not known; the order here is that of approach.

    Source:
        One point: energetic restitution of Stronge 1990, doi 10.1098/rspa.1990.0125, followed through the normal
        impulse as in Keller 1986, doi 10.1115/1.3171712. Several: one after the other, as in Ivanov 1995,
        J. Appl. Math. Mech. 59.
        Checked in tests/laws/test_rock_contact.py.
    """
    a, b = _solve((first, second), points, normals, restitution=restitution, friction=friction)
    return a, b


def strike_ground(
    body: Rigid, *, points: ArrayLike, normals: ArrayLike, restitution: ArrayLike, friction: ArrayLike
) -> Rigid:
    """One body after an impact on fixed ground; see `collide`. Normals point out of the ground."""
    return _solve((body,), points, normals, restitution=restitution, friction=friction)[0]
