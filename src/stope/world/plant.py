# SPDX-License-Identifier: Apache-2.0
"""The numbers the native kernels read and write: one plant row and one state row per world.

A plant row is what a world is (mass properties, thrusters, site); a state row is where it is. Both are float64, so
that a robot drifting at 0.1 mm/s moves. The layouts below are the only place that knows the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stope.base.errors import ConfigError
from stope.base.units import STANDARD_GRAVITY
from stope.world.physics import index_of, mass_properties

if TYPE_CHECKING:
    from stope.world.robots import Robot
    from stope.world.site import Site

__all__ = ["GravityTable", "compile_plant", "initial_state"]

# --- state row -------------------------------------------------------------------------------------------------------
POSITION = 0  # base origin [m], l
ATTITUDE = 3  # q_lb, w-x-y-z
VELOCITY = 7  # of the base origin, relative to l [m/s], l
RATE = 10  # angular rate relative to l [rad/s], b
THRUST = 13  # force [N] and torque [N m] after the lag, b
COMMAND = 19  # command now held [N, N m], b
PROPELLANT = 25  # [kg]
WHEEL = 26  # angular momentum stored in wheels [N m s], b
WHEEL_TORQUE = 29  # torque on the wheels; the body feels its opposite [N m], b
IMPULSE = 32  # sum of |force| dt [N s] and of |torque| dt [N m s] commanded so far
TIME = 34  # [s]
NUM_STATE = 35

# --- plant row -------------------------------------------------------------------------------------------------------
MASS = 0  # total [kg]
COM = 1  # [m], b
INERTIA = 4  # xx yy zz xy xz yz about the centre of mass [kg m2], b
INVERSE = 10  # of the inertia, same order [1/(kg m2)]
GAIN = 16  # true over commanded, force then torque [1]
LIMIT = 22  # command limits [N, N m]
QUANTUM = 28  # command steps [N, N m]
LAG = 34  # [s]
LATENCY = 35  # [s]
DRAG = 36  # [kg/s]
RESIDUAL = 37  # [m/s2], l
PER_IMPULSE = 40  # propellant per impulse [kg/(N s)]; 0 for none
PER_ARM = 41  # 1 / torque arm [1/m]
JITTER = 42  # rms acceleration over one control period [m/s2]
SPIN = 43  # of the local frame [rad/s], l
CENTRE = 46  # from the body's centre to the site's origin [m], l
GRID_OFFSET = 49  # first node in the gravity table
GRID_SHAPE = 50  # nodes along x, y, z
GRID_ORIGIN = 53  # [m], l
GRID_INVERSE = 56  # 1 / spacing [1/m]
DT = 59  # physics step [s]
NUM_PLANT = 60


class GravityTable:
    """The gravity grids of several sites in one flat array, so that each world can stand at its own site."""

    def __init__(self, sites: tuple[Site, ...]) -> None:
        """Concatenate the grids of `sites`, in order."""
        self.sites = sites
        rows, chunks, offset = np.zeros((len(sites), 17)), [], 0
        for k, site in enumerate(sites):
            grid = site.grid
            rows[k, 0:3], rows[k, 3:6], rows[k, 6] = site.spin_l, site.position_l0, offset
            rows[k, 7:10], rows[k, 10:13] = grid.nodes.shape[:3], grid.origin_l
            rows[k, 13:16], rows[k, 16] = 1.0 / np.asarray(grid.spacing), site.jitter_rms
            chunks.append(np.ascontiguousarray(grid.nodes, dtype=np.float64).ravel())
            offset += chunks[-1].size
        self.rows = rows
        self.nodes: NDArray[np.float64] = np.concatenate(chunks)


def compile_plant(
    theta: ArrayLike, *, robot: Robot, table: GravityTable, dt: float, site_index: ArrayLike = 0
) -> NDArray[np.float64]:
    """Plant rows from physics, robot and site.

    Args:
        theta: Parameters, shape (worlds, num_parameters).
        robot: The robot all worlds share.
        table: Gravity of the sites.
        dt: Physics step [s].
        site_index: Which site of `table` each world stands at, (worlds,) or one for all.

    Returns:
        Plant rows, (worlds, NUM_PLANT).

    Raises:
        ConfigError: if a robot that needs air stands where there is none.
    """
    th = np.atleast_2d(np.asarray(theta, dtype=np.float64))
    index = np.broadcast_to(np.asarray(site_index, dtype=np.int64), (th.shape[0],))
    for k in np.unique(index):
        site = table.sites[k]
        if robot.needs_air and not site.has_air:
            raise ConfigError(
                f"robot {robot.name!r} flies with fans and site {site.name!r} has no air. Use robot 'bee-gas' there."
            )
    mass, com, inertia = mass_properties(th, payload_mount_b=robot.payload_mount_b, payload_radius=robot.payload_radius)
    out = np.zeros((th.shape[0], NUM_PLANT))
    out[:, MASS], out[:, COM : COM + 3] = mass, com
    out[:, INERTIA : INERTIA + 6] = _six(inertia)
    out[:, INVERSE : INVERSE + 6] = _six(np.asarray(np.linalg.inv(inertia), dtype=np.float64))
    gain = index_of("gain_fx")
    out[:, GAIN : GAIN + 6] = th[:, gain : gain + 6]
    out[:, LIMIT : LIMIT + 6], out[:, QUANTUM : QUANTUM + 6] = robot.limit_b, robot.quantum_b
    out[:, LAG], out[:, LATENCY] = th[:, index_of("lag")], th[:, index_of("latency")]
    out[:, DRAG] = th[:, index_of("drag")]
    out[:, RESIDUAL : RESIDUAL + 3] = th[:, index_of("residual_x") : index_of("residual_x") + 3]
    if robot.specific_impulse > 0:
        out[:, PER_IMPULSE] = 1.0 / (robot.specific_impulse * STANDARD_GRAVITY)
    out[:, PER_ARM] = 1.0 / robot.torque_arm
    sites = table.rows[index]
    out[:, SPIN : SPIN + 3], out[:, CENTRE : CENTRE + 3], out[:, GRID_OFFSET] = (
        sites[:, 0:3],
        sites[:, 3:6],
        sites[:, 6],
    )
    out[:, GRID_SHAPE : GRID_SHAPE + 9], out[:, JITTER] = sites[:, 7:16], sites[:, 16]
    out[:, DT] = dt
    return out


def initial_state(num_worlds: int, *, robot: Robot) -> NDArray[np.float64]:
    """State rows at rest at the site's origin, axes aligned, tanks full, (num_worlds, NUM_STATE)."""
    out = np.zeros((num_worlds, NUM_STATE))
    out[:, ATTITUDE] = 1.0
    out[:, PROPELLANT] = robot.propellant_capacity
    return out


def _six(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
    return matrix[..., rows, columns]
