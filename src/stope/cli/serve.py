# SPDX-License-Identifier: Apache-2.0
"""`stope fleet serve`: the brain, on loopback, for whoever has the token."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stope.base.errors import ConfigError
from stope.cli.console import line, show_json
from stope.cli.options import AsJson, example

if TYPE_CHECKING:
    from stope.fleet.brain.answering import Brain
    from stope.fleet.brain.shelf import Shelf

__all__ = ["EXAMPLE", "serve"]

EXAMPLE = example(
    "stope fleet serve --policies policies/",
    "stope fleet serve --token-file brain.token --port 8765",
    "stope fleet serve --workers 'ray://10.0.0.1:6379?num=8'",
)


def serve(
    *,
    policies: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of SKILL.safetensors, watched for new ones; else the shipped ones."),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="Port; 0 takes one that is free.")] = 8765,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the token, mode 0600; else one is made and printed once."),
    ] = None,
    workers: Annotated[
        str, typer.Option(metavar="ADDRESS", help="ray://ADDRESS[?num=N]: answer on the machines of a Ray cluster.")
    ] = "",
    window_ms: Annotated[float, typer.Option(metavar="MS", help="How long a request waits for others.")] = 4.0,
    as_json: AsJson = False,
) -> None:
    r"""Answer robots: observations in, actions out, many skills and versions in one batch.

    Needs the extra "serve", and "ray" for several machines. SIGTERM drains and ends, SIGHUP looks for new policies at
    once; `/health` and `/metrics` (Prometheus) are on the same port and want the token too.
    """
    import asyncio  # noqa: PLC0415 -- keeps `stope --help` fast

    from stope.fleet.brain.answering import Brain  # noqa: PLC0415 -- as above
    from stope.fleet.brain.batching import BatchConfig  # noqa: PLC0415 -- as above
    from stope.fleet.brain.service import ServiceConfig  # noqa: PLC0415 -- as above
    from stope.fleet.brain.service import serve as run  # noqa: PLC0415 -- as above
    from stope.fleet.brain.shelf import Shelf  # noqa: PLC0415 -- as above
    from stope.fleet.brain.tokens import new_token, read_token  # noqa: PLC0415 -- as above

    config, batches = ServiceConfig(host=host, port=port), BatchConfig(window=1e-3 * window_ms)
    token = new_token() if token_file is None else read_token(token_file)
    shelf = Shelf(policies)
    brain = _spread(shelf, workers) if workers else Brain(shelf)

    def started(url: str) -> None:
        shown = {"url": url, "policies": shelf.summary()} | ({"token": token} if token_file is None else {})
        if as_json:
            show_json(shown)
        else:
            line(f"brain: {url}  ({', '.join(shelf.skills)})")
            if token_file is None:
                line(f"token, shown once: {token}")
        sys.stdout.flush()  # whoever started this reads the address from a pipe

    rows = asyncio.run(run(brain, token, config=config, batches=batches, on_start=started))
    if not as_json:
        line("drained. rows: " + ", ".join(f"{name} {num}" for name, num in rows.items() if num))


def _spread(shelf: Shelf, workers: str) -> Brain:
    """A brain on the machines of a Ray cluster."""
    from stope.base.ray_workers import RayWorkers  # noqa: PLC0415 -- an extra
    from stope.base.workers import RAY  # noqa: PLC0415 -- as above
    from stope.fleet.brain.spread import SpreadBrain  # noqa: PLC0415 -- as above

    if not workers.startswith(RAY):
        raise ConfigError(f"--workers {workers}: expected ray://local or ray://HOST:PORT, with ?num=N or without.")
    return SpreadBrain(shelf, RayWorkers.of(workers))
