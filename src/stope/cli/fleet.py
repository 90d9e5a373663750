# SPDX-License-Identifier: Apache-2.0
"""`stope fleet`: the scenarios a fleet can be simulated in, and checks of a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stope.cli import serve
from stope.cli.console import show_json, show_table
from stope.cli.options import AsJson, example
from stope.cli.settings import show_settings

__all__ = ["app"]

app = typer.Typer(
    help="List and check the scenarios of whole fleets.",
    no_args_is_help=True,
    epilog=example("stope fleet scenarios"),
)


@app.command("scenarios", epilog=example("stope fleet scenarios"))
def scenarios(*, as_json: AsJson = False) -> None:
    """List the scenarios that come with the package."""
    from stope.base.config import as_dict  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.fleet.scenario import load_scenario, scenario_names  # noqa: PLC0415 -- as above

    rows: list[dict[str, Any]] = [as_dict(load_scenario(name)) for name in scenario_names()]
    if as_json:
        show_json(rows)
    else:
        show_table("Scenarios", ("name", "what"), [(str(r["name"]), str(r["summary"])) for r in rows])


@app.command("check", epilog=example("stope fleet check my-mission.toml"))
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML of a scenario.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check a scenario of your own, and show its settings."""
    from stope.base.config import as_dict  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.fleet.scenario import load_scenario  # noqa: PLC0415 -- as above

    scenario = load_scenario(str(file))
    if as_json:
        show_json(as_dict(scenario))
    else:
        show_settings(f"{file}: nothing to object to", scenario)


app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
