# SPDX-License-Identifier: Apache-2.0
"""`stope world`: which places, robots, tasks and uncertain quantities there are, and checks of a user's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.cli import practice, robot_import
from stope.cli.console import number, show_facts, show_json, show_table
from stope.cli.options import AsJson, example
from stope.cli.settings import setting_rows
from stope.cli.validate import EXAMPLE, validate

if TYPE_CHECKING:
    from stope.world.robots import Robot

__all__ = ["app"]

app = typer.Typer(
    cls=robot_import.TwoWords,
    help="List and check places, robots, tasks and the uncertain quantities of a world.",
    no_args_is_help=True,
    epilog=example("stope world bodies"),
)
app.command("validate", epilog=EXAMPLE)(validate)
Name = Annotated[str, typer.Argument(metavar="NAME", help="A listed name, or the path of a TOML file.")]


@app.command("bodies", epilog=example("stope world bodies", "stope world bodies --json"))
def bodies(*, as_json: AsJson = False) -> None:
    """List the places that come with the package."""
    from stope.world.body import body_names, load_body  # noqa: PLC0415 -- keeps `stope --help` fast

    rows = [_finite(load_body(name).describe()) for name in body_names()]
    if as_json:
        show_json(rows)
        return
    show_table(
        "Places", ("name", "kind", "air", "radius [m]", "spin [h]", "escape [m/s]", "gravity [m/s2]", "what"),
        [(r["name"], r["kind"], number(r["has_air"]), number(r.get("mean_radius_m")), number(r.get("spin_period_h")),
          number(r.get("escape_speed_mps")), number(r.get("gravity_mps2")), r["summary"]) for r in rows],
        note="Gravity of a body with a shape differs from place to place: `stope world site NAME --latitude DEG`.",
    )  # fmt: skip


@app.command("body", epilog=example("stope world body ryugu"))
def body(name: Name, *, as_json: AsJson = False) -> None:
    """Describe one place: each number with its error and source."""
    from stope.world.body import load_body  # noqa: PLC0415 -- keeps `stope --help` fast

    found = load_body(name)
    facts = _finite(found.describe())
    facts["licence"] = found.licence
    if as_json:
        show_json(facts | {"sources": dict(found.sources), "errors": dict(found.errors)})
        return
    show_facts(f"Place {found.name}", facts)
    show_table("Sources", ("number", "error", "source"),
               [(key, number(found.errors.get(key)), text) for key, text in found.sources.items()])  # fmt: skip


@app.command("check", epilog=example("stope world check my-asteroid.toml"))
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML of a place, with its mesh beside it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check a place of your own completely, its mesh included."""
    from stope.base.errors import FileError  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.world.body import check_body  # noqa: PLC0415 -- as above

    if file.suffix != ".toml":
        raise FileError(f"{file}: expected a file whose name ends in .toml. Listed places: `stope world bodies`.")
    facts = _finite(check_body(file))
    if as_json:
        show_json(facts)
    else:
        show_facts(f"{file}: nothing to object to", facts)


@app.command("robots", epilog=example("stope world robots"))
def robots(*, as_json: AsJson = False) -> None:
    """List the robots that come with the package."""
    from stope.world.robots import load_robot, robot_names  # noqa: PLC0415 -- keeps `stope --help` fast

    found = [load_robot(name) for name in robot_names()]
    rows = [
        {"name": r.name, "summary": r.summary, "needs_air": r.needs_air, "mass_kg": r.mass,
         "force_limit_b_n": r.limit_b[:3].tolist(), "torque_limit_b_nm": r.limit_b[3:].tolist(),
         "propellant_kg": r.propellant_capacity, "specific_impulse_s": r.specific_impulse}
        for r in found
    ]  # fmt: skip
    if as_json:
        show_json(rows)
        return
    show_table(
        "Robots", ("name", "needs air", "mass [kg]", "force [N]", "torque [N m]", "propellant [kg]", "what"),
        [(str(r["name"]), number(r["needs_air"]), number(r["mass_kg"]), number(r["force_limit_b_n"]),
          number(r["torque_limit_b_nm"]), number(r["propellant_kg"]), str(r["summary"])) for r in rows],
    )  # fmt: skip


@app.command("robot", epilog=example("stope world robot bee-gas"))
def robot(name: Name, *, as_json: AsJson = False) -> None:
    """Describe one robot: where each of its numbers comes from."""
    from stope.world.robots import load_robot  # noqa: PLC0415 -- keeps `stope --help` fast

    found = load_robot(name)
    if as_json:
        show_json({"name": found.name, "summary": found.summary, "sources": dict(found.sources)})
        return
    show_table(f"Robot {found.name}: {found.summary}", ("number", "value", "source"),
               [(key, _shown(found, key), text) for key, text in found.sources.items()],
               note=f"The prior's numbers: `stope world physics --robot {name}`.")  # fmt: skip


app.command("robot import", epilog=robot_import.EXAMPLE)(robot_import.import_robot)


