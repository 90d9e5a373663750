# SPDX-License-Identifier: Apache-2.0
"""Wires: resistivity of thin copper by theory, of niobium phosphide as published, and where a cluster's current flows.

Fuchs and Sondheimer add scattering at surfaces, Mayadas and Shatzkes at grain boundaries; here grains are as large as
the film is thick, surfaces scatter diffusely, and the two additions to the bulk add up (Matthiessen's rule).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from stope.base.errors import RangeError

__all__ = ["COPPER", "COPPER_PATH", "NBP_FILMS", "fuchs_sondheimer", "grain_factor", "skin_depth", "wire_table"]

COPPER = 1.68e-8
"""Bulk resistivity of copper at room temperature [ohm m]."""
COPPER_PATH = 39e-9
"""Mean free path in copper [m]: Gall 2016, doi 10.1063/1.4942216."""
REFLECTION = 0.3
"""Share of electrons a grain boundary of copper turns back [1]: the middle of published fits, 0.2 to 0.4."""
NBP_FILMS = ((1.5e-9, 34e-8), (80e-9, 220e-8))
"""Thickness [m] and resistivity [ohm m] of NbP films: arXiv 2409.17337 (1.5 nm), APS March 2023 W44.7 (80 nm)."""
THICKNESSES_NM = (1.5, 2.6, 5.0, 10.0, 20.0, 50.0, 300.0, 1000.0)
ATOM_NM = 0.1
"""No film is thinner [nm]; the order of an atom."""
FREQUENCIES_GHZ = (14.0, 28.0, 56.0)
MU_0 = 4e-7 * math.pi


def fuchs_sondheimer(thickness: float, *, path: float = COPPER_PATH, specular: float = 0.0) -> float:
    """Factor on the bulk resistivity of a film whose surfaces scatter [1].

    Args:
        thickness: Of the film [m].
        path: Mean free path in the bulk [m].
        specular: Share of electrons that surfaces reflect like a mirror [1]; 1 leaves the bulk.

    Source:
        Sondheimer 1952, doi 10.1080/00018735200101151, equation of the thin film, integrated exactly; for thick films
        1 + 3/8 (path / thickness) (1 - specular).
    """
    from scipy.integrate import quad  # noqa: PLC0415 -- heavy, and few ask

    _check(thickness)
    if not 0.0 <= specular <= 1.0:
        raise RangeError(f"specular = {specular}: expected 0 to 1.")
    k = thickness / path

    def lost(u: float) -> float:  # u = 1 / t of the usual form, so that the range is finite
        faded = math.exp(-k / u) if u > 0.0 else 0.0
        return (u - u**3) * (1.0 - faded) / (1.0 - specular * faded)

    integral = float(quad(lost, 0.0, 1.0, epsabs=1e-12, epsrel=1e-10)[0])
    return 1.0 / (1.0 - 1.5 / k * (1.0 - specular) * integral)


def grain_factor(grain: float, *, path: float = COPPER_PATH, reflection: float = REFLECTION) -> float:
    """Factor on the bulk resistivity of a metal with grain boundaries [1].

    Args:
        grain: Mean size of grains [m].
        path: Mean free path in the bulk [m].
        reflection: Share of electrons a boundary turns back [1].

    Source:
        Mayadas and Shatzkes 1970, doi 10.1103/PhysRevB.1.1382: 1 / (1 - 3a/2 + 3a2 - 3a3 ln(1 + 1/a)),
        a = path / grain R / (1 - R).
    """
    _check(grain)
    a = path / grain * reflection / (1.0 - reflection)
    if a > 100.0:  # the closed form cancels; its series in 1 / a
        return 1.0 / (0.75 / a - 0.6 / a**2 + 0.5 / a**3)
    return 1.0 / (1.0 - 1.5 * a + 3.0 * a**2 - 3.0 * a**3 * math.log1p(1.0 / a)) if a else 1.0


def copper_resistivity(thickness: float) -> float:
    """Of a copper film with grains as large as it is thick [ohm m]."""
    return COPPER * (fuchs_sondheimer(thickness) + grain_factor(thickness) - 1.0)


def nbp_resistivity(thickness: float) -> float | None:
    """Of a NbP film [ohm m], between the published ones by the logarithm of thickness; None if thinner."""
    (thin, low), (thick, high) = NBP_FILMS
    if thickness < thin:
        return None
    share = min(1.0, math.log(thickness / thin) / math.log(thick / thin))
    return low * (high / low) ** share


def skin_depth(frequency: float, *, resistivity: float = COPPER) -> float:
    """Depth in which an alternating current flows [m]: sqrt(rho / (pi f mu0))."""
    if not frequency > 0.0:
        raise RangeError(f"frequency = {frequency} Hz: expected more than 0.")
    return math.sqrt(resistivity / (math.pi * frequency * MU_0))


def wire_table(thicknesses_nm: Sequence[float] = ()) -> dict[str, Any]:
    """Resistivities [uOhm cm] by thickness [nm], and skin depths.

    Raises:
        RangeError: a thickness that is none of a film.
    """
    rows: list[dict[str, Any]] = []
    for nm in thicknesses_nm or THICKNESSES_NM:
        if not ATOM_NM <= nm <= 1e9:
            raise RangeError(f"thickness = {nm} nm: expected {ATOM_NM}, an atom, to 1e9.")
        copper, nbp = copper_resistivity(1e-9 * nm), nbp_resistivity(1e-9 * nm)
        rows.append({
            "thickness_nm": nm,
            "copper_surface": 1e8 * COPPER * fuchs_sondheimer(1e-9 * nm),
            "copper": 1e8 * copper,
            "nbp": None if nbp is None else 1e8 * nbp,
            "ratio": None if nbp is None else nbp / copper,
        })  # fmt: skip
    skin = [{"ghz": f, "skin_depth_um": 1e6 * skin_depth(1e9 * f)} for f in FREQUENCIES_GHZ]
    note = ("Theory of copper leaves out roughness: measured films of 1.5 nm have about 100 uOhm cm. Between 1.5 and "
            "80 nm NbP is interpolated, over 80 nm taken as there. Off a chip current flows in the skin depth below or "
            "more.")  # fmt: skip
    return {"rows": rows, "skin": skin, "note": note}


def _check(length: float) -> None:
    if not (math.isfinite(length) and length > 0.0):
        raise RangeError(f"thickness = {length} m: expected a length more than 0.")
