# SPDX-License-Identifier: Apache-2.0
"""Questions: what an imported model does not say about a robot, and the one line that refuses an unanswered one.

A question is the text "?" in place of a number, a source or a truth value.
"""

from __future__ import annotations

from typing import Any

from stope.base.errors import ConfigError

__all__ = ["QUESTIONS", "refuse_unanswered"]

UNANSWERED = "?"
_PER_AXIS = "three numbers, along x, y, z of the base"
QUESTIONS = {
    "needs_air": "true if fans push it, false if thrusters do",
    "body.side": "edge of a cube that stands for the base where links are left out",
    "thrusters.force_limit_b": f"largest force per axis; {_PER_AXIS}",
    "thrusters.torque_limit_b": f"largest torque per axis; {_PER_AXIS}",
    "thrusters.force_quantum": "smallest step of a commanded force; 0 for none",
    "thrusters.torque_quantum": "smallest step of a commanded torque; 0 for none",
    "thrusters.specific_impulse": "of the propellant; 0 where none is used",
    "thrusters.propellant_capacity": "propellant on board when full",
    "thrusters.torque_arm": "lever of the thrusters that turn it",
    "thrusters.power_idle": "power of computers and sensors",
    "thrusters.power_per_newton": "electrical power per commanded newton",
    "payload.mount_b": f"centre of the payload sphere; {_PER_AXIS}",
    "payload.radius": "radius of the payload sphere",
    "sensors.position_noise": "one sigma per axis",
    "sensors.attitude_noise": "one sigma per axis",
    "sensors.velocity_noise": "one sigma per axis",
    "sensors.rate_noise": "one sigma per axis",
    "sensors.period": "time between samples",
    "sensors.delay": "age of a sample when it is used; 0 for none",
    "sensors.drop_out": "share of samples lost, less than 1",
    "model.element_size": "largest width of a soil element; halve it until forces stay",
    "model.anchors.stiffness": "of a drilled anchor in its ground",
    "model.anchors.damping": "of a drilled anchor in its ground",
    "model.anchors.drill_time": "time to drill to full depth",
    "model.anchors.drill_push": "force the drill needs from the robot",
    "model.anchors.helix_radius": "radius of the screw's helix",
    "model.anchors.helix_depth": "depth of the helix when drilled",
    "model.drums.capacity": "volume of soil a drum holds",
    "model.drums.catch_share": "share of the cut soil that stays in the drum",
    "model.drums.scoop_height": "depth of a scoop",
    "model.drums.rake_angle": "of the scoop's blade",
    "prior.mass": "relative spread (one sigma of the logarithm)",
    "prior.com_x": "spread, one sigma",
    "prior.com_y": "spread, one sigma",
    "prior.com_z": "spread, one sigma",
    "prior.inertia_spread": "spread of each logarithmic diagonal entry, such as 0.05",
    "prior.inertia_skew": "spread of each off-diagonal entry",
    "prior.gain": "relative spread of true over commanded force and torque",
    "prior.lag": "time constant of the thrust: centre, and relative spread",
    "prior.latency": "from command to actuator: centre and half width, at most 0.2 s together",
    "prior.drag": "against air at rest: centre and spread; 0 and 0 in vacuum",
    "prior.payload": "mass carried: centre and half width",
    "prior.residual": "spread of a constant unexplained acceleration; 0 for none",
}
"""What to answer, by "section.key" of the robot's TOML."""


def refuse_unanswered(data: dict[str, Any], where: str) -> None:
    """Refuse a robot's TOML in which a question stands, naming the first one.

    Raises:
        ConfigError: a value, centre, spread, source or truth value is still "?".
    """
    for key, value in data.items():
        if isinstance(value, dict):
            _refuse_rows(value, key, where)
        elif value == UNANSWERED:
            raise ConfigError(f'{where}: {key} = "?": not answered yet: {QUESTIONS.get(key, "fill it in")}.')


def _refuse_rows(table: dict[str, Any], path: str, where: str) -> None:
    for key, row in table.items():
        at = f"{path}.{key}"
        if not isinstance(row, dict):
            continue
        for part in ("value", "centre", "spread", "source"):
            found = row.get(part)
            if found != UNANSWERED and not (isinstance(found, list) and UNANSWERED in found):
                continue
            if part == "source":
                raise ConfigError(f'{where}: {at}: source = "?": not answered yet: where the number comes from.')
            shown = at if part == "value" else f"{at}.{part}"
            unit = f" [{row['unit']}]" if isinstance(row.get("unit"), str) else ""
            raise ConfigError(f'{where}: {shown} = "?": not answered yet: {QUESTIONS.get(at, "fill it in")}{unit}.')
        _refuse_rows(row, at, where)
