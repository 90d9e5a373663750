# SPDX-License-Identifier: Apache-2.0
"""`stope`: puts the command groups together, and turns every error into one line and an exit code.

Exit codes: 0 yes, 1 the answer is no, 2 misuse, 3 missing device or extra, 70 a fault of stope,
130 interrupted.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from stope import __version__
from stope.base.errors import ConfigError, StopeError
from stope.cli import cluster, evaluate, export, fleet, flight, gap, keep, mine, train, view, world
from stope.cli.console import line
from stope.cli.options import example

__all__ = ["app", "main", "run"]

INTERRUPTED, FAULT, CLOSED = 130, 70, 141
"""Exit codes: by the keyboard; a fault of ours (sysexits.h); nobody reads on, 128 and SIGPIPE, as a shell has it."""
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
"""What Python takes for a number, and no option of ours does."""
WORK, LOOK = "Work", "Look and check"

app = typer.Typer(
    name="stope",
    rich_markup_mode="rich",
    no_args_is_help=False,
    add_completion=False,
    epilog=example(
        "stope mine                       # a month at Ryugu, ends in a report",
        "stope train dock --body bennu    # teach a robot to dock",
        "stope flight fit flights/0007    # what one flight log is worth",
    ),
)
app.command("mine", rich_help_panel=WORK, epilog=mine.EXAMPLE)(mine.mine)
app.command("train", rich_help_panel=WORK, epilog=train.EXAMPLE)(train.train)
app.command("evaluate", rich_help_panel=WORK, epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command("gap", rich_help_panel=WORK, epilog=gap.EXAMPLE)(gap.gap)
app.command("export", rich_help_panel=WORK, epilog=export.EXAMPLE)(export.export)
app.add_typer(flight.app, name="flight", rich_help_panel=WORK)
app.command("view", rich_help_panel=LOOK, epilog=view.EXAMPLE)(view.view)
app.add_typer(world.app, name="world", rich_help_panel=LOOK)
app.add_typer(fleet.app, name="fleet", rich_help_panel=LOOK)
app.add_typer(cluster.app, name="cluster", rich_help_panel=LOOK)


def _version(value: bool) -> None:  # noqa: FBT001 -- the signature of a callback
    if value:
        line(f"stope {__version__}")
        raise typer.Exit


@app.callback(
    help="Teach robots to mine asteroids: train a skill, tell it what a flight showed, fly a month, "
    "read the report. "
    f"Version {__version__}."
)
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere.")] = False,
) -> None:
    """Options of the executable itself; `run` takes care of --debug."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; nothing but an interrupt of the interpreter gets out."""
    given = list(arguments) or ["--help"]
    has_debug = "--debug" in given
    keep.GIVEN[:] = [a for a in given if a != "--debug"]
    try:
        _check_numbers(given)
        code = app(list(keep.GIVEN), prog_name="stope", standalone_mode=False)
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: typer has printed its help
            return 2
        return _fail(_usage(error, given), error.exit_code)
    except (StopeError, OSError, MemoryError) as error:
        if has_debug:
            traceback.print_exc()
        return _fail(_text(error), error.exit_code if isinstance(error, StopeError) else 2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as error:  # typer ends with 1 when nobody reads on, and 1 is an answer
        code = CLOSED if isinstance(error.__context__, BrokenPipeError) else error.code
    except Exception:  # noqa: BLE001 -- a fault of ours shows where, and never ends with code 1, which is an answer
        traceback.print_exc()
        return _fail("this is a fault of stope, not of what was asked.", FAULT)
    if code == INTERRUPTED:
        return _fail("interrupted. The same command goes on from the last checkpoint, if it keeps any.", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _check_numbers(given: Sequence[str]) -> None:
    """Refuse numbers that are not finite; a range of typer's lets NaN through."""
    for option, value in zip(given, [*given[1:], ""], strict=True):
        name, _, text = option.partition("=")
        if name.startswith("--") and _NOT_FINITE.fullmatch(text or value):
            raise ConfigError(f"{name} {text or value}: expected a finite number.")


def _usage(error: typer.TyperException, given: Sequence[str]) -> str:
    """What is wrong with a command line: what was found, what was expected, where help is."""
    text, context = error.format_message().strip(), getattr(error, "ctx", None)
    names = [name for name in getattr(getattr(error, "param", None), "opts", ()) if name in given[:-1]]
    wanted = re.search(r"Input should be (a valid \w+)", text)
    if names and wanted:  # typer tells neither what it found nor anything else
        found = given[given.index(names[0]) + 1]
        text = f"Invalid value for {names[0]!r}: {found!r}: expected {wanted.group(1)}"
    text += "" if text.endswith(("?", ".")) else "."
    return f"{text} See `{context.command_path if context is not None else 'stope'} --help`."


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and not isinstance(error, StopeError):
        return f"{error.filename}: {(error.strerror or str(error)).lower()}."
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}). Use fewer worlds or episodes."
    return str(error)


def _fail(text: str, code: int) -> int:
    sys.stderr.write("stope: " + " ".join(text.split()) + "\n")
    return code


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
