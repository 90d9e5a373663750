# SPDX-License-Identifier: Apache-2.0
"""A page for each task, body, robot, log format and system, made when the documentation is built.

`on_files` hands mkdocs the pages, `reference/bodies/ryugu.md` and so on; `<!-- pages: bodies -->` on a page links to
all of one kind. What comes from other installed packages has no page: the site is about this one.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

from stope.cluster.listing import system_rows
from stope.flight.formats import FORMATS
from stope.learn.practice import TASK_NAMES, task_class
from stope.world.body import body_names, load_body
from stope.world.robots import load_robot, robot_names

RESULTS = Path(__file__).parent / "results"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; the event of mkdocs."""
    for kind, make in KINDS.items():
        for name, text in make().items():
            files.append(File.generated(config, f"reference/{kind}/{name}.md", content=text,
                                        inclusion=InclusionLevel.NOT_IN_NAV))  # fmt: skip
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the links to the pages of a kind; the event of mkdocs."""
    return re.sub(r"<!-- pages: (\w+) -->", lambda found: links(found[1]), markdown)


def links(kind: str) -> str:
    """A link to each page of a kind."""
    return "A page for each: " + ", ".join(f"[{name}]({kind}/{name}.md)" for name in KINDS[kind]()) + "."


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|") for c in line) + " |" for line in lines)


def page(name: str, *parts: str) -> str:
    """A page of a title and its parts."""
    return "\n\n".join([f"# {name}", *(p for p in parts if p)]) + "\n"


def facts(found: dict[str, Any]) -> str:
    """What something says of itself; units are in the names."""
    return table(["what", "value"], ([f"`{k}`", f"{v:.6g}" if isinstance(v, float) else v] for k, v in found.items()
                                     if k not in ("sources", "summary")))  # fmt: skip


def given(sources: Iterable[tuple[str, object]]) -> str:
    """Where each number comes from."""
    return "## Where the numbers are from\n\n" + table(["number", "source"], ([f"`{k}`", v] for k, v in sources))


def bodies() -> dict[str, str]:
    """Pages of the bodies that come with the package."""
    shipped = [load_body(name) for name in body_names()]
    return {b.name: page(b.name, b.summary, f"`stope world body {b.name}`", facts(b.describe()),
                         given(b.sources.items())) for b in shipped}  # fmt: skip


def robots() -> dict[str, str]:
    """Pages of the robots that come with the package."""
    shipped = [load_robot(name) for name in robot_names()]
    return {r.name: page(r.name, r.summary, f"`stope world robot {r.name}`; its prior: `stope world physics --robot "
                         f"{r.name}`", facts({"mass_kg": r.mass, "needs_air": r.needs_air,
                                              "propellant_kg": r.propellant_capacity}),
                         "Largest force [N] and torque [N m] along x, y, z of the base: "
                         + ", ".join(f"{v:.3g}" for v in r.limit_b) + ".", given(r.sources.items()))
            for r in shipped}  # fmt: skip


def formats() -> dict[str, str]:
    """Pages of the log formats."""
    return {name: page(name, FORMATS.get(name).summary, f"`stope flight import FILE --format {name}` reads it; "
                       + (f"`stope flight export LOG --to {name} --out FILE` writes it."
                          if FORMATS.get(name).write else "it is only read."),
                       "Fields and units: [log formats](../log-formats.md).",
                       inspect.getdoc(inspect.getmodule(FORMATS.get(name).read)) or "")
            for name in FORMATS}  # fmt: skip


def systems() -> dict[str, str]:
    """Pages of the machines, the one that cannot train included."""
    return {row["name"]: page(row["name"], row["summary"], facts(row),
                              given(row["sources"].items()) if "sources" in row else "")
            for row in system_rows()}  # fmt: skip


def tasks() -> dict[str, str]:
    """Pages of the tasks; the first line says where a classical controller wins."""
    out: dict[str, str] = {}
    for name in TASK_NAMES:
        kind: Any = task_class(name)
        about = inspect.getdoc(importlib.import_module(kind.__module__)) or ""
        named = getattr(kind, "observation_names", ())
        senses = "" if not isinstance(named, tuple) else "\n".join(f"- {text}" for text in named)
        out[name] = page(name, rival(name),
                         f"`stope train {name}`, `stope evaluate {name}`, `stope world practise {name}`",
                         about, "## Its numbers\n\n" + table(["setting", "default"], (
                             [f"`task.{f.name}`", f"`{getattr(kind(), f.name)!r}`"] for f in fields(kind))),
                         f"## What it senses\n\n{senses}" if senses else "",
                         "How it is trained: [skills](../../explanation/skills.md).")  # fmt: skip
    return out


def rival(name: str) -> str:
    """One line: who does better, the policy or what learns nothing, as measured."""
    found = json.loads((RESULTS / "flights.json").read_text(encoding="utf-8"))["skills"].get(name)
    if found is not None:
        rates = {who: row["prior"] for who, row in found["baselines"].items()}
        best = max(rates, key=lambda who: rates[who]["success"])
        policy = found["conditions"]["prior"]
        return (
            f"**Against a classical controller**, over the prior, n = {policy['n']}: the policy docks in "
            f"{_rate(policy)}, the adaptive controller in {_rate(rates['adaptive'])}; best of those that learn nothing "
            f"is `{best}`, {_rate(rates[best])} ([adaptive control](../../explanation/adaptive-control.md))."
        )
    found = json.loads((RESULTS / "skills.json").read_text(encoding="utf-8"))["skills"].get(name)
    if found is None or not found["paired"]:
        return "**Against its script**: not measured."
    words = {"other": "the script", "policy": "the policy", "neither shown": "neither, as far as shown"}
    told = ", ".join(f"told {told}: {words[pair['better_success']]}" for told, pair in found["paired"].items())
    return (
        f"**Against its script**, which learns nothing: better in success at 95 %, {told} "
        f"(n = {next(iter(found['paired'].values()))['n']}; [skills](../../explanation/skills.md))."
    )


def _rate(cell: dict[str, Any]) -> str:
    return f"{100 * cell['success']:.1f} % ({100 * cell['low']:.1f} to {100 * cell['high']:.1f})"


KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "tasks": tasks, "bodies": bodies, "robots": robots, "formats": formats, "systems": systems,
}  # fmt: skip