@app.command("tasks", epilog=example("stope world tasks"))
def tasks(*, as_json: AsJson = False) -> None:
    """List the tasks and their settings, as `--set` of `stope train` and `stope world practise` takes them."""
    from stope.base.config import as_dict  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.practice import TASK_NAMES, task_class  # noqa: PLC0415 -- as above

    found: dict[str, Any] = {name: task_class(name) for name in TASK_NAMES}
    summaries = {name: str(config.__doc__).splitlines()[0] for name, config in found.items()}
    if as_json:
        show_json([{"name": n, "summary": summaries[n], "settings": as_dict(c())}
                   for n, c in found.items()])  # fmt: skip
        return
    for name, config in found.items():
        show_table(f"Task {name}: {summaries[name]}", ("setting", "default", "what"), setting_rows(config(), "task."))


app.command("practise", epilog=practice.EXAMPLE)(practice.practise)


@app.command("site", epilog=example("stope world site ryugu --latitude 30 --longitude 10",
                                    "stope world site eros --latitude -20 --sun-latitude 15"))  # fmt: skip
def site(
    name: Name,
    *,
    latitude: Annotated[float, typer.Option(metavar="DEG", help="North is positive.")] = 0.0,
    longitude: Annotated[float, typer.Option(metavar="DEG", help="East is positive.")] = 0.0,
    height: Annotated[float, typer.Option(metavar="M", help="Of the frame's origin above the ground.")] = 0.0,
    sun_latitude: Annotated[
        float, typer.Option(metavar="DEG", help="Latitude under the Sun, for the share of daylight.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Describe one site: effective gravity with spin, slope, whether loose things stay, and its share of daylight."""
    from stope.world.light import daylight_fraction  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.world.site import make_site  # noqa: PLC0415 -- as above

    place = make_site(name, latitude_deg=latitude, longitude_deg=longitude, height=height)
    facts = place.describe()
    if place.body.spin_rate > 0.0:
        facts["daylight_share"] = daylight_fraction(place, sun_latitude_deg=sun_latitude)
    if as_json:
        show_json(facts)
    else:
        show_facts(f"Site {facts['site']}", facts)


@app.command("physics", epilog=example("stope world physics --robot bee-cabin"))
def physics(
    *,
    robot: Annotated[str, typer.Option(metavar="NAME", help="Whose prior; a listed name or a TOML file.")] = "bee-gas",
    as_json: AsJson = False,
) -> None:
    """List the uncertain quantities of a world (theta), with a robot's prior over each."""
    from stope.world.physics import PARAMETERS  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.world.regolith.prior import RANGES, ground_prior  # noqa: PLC0415 -- as above
    from stope.world.robots import load_robot  # noqa: PLC0415 -- as above

    prior = load_robot(robot).prior
    rows = [
        {"name": q.name, "unit": q.unit, "transform": q.transform, "centre": float(prior.centre[k]),
         "spread": float(prior.spread[k]), "low": q.low, "high": q.high, "text": q.text}
        for k, q in enumerate(PARAMETERS)
    ]  # fmt: skip
    ground = ground_prior()
    below = [
        {"name": q.name, "unit": q.unit, "transform": q.transform, "low": RANGES[q.name][0], "high": RANGES[q.name][1],
         "text": q.text, "source": RANGES[q.name][2]}
        for q in ground.parameters
    ]  # fmt: skip
    if as_json:
        show_json([{**r, "of": "robot"} for r in rows] + [{**r, "of": "ground"} for r in below])
        return
    show_table(
        f"Uncertain quantities, prior of {robot}",
        ("name", "unit", "law", "centre", "spread", "bounds", "what"),
        [(str(r["name"]), str(r["unit"]), str(r["transform"]), number(r["centre"]), number(r["spread"]),
          f"{r['low']:g} to {r['high']:g}", str(r["text"])) for r in rows],
        note="linear: centre + spread z; log: centre exp(spread z); uniform: centre +- spread; z is standard normal.",
    )  # fmt: skip
    show_table(
        "Uncertain quantities of the ground, default prior", ("name", "unit", "law", "prior", "what", "source"),
        [(str(r["name"]), str(r["unit"]), str(r["transform"]), f"{r['low']:g} to {r['high']:g}", str(r["text"]),
          str(r["source"])) for r in below],
    )  # fmt: skip


def _shown(robot: Robot, key: str) -> str:
    """Value of one number of a robot, by the key of its source."""
    section, name = key.split(".")
    limits = {"force_limit_b": robot.limit_b[:3], "torque_limit_b": robot.limit_b[3:],
              "force_quantum": robot.quantum_b[0], "torque_quantum": robot.quantum_b[3],
              "mount_b": robot.payload_mount_b, "radius": robot.payload_radius}  # fmt: skip
    if robot.articulation is not None and section in ("model", "anchors", "drums"):
        own = robot.articulation
        tables = {
            "model": {**own.numbers, "element_size": own.element_size},
            "anchors": own.anchors,
            "drums": own.drums,
        }
        return number(tables[section][name])
    holder = robot.sensors if section == "sensors" else robot
    value: Any = limits[name] if name in limits else getattr(holder, name, None) if section != "prior" else None
    return number(value.tolist() if hasattr(value, "tolist") else value)


def _finite(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with None for what is infinite, as the spin period of a body that does not turn."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in facts.items()}
