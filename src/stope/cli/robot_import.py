# SPDX-License-Identifier: Apache-2.0
"""`stope world robot import`: a robot from somebody else's MJCF or URDF, checked, with its open questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from stope.cli.console import line, number, show_facts, show_json, show_table
from stope.cli.options import AsJson, example

if TYPE_CHECKING:
    from stope.world.robots.importing import ImportReport

__all__ = ["EXAMPLE", "TwoWords", "import_robot"]

EXAMPLE = example(
    "stope world robot import arm.urdf", "stope world robot import rover.xml --out robots --name my-rover"
)


class TwoWords(TyperGroup):
    """A group whose commands may have names of two words: `robot NAME` and `robot import FILE` are both commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take two words as one name where there is such a command."""
        both = " ".join(args[:2])
        if len(args) > 1 and both in self.commands:
            args = [both, *args[2:]]
        return super().resolve_command(ctx, args)


def import_robot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MJCF (.xml) or URDF (.urdf) of the robot.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder to write into; one named NAME if left out."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of the robot; from FILE if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a robot's MJCF or URDF and write NAME.xml and NAME.toml, in which what the file does not say is asked."""
    from stope.world.robots.importing import import_robot as carry_out  # noqa: PLC0415 -- keeps `stope --help` fast

    report = carry_out(file, out=out, name=name)
    if as_json:
        show_json(report.describe())
    else:
        _show(report)


def _show(report: ImportReport) -> None:
    facts = {
        "from": f"{report.source} ({report.language})", "mass [kg]": report.mass, "com_b [m]": list(report.com_b),
        "deviation from it": report.deviation, "written": f"{report.toml}, {report.mjcf}",
    }  # fmt: skip
    show_facts(f"Robot {report.name}", facts)
    show_table(
        "Links", ("link", "mass [kg]", "moments [kg m2]", "density [kg/m3]", "mass from"),
        [(k.name, number(k.mass), number(k.moments), number(k.density),
          "file" if k.has_own_inertia else "density of geoms") for k in report.links],
    )  # fmt: skip
    show_table(
        "Joints", ("joint", "link", "type", "range [m, rad]", "limit [N, N m]"),
        [tuple(number(j[key]) for key in ("name", "link", "type", "range", "limit")) for j in report.joints],
    )  # fmt: skip
    for title, rows in (("Changed", report.changes), ("Warnings", report.warnings)):
        if rows:
            show_table(title, (), [(f"  {row}",) for row in rows])
    sections = dict.fromkeys(key.rpartition(".")[0] for key in report.missing)
    show_table(
        f"Missing: {len(report.missing)} answers", ("section", "keys"),
        [(part or "(top)", ", ".join(k.rpartition(".")[2] for k in report.missing if k.rpartition(".")[0] == part))
         for part in sections],
    )  # fmt: skip
    line(f"\n{report.next_step}")
