# SPDX-License-Identifier: Apache-2.0
"""Elements: the surface of a tool as small flat pieces, each with a centre, a normal and an area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stope.base.errors import RangeError

__all__ = ["Elements", "box", "cone", "cylinder", "disc", "join", "placed", "sphere"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Elements:
    """Pieces of a surface, in the frame of the tool."""

    position: Floats
    """Centre of each piece [m], (num, 3)."""
    normal: Floats
    """Outward unit normal, (num, 3)."""
    area: Floats
    """[m2], (num,)."""

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.area)


def _check(**sizes: float) -> None:
    for name, value in sizes.items():
        if not (math.isfinite(value) and value > 0.0):
            raise RangeError(f"{name} = {value} m: expected more than 0.")


def _flat(position: Floats, normal: tuple[float, float, float], area: Floats) -> Elements:
    return Elements(position=position, normal=np.tile(np.array(normal, dtype=np.float64), (len(area), 1)), area=area)


def join(*parts: Elements) -> Elements:
    """One surface of several."""
    return Elements(
        position=np.concatenate([p.position for p in parts]), normal=np.concatenate([p.normal for p in parts]),
        area=np.concatenate([p.area for p in parts]),
    )  # fmt: skip


def placed(part: Elements, *, rotation: Floats, position: Floats) -> Elements:
    """The same surface turned by a matrix (3, 3) and moved by a vector (3,) [m]."""
    return Elements(position=part.position @ rotation.T + position, normal=part.normal @ rotation.T, area=part.area)


def disc(radius: float, *, size: float, inner: float = 0.0, height: float = 0.0, faces_up: bool = False) -> Elements:
    """A flat disc, or a ring with a hole of radius `inner`, across z at a height.

    Args:
        radius: Outer radius [m].
        size: Largest width of an element [m].
        inner: Radius of the hole [m].
        height: z of the disc [m].
        faces_up: Whether its normal is +z; -z otherwise.
    """
    _check(radius=radius, size=size)
    if not 0.0 <= inner < radius:
        raise RangeError(f"inner = {inner} m: expected 0 or more and less than the radius of {radius} m.")
    rings = max(1, math.ceil((radius - inner) / size))
    edges = np.linspace(inner, radius, rings + 1)
    rows = []
    for low, high in pairwise(edges):
        num = max(3, math.ceil(math.pi * (low + high) / size))
        angle = 2.0 * math.pi * (np.arange(num) + 0.5) / num
        # The centroid of a sector lies farther out than the middle of its radii.
        r = 2.0 / 3.0 * (high**3 - low**3) / (high**2 - low**2) * np.sinc(1.0 / num)
        area = math.pi * (high**2 - low**2) / num
        rows.append(np.stack([r * np.cos(angle), r * np.sin(angle), np.full(num, height), np.full(num, area)], axis=1))
    all_rows = np.concatenate(rows)
    return _flat(all_rows[:, :3].copy(), (0.0, 0.0, 1.0 if faces_up else -1.0), all_rows[:, 3].copy())


def cylinder(radius: float, height: float, *, size: float) -> Elements:
    """A closed cylinder about z, its middle at the origin; its side is divided finer round the axis than along it."""
    _check(radius=radius, height=height, size=size)
    ends = [disc(radius, size=size, height=h, faces_up=up) for h, up in ((-height / 2, False), (height / 2, True))]
    # Which elements lead changes round the side, not along it: finer there for the same number.
    around, along = max(6, math.ceil(3.0 * math.pi * radius / size)), max(1, math.ceil(0.5 * height / size))
    angle = 2.0 * math.pi * (np.arange(around) + 0.5) / around
    z = height * ((np.arange(along) + 0.5) / along - 0.5)
    a, b = (g.ravel() for g in np.meshgrid(angle, z))
    normal = np.stack([np.cos(a), np.sin(a), np.zeros_like(a)], axis=1)
    area = np.full(len(a), 2.0 * math.pi * radius * height / (around * along))
    side = Elements(position=radius * normal + np.stack([0 * b, 0 * b, b], axis=1), normal=normal, area=area)
    return join(*ends, side)


def cone(radius: float, height: float, *, size: float) -> Elements:
    """A cone with its tip at the origin, pointing down, and a lid of the given radius at its height."""
    _check(radius=radius, height=height, size=size)
    slant = math.hypot(radius, height)
    rings = max(2, math.ceil(slant / size))
    rows = []
    for k in range(rings):
        low, high = k / rings, (k + 1) / rings
        num = max(6, math.ceil(math.pi * radius * (low + high) / size))
        angle = 2.0 * math.pi * (np.arange(num) + 0.5) / num
        mean = 2.0 / 3.0 * (high**3 - low**3) / (high**2 - low**2)
        out = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        position = np.column_stack([radius * mean * out, np.full(num, height * mean)])
        normal = np.column_stack([height / slant * out, np.full(num, -radius / slant)])
        rows.append((position, normal, np.full(num, math.pi * radius * slant * (high**2 - low**2) / num)))
    side = Elements(**{name: np.concatenate([r[k] for r in rows]) for k, name in
                       enumerate(("position", "normal", "area"))})  # fmt: skip
    return join(side, disc(radius, size=size, height=height, faces_up=True))


def sphere(radius: float, *, size: float) -> Elements:
    """A sphere about the origin: bands of equal height, so of equal area."""
    _check(radius=radius, size=size)
    bands = max(4, math.ceil(math.pi * radius / size))
    edge = np.cos(np.linspace(math.pi, 0.0, bands + 1))
    rows, areas = [], []
    for low, high in pairwise(edge):
        middle = 0.5 * (low + high)
        across = math.sqrt(1.0 - middle * middle)
        num = max(4, math.ceil(2.0 * math.pi * radius * across / size))
        angle = 2.0 * math.pi * (np.arange(num) + 0.5) / num
        rows.append(np.stack([across * np.cos(angle), across * np.sin(angle), np.full(num, middle)], axis=1))
        areas.append(np.full(num, 2.0 * math.pi * radius**2 * (high - low) / num))
    normal = np.concatenate(rows)
    return Elements(position=radius * normal, normal=normal, area=np.concatenate(areas))


def box(half: tuple[float, float, float], *, size: float) -> Elements:
    """A box of half lengths x, y, z [m] about the origin."""
    _check(half_x=half[0], half_y=half[1], half_z=half[2], size=size)
    faces = []
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        ni, nj = (max(1, math.ceil(2.0 * half[k] / size)) for k in (i, j))
        u = half[i] * (2.0 * (np.arange(ni) + 0.5) / ni - 1.0)
        v = half[j] * (2.0 * (np.arange(nj) + 0.5) / nj - 1.0)
        a, b = (g.ravel() for g in np.meshgrid(u, v))
        for sign in (-1.0, 1.0):
            position, normal = np.empty((len(a), 3)), [0.0, 0.0, 0.0]
            position[:, i], position[:, j], position[:, axis] = a, b, sign * half[axis]
            normal[axis] = sign
            area = np.full(len(a), 4.0 * half[i] * half[j] / (ni * nj))
            faces.append(_flat(position, (normal[0], normal[1], normal[2]), area))
    return join(*faces)
