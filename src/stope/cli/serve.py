# SPDX-License-Identifier: Apache-2.0
"""`stope fleet serve`: the brain, on loopback, for whoever has the token."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stope.cli.console import line, show_json
from stope.cli.options import AsJson, example

__all__ = ["EXAMPLE", "serve"]

EXAMPLE = example(
    "stope fleet serve --policies policies/",
    "stope fleet serve --token-file brain.token --port 8765",
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
    window_ms: Annotated[float, typer.Option(metavar="MS", help="How long a request waits for others.")] = 4.0,
    as_json: AsJson = False,
) -> None:
    r"""Answer robots: observations in, actions out, many skills and versions in one batch.

    Needs the extra "serve". SIGTERM drains and ends, SIGHUP looks for new policies at once; `/health` and
    `/metrics` (Prometheus) are on the same port and want the token too.
    """
    import asyncio  # noqa: PLC0415 -- keeps `stope --help` fast

    from stope.fleet.brain.batching import BatchConfig  # noqa: PLC0415 -- as above
    from stope.fleet.brain.service import ServiceConfig  # noqa: PLC0415 -- as above
    from stope.fleet.brain.service import serve as run  # noqa: PLC0415 -- as above
    from stope.fleet.brain.shelf import Shelf  # noqa: PLC0415 -- as above
    from stope.fleet.brain.tokens import new_token, read_token  # noqa: PLC0415 -- as above

    config, batches = ServiceConfig(host=host, port=port), BatchConfig(window=1e-3 * window_ms)
    token = new_token() if token_file is None else read_token(token_file)
    shelf = Shelf(policies)

    def started(url: str) -> None:
        shown = {"url": url, "policies": shelf.summary()} | ({"token": token} if token_file is None else {})
        if as_json:
            show_json(shown)
        else:
            line(f"brain: {url}  ({', '.join(shelf.skills)})")
            if token_file is None:
                line(f"token, shown once: {token}")
        sys.stdout.flush()  # whoever started this reads the address from a pipe

    rows = asyncio.run(run(shelf, token, config=config, batches=batches, on_start=started))
    if not as_json:
        line("drained. rows: " + ", ".join(f"{name} {num}" for name, num in rows.items() if num))
