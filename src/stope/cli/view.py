# SPDX-License-Identifier: Apache-2.0
"""`stope view`: a skill, a flight or a month, replayed in the browser from one file."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stope.base.errors import ConfigError, FileError, UnknownName
from stope.base.files import check_writable
from stope.cli import keep
from stope.cli.console import line, progress_bars, show_json
from stope.cli.options import AsJson, Seed, Settings, Threads, example, place, policy_for, skill_config_of

if TYPE_CHECKING:
    from stope.base.progress import Progress
    from stope.view.replay import Replay

__all__ = ["EXAMPLE", "view"]

EXAMPLE = example(
    "stope view anchor --n 16                 # sixteen worlds side by side",
    "stope view flights/0007                  # measured, beside what the prior predicts",
    "stope view flights/0007 --belief belief.json",
    "stope view runs/ryugu-month --out month.html --json",
    "stope view anchor --n 9 --video anchor.gif",
    "stope view runs --live                   # the newest training or mission, as it goes",
)
MOST_WORLDS = 1024
"""Of a skill; each is drawn and kept at every control step."""
MOST_DRAWS = 200


def view(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A name of `stope world tasks`, a flight folder, or a run of a month.")
    ],
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Page to write; left out, view-WHAT.html.")] = None,
    n: Annotated[
        int | None, typer.Option("--n", metavar="N", help="Worlds of a skill, 16; draws of a flight, 24.")
    ] = None,
    belief: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Belief of `stope flight fit`; a flight's draws come from it.")
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Film too: .gif, or .mp4 with the extra 'video'. Drawn by Chromium."),
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", help="Length of the film, 1 to 120.")] = 8.0,
    is_live: Annotated[
        bool, typer.Option("--live", help="Serve the newest state of a run on this machine, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="Of --live; 0 takes a free one.")] = 0,
    settings: Settings = None,
    seed: Seed = 1,
    threads: Threads,
    as_json: AsJson = False,
) -> None:
    """Write one page that replays a skill, a flight or a month in the browser; it loads nothing from anywhere.

    A skill is flown by the policy that comes with the package, under the safety envelope. A flight is shown as it was
    measured, beside robots drawn from the prior or a belief. A month is read from the run's own files. --live shows a
    training or a mission while it runs.
    """
    if is_live:
        if any(given for given in (n, belief, settings, video, out)):
            raise ConfigError("--live: reads a run's own files: expected no --n, --belief, --set, --video, --out.")
        _live(Path(what), port, as_json=as_json)
        return
    check_writable(out)  # before anything is flown, as the next line
    _check_film(video, seconds)
    from stope.learn.skills import SKILLS  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.view.film import write_film  # noqa: PLC0415 -- as above
    from stope.view.replay import write_replay  # noqa: PLC0415 -- as above

    with progress_bars() as progress:
        if what in SKILLS:
            if belief is not None:
                raise ConfigError("--belief: is for a flight; a skill is told a noisy belief of each world.")
            replay = _skill(what, n=_within(n, 16, 1, MOST_WORLDS), settings=settings, seed=seed, threads=threads,
                            progress=progress)  # fmt: skip
        else:
            if settings:
                raise ConfigError("--set: is for a skill; a flight and a month are what they are.")
            replay = _folder(what, n=n, belief=belief, seed=seed)
    replay.facts = {"command": "stope " + shlex.join(keep.GIVEN), "seed": str(seed)} | replay.facts | _versions()
    path = out or Path(f"view-{Path(what).name}.html")
    written: dict[str, Any] = {"page": str(path), "bytes": write_replay(replay, path)}
    if video is not None:
        with progress_bars() as progress:
            size = write_film(replay, video, seconds=seconds, progress=progress)
        written |= {"video": str(video), "video_bytes": size}
    if as_json:
        show_json(written | replay.as_json())
    else:
        line(replay.answer)
        line(f"page: {path} ({written['bytes'] / 1e6:.1f} MB)")
        if video is not None:
            line(f"video: {video} ({written['video_bytes'] / 1e6:.1f} MB)")


def _check_film(video: Path | None, seconds: float) -> None:
    from stope.view.film import check_film  # noqa: PLC0415 -- keeps `stope --help` fast

    if not 1.0 <= seconds <= 120.0:
        raise ConfigError(f"--seconds {seconds:g}: expected 1 to 120.")
    if video is not None:
        check_film(video)


def _live(folder: Path, port: int, *, as_json: bool) -> None:
    from stope.fleet.brain.tokens import new_token  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.view.live import serve_live  # noqa: PLC0415 -- as above

    def started(url: str, _: object) -> None:
        if as_json:
            show_json({"url": url})
        else:
            line(f"live: {url}  (until Ctrl-C; whoever has the address may read)")
        sys.stdout.flush()  # whoever started this reads the address from a pipe

    with suppress(KeyboardInterrupt):  # the usual way to end it
        serve_live(folder, new_token(), port=port, on_start=started)


def _within(n: int | None, otherwise: int, low: int, high: int) -> int:
    if n is not None and not low <= n <= high:
        raise ConfigError(f"--n {n}: expected {low} to {high}.")
    return otherwise if n is None else n


def _skill(name: str, *, n: int, settings: list[str] | None, seed: int, threads: int, progress: Progress) -> Replay:
    from stope.learn.policies import MlpPolicy  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skill_assess import check_policy  # noqa: PLC0415 -- as above
    from stope.learn.skills import flight_config, shipped  # noqa: PLC0415 -- as above
    from stope.view.replay.skill import record_contact, record_flight_skill  # noqa: PLC0415 -- as above

    policy, path = shipped(name)
    if isinstance(policy, MlpPolicy):
        config = place(flight_config(name), settings=settings)
        policy_for(policy, path, config.make_robot())
        replay = record_flight_skill(policy, config, num_worlds=n, seed=seed, num_threads=threads, progress=progress)
    else:
        found = skill_config_of(name, seed=None, settings=settings)
        check_policy(policy, found.make_task(), name, str(path))
        replay = record_contact(policy, found, num_worlds=n, seed=seed, num_threads=threads, progress=progress)
    replay.facts = {"policy": path.name, "policy digest": policy.digest}
    return replay


def _folder(what: str, *, n: int | None, belief: Path | None, seed: int) -> Replay:
    from stope.flight.record import load_flight  # noqa: PLC0415 -- keeps `stope --help` fast
    from stope.learn.skills import SKILLS  # noqa: PLC0415 -- as above
    from stope.view.replay.flight import record_flight  # noqa: PLC0415 -- as above
    from stope.view.replay.month import is_month_folder, record_month  # noqa: PLC0415 -- as above
    from stope.world.belief import Belief  # noqa: PLC0415 -- as above

    folder = Path(what)
    if not folder.exists():
        raise UnknownName.of("skill or folder", what, SKILLS, listing="stope world tasks")
    if (folder / "flight.toml").is_file():
        flight, told = load_flight(folder), None if belief is None else Belief.load(belief)
        if told is not None and told.robot != flight.robot:
            raise ConfigError(f"{belief}: about robot {told.robot!r}: expected {flight.robot!r} of the flight.")
        replay = record_flight(flight, belief=told, num_draws=_within(n, 24, 0, MOST_DRAWS), seed=seed)
        replay.facts = {"flight": flight.name, "telemetry SHA-256": flight.telemetry_sha256,
                        "licence of the log": flight.licence, "belief": str(belief or "the prior")}  # fmt: skip
        return replay
    if is_month_folder(folder):
        if belief is not None or n is not None:
            raise ConfigError("--n, --belief: are for skills and flights; a month is read as it was kept.")
        return record_month(folder)
    raise FileError(f"{folder}: expected a flight (flight.toml) or a run of a month (kept.json, month/).")


def _versions() -> dict[str, str]:
    from importlib.metadata import version  # noqa: PLC0415 -- keeps `stope --help` fast

    from stope import __version__  # noqa: PLC0415 -- as above

    return {"stope": __version__} | {name: version(name) for name in ("numpy", "mujoco")}
