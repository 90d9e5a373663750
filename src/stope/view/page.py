# SPDX-License-Identifier: Apache-2.0
"""Parts of a report's page: each takes plain data and returns HTML, with every text escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from stope.view.look import NIGHT, PAPER, css_variables
from stope.view.numbers import THIN, figure_interval, figure_value, number, quantity
from stope.view.plots import plot_svg

__all__ = ["assumption_table", "cards", "document", "figure_table", "hows", "paragraphs", "plots", "table", "timing",
           "tree_table"]  # fmt: skip

LONG_TABLE = 16
"""Rows of a table that is folded until somebody asks for it."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load for the page: nothing from anywhere."""
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s<>\"'&]*[^\s<>\"'&.,;:)]")
_UNIT_AFTER = re.compile(r"(?<=\d) (?=(?:%|t|kg|g|m|mm|cm|km|s|h|deg|N|W|Wh|kWh)(?!\w))")
"""A space that must not break a line."""
_CODE = re.compile(r"`([^`]+)`")
_NUMERIC = re.compile(r"^([\u2212+-]?\d[\d\u202f.,]*(e[+-]?\d+)?( ?%)?( to .*)?)?$")


def words(text: str) -> str:
    """Escaped text; `code` as such, a DOI as a link (a link is not fetched)."""
    escaped = html.escape(_UNIT_AFTER.sub("\u00a0", text), quote=True)
    linked = _DOI.sub(lambda m: f'<a href="https://doi.org/{m[0]}">{m[0]}</a>', escaped)
    return _CODE.sub(r"<code>\1</code>", linked)


def paragraphs(text: str) -> str:
    """Paragraphs, which an empty line parts."""
    return "".join(f"<p>{words(part.strip())}</p>\n" for part in re.split(r"\n\s*\n", text) if part.strip())


def slug(text: str) -> str:
    """A title as the name of an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"


def _how(figure: Mapping[str, Any]) -> str:
    what = f"{figure['what']}. " if figure.get("what") else ""
    text = f"{what}{figure['basis'].capitalize()}: {figure['how']}."
    return f'<details class="how-here"><summary>how</summary><p>{words(text)}</p></details>'


def cards(figures: Iterable[Mapping[str, Any]]) -> str:
    """Key figures side by side."""
    items = []
    for figure in figures:
        interval = figure_interval(figure)
        bracket = f'<p class="interval">({words(interval)})</p>' if interval else ""
        items.append(
            f'<li class="card"><p class="name">{words(figure["name"])}</p>'
            f'<p class="value">{words(figure_value(figure))}</p>{bracket}{_how(figure)}</li>'
        )
    return f'<ul class="cards">\n{chr(10).join(items)}\n</ul>\n'


def figure_table(figures: Sequence[Mapping[str, Any]]) -> str:
    """Figures below each other; nothing for none."""
    if not figures:
        return ""
    rows = [
        f'<tr><th scope="row">{words(figure["name"])}</th><td class="value">{words(figure_value(figure))}</td>'
        f'<td class="interval">{_bracketed(figure)}</td><td class="how">{_how(figure)}</td></tr>'
        for figure in figures
    ]
    head = (
        '<tr><th scope="col">figure</th><th scope="col" class="number">value</th><th scope="col">interval</th>'
        '<th scope="col">how it arose</th></tr>'
    )
    return f'<div class="figures"><table><thead>{head}</thead><tbody>\n{chr(10).join(rows)}\n</tbody></table></div>\n'


def _bracketed(figure: Mapping[str, Any]) -> str:
    interval = figure_interval(figure)
    return f"({words(interval)})" if interval else ""


def table(data: Mapping[str, Any] | None, *, name: str) -> str:
    """A table as it was given; folded when it is long, and scrolling sideways when it is wide. Nothing for none."""
    if data is None:
        return ""
    texts = [[_cell(cell) for cell in row] for row in data["rows"]]
    columns = list(zip(*texts, strict=True)) if texts else [()] * len(data["columns"])
    numeric = [k > 0 and all(_NUMERIC.match(text) for text in column) for k, column in enumerate(columns)]
    head = "".join(_head(column, is_number=n) for column, n in zip(data["columns"], numeric, strict=True))
    body = "\n".join(
        "<tr>" + "".join(_body_cell(text, k, is_number=n) for k, (text, n) in enumerate(zip(row, numeric, strict=True)))
        + "</tr>"
        for row in texts
    )  # fmt: skip
    whole = (
        f'<div class="scroll" role="region" aria-label="{html.escape(name, quote=True)}" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>\n"
    )
    if len(texts) < LONG_TABLE:
        return whole
    return f'<details class="table"><summary>table of {len(texts)} rows</summary>\n{whole}</details>\n'


def _head(text: str, *, is_number: bool) -> str:
    return f'<th scope="col"{" class=number" if is_number else ""}>{words(text)}</th>'


def _body_cell(text: str, column: int, *, is_number: bool) -> str:
    if column == 0:
        return f'<th scope="row">{words(text)}</th>'
    return f"<td{' class=number' if is_number else ''}>{words(text)}</td>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)


def plots(rows: Iterable[Mapping[str, Any]], *, key: str) -> str:
    """Drawings side by side, each with its caption; `key` is unique on the page. Nothing for none."""
    items = [
        f"<figure><figcaption><strong>{words(plot['title'])}</strong> {words(plot['caption'])}</figcaption>\n"
        f"{plot_svg(plot, key=f'{key}-{k}')}</figure>"
        for k, plot in enumerate(rows)
    ]
    return f'<div class="plots">\n{chr(10).join(items)}\n</div>\n' if items else ""


def hows(figures: Iterable[Mapping[str, Any]]) -> str:
    """How each figure arose; those that arose alike stand together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for figure in figures:
        names = groups.setdefault((figure["how"], figure["basis"]), [])
        what = f" ({figure['what']})" if figure.get("what") else ""
        if figure["name"] + what not in names:
            names.append(figure["name"] + what)
    items = [
        f"<dt>{words('; '.join(names))}</dt><dd>{words(f'{basis.capitalize()}: {how}.')}</dd>"
        for (how, basis), names in groups.items()
    ]
    return f'<dl class="hows">\n{chr(10).join(items)}\n</dl>\n'


