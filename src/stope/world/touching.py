# SPDX-License-Identifier: Apache-2.0
"""What touches what: MuJoCo's own collision detection, asked about a few worlds at a moment."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from stope.base.errors import ConfigError

__all__ = ["touching"]


def touching(
    model: mujoco.MjModel, qpos: NDArray[np.float64], link: str, others: Sequence[str]
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether a link presses on each of other links.

    Args:
        model: Of the scene; shapes are the same in every world.
        qpos: Joint positions (n, nq).
        link: Name of a body.
        others: Names of bodies.

    Returns:
        (n, len(others)): true where a geom of the one and a geom of the other overlap, as what bears a load does.

    Raises:
        ConfigError: a link that is not there.
    """
    ids = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) for name in (link, *others)]
    if -1 in ids:
        raise ConfigError(f"no link is named {(link, *others)[ids.index(-1)]!r} in the scene: expected one that is.")
    mine, theirs = ids[0], ids[1:]
    data = mujoco.MjData(model)
    out = np.zeros((len(qpos), len(theirs)), dtype=np.bool_)
    for row, q in zip(out, qpos, strict=True):
        data.qpos[:] = q
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        pressed = data.contact.geom[data.contact.dist < 0.0]
        bodies = model.geom_bodyid[pressed]
        row[:] = [bool((np.sort(bodies, axis=1) == sorted((mine, it))).all(axis=1).any()) for it in theirs]
    return out
