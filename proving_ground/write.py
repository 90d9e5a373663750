# SPDX-License-Identifier: Apache-2.0
"""The flight file `stope-flight-1`: flight.toml, telemetry.csv and, for a stand-in, truth.json.

A flight appears under its name whole or not at all: it is written beside its place and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import scipy

from proving_ground.flight import Flown

COLUMNS = (
    "time_s",
    *(f"force_command_{k}_n" for k in "xyz"),
    *(f"torque_command_{k}_nm" for k in "xyz"),
    *(f"position_{k}_m" for k in "xyz"),
    *(f"attitude_{k}" for k in "wxyz"),
    *(f"velocity_{k}_mps" for k in "xyz"),
    *(f"rate_{k}_radps" for k in "xyz"),
    "measured",
)


def write_flight(flown: Flown, folder: Path) -> Path:
    """Write a flight into a new folder.

    Args:
        flown: The flight.
        folder: Must not exist yet, or be empty; its parent is made.

    Returns:
        The folder.

    Raises:
        FileExistsError: if the folder holds something; nothing of it is touched.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: exists and is not an empty folder. Choose another --out or remove it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    telemetry = telemetry_text(flown).encode("ascii")
    texts = {
        "telemetry.csv": telemetry,
        "truth.json": truth_text(flown).encode("ascii"),
        "flight.toml": metadata_text(flown, hashlib.sha256(telemetry).hexdigest()).encode("ascii"),
    }
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in texts.items():
            with (beside / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        beside.chmod(0o755)
        beside.replace(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return folder


def telemetry_text(flown: Flown) -> str:
    """The rows, as comma-separated values; a lost reading leaves its cells empty."""
    lines = [",".join(COLUMNS)]
    for k, time in enumerate(flown.time):
        u = flown.command[k]
        cells = [f"{time:.3f}", *(f"{v:.2f}" for v in u[:3]), *(f"{v:.3f}" for v in u[3:])]
        if flown.lost[k]:
            cells += [""] * 13 + ["0"]
        else:
            seen = flown.seen[k]
            q = seen.attitude_lb.as_quat(scalar_first=True, canonical=True)
            cells += [f"{v:.9f}" for v in (*seen.position_l, *q, *seen.velocity_l, *seen.rate_b)] + ["1"]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def metadata_text(flown: Flown, telemetry_sha256: str) -> str:
    """flight.toml: what the flight is, where, and the hash of its rows."""
    s = flown.scenario
    return f"""\
format = "stope-flight-1"
name = "{s.name}-{flown.seed:04d}"
stand_in = true
robot = "{s.robot}"
gravity_l = {_floats(s.site["gravity_l"])} # effective, [m/s2]
spin_l = {_floats(s.spin_l)} # of the local frame, [rad/s]
start_utc = "{s.start_utc}"
clock = "onboard"
licence = "Apache-2.0"
telemetry_sha256 = "{telemetry_sha256}"
rows = {len(flown.time)}
control_period_s = {s.control_period!r}
payload_note = "a canister of unknown mass, 0 to {s.prior["payload_high"]:g} kg, in the belly bay"
engine = "proving_ground, scipy {scipy.__version__} DOP853 in an inertial frame"
seed = {flown.seed}

[site]
body = "{s.site["body"]}"
latitude_deg = {float(s.site["latitude_deg"])!r}
longitude_deg = {float(s.site["longitude_deg"])!r}
height = {float(s.site["height"])!r} # [m]
"""


def truth_text(flown: Flown) -> str:
    """truth.json: the hidden numbers by name, and what else the fit does not see. Never read by a fit."""
    truth, s = flown.truth, flown.scenario
    vehicle, first = truth.vehicle(s), flown.true[0]
    hidden = {
        "format": "stope-truth-1",
        "theta": truth.by_name(),
        "drawn_from": "the prior that stope publishes for the robot, on purpose: coverage has a meaning only then",
        "total_mass_kg": vehicle.mass,
        "total_com_b_m": vehicle.com_b.tolist(),
        "total_inertia_b_kgm2": vehicle.inertia_b.tolist(),
        "acceleration_noise_rms_mps2": s.noise["acceleration_rms"],
        "first_position_l_m": first.position_l.tolist(),
        "first_velocity_l_mps": first.velocity_l.tolist(),
    }
    return json.dumps(hidden, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _floats(values: object) -> str:
    return "[" + ", ".join(repr(float(v)) for v in values) + "]"  # type: ignore[attr-defined]