def assumption_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """What was assumed or chosen, each with its source."""
    body = "\n".join(
        f'<tr><th scope="row">{words(row["name"])}</th><td class="number">{words(_valued(row))}</td>'
        f'<td class="path">{words(row["source"])}</td></tr>'
        for row in rows
    )
    head = (
        '<tr><th scope="col">assumption</th><th scope="col" class="number">value</th><th scope="col">source</th></tr>'
    )
    whole = f'<div class="stack"><table><thead>{head}</thead><tbody>\n{body}\n</tbody></table></div>\n'
    if len(rows) < LONG_TABLE:
        return whole
    return f'<details class="table"><summary>table of {len(rows)} rows</summary>\n{whole}</details>\n'


def _valued(row: Mapping[str, Any]) -> str:
    value = row["value"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _cell(value)
    return quantity(value, row["unit"])


def tree_table(tree: Mapping[str, Any]) -> str:
    """Nested names and values as one table of paths."""
    body = "\n".join(
        f'<tr><th scope="row">{words(name.replace("_", " "))}</th><td class="path"><code>{words(text)}</code></td></tr>'
        for name, text in _leaves(tree)
    )
    return f'<div class="provenance"><table><tbody>\n{body}\n</tbody></table></div>\n'


def _leaves(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            out += _leaves(value, f"{above}{key} / ")
        elif isinstance(value, list | tuple):
            out.append((above + key, ", ".join(_raw(v) for v in value)))
        else:
            out.append((above + key, _raw(value)))
    return out


def _raw(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def timing(data: Mapping[str, Any]) -> str:
    """Wall-clock by stage, the longest first, and what else is said of the run."""
    seconds = data.get("seconds")
    out = ""
    if isinstance(seconds, Mapping) and seconds:
        rows = [[name, number(s, 1)] for name, s in sorted(seconds.items(), key=lambda item: (-item[1], item[0]))]
        rows.append(["together", number(sum(seconds.values()), 1)])
        out += table({"columns": ["stage", "wall-clock, s"], "rows": rows}, name="wall-clock by stage")
    rest = {key: value for key, value in data.items() if key not in {"seconds", "plots"}}
    out += tree_table(rest) if rest else ""
    return out + plots(data.get("plots", []), key="timing")


@cache
def _style() -> str:
    sheet = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    return (
        f":root{{{css_variables(PAPER)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{css_variables(NIGHT)}}}}}\n{sheet}"
    )


def document(*, title: str, answer: str, parts: Sequence[tuple[str, str]], kicker: str, beside: str) -> str:
    """The whole page: the answer, where to find what, and the parts, each a title and its HTML."""
    data = f"<code>{html.escape(beside)}</code>"
    anchors: list[str] = []
    for name, _ in parts:
        anchor = slug(name)
        anchors.append(anchor if anchor not in anchors else f"{anchor}-{len(anchors)}")
    links = "".join(f'<li><a href="#{a}">{words(name)}</a></li>' for a, (name, _) in zip(anchors, parts, strict=True))
    body = "\n".join(
        f'<section id="{a}" aria-labelledby="{a}-title"><h2 id="{a}-title">{words(name)}</h2>\n{inner}</section>'
        for a, (name, inner) in zip(anchors, parts, strict=True)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}: report</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<header>\n"
        f'<p class="kicker">{words(kicker)}</p>\n<h1>{words(title)}</h1>\n<p class="answer">{words(answer)}</p>\n'
        f'<p class="reading">Brackets hold 95{THIN}% intervals, if they name no other, and the number of trials, n. '
        f"The same content as data is in {data}.</p>\n"
        f'<nav aria-label="Parts of this report"><ul>{links}</ul></nav>\n</header>\n<main>\n{body}\n</main>\n'
        f"<footer><p>Made by stope from {data}; this page loads nothing from anywhere.</p></footer>\n"
        "</body>\n</html>\n"
    )
