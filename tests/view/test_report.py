# SPDX-License-Identifier: Apache-2.0
"""The page of a report: everything in the data is on it, nothing is fetched, the same data gives the same bytes."""

from __future__ import annotations

import copy
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError
from stope.view.look import NIGHT, PAPER, Look
from stope.view.report import read_report, render, write_report
from tests.view.builders import count_figure, mean_figure, plot, rate_figure, report

SLIM = {"sections": [], "figures": [mean_figure()]}


class Outline(HTMLParser):
    """What a page is made of."""

    void = frozenset({"meta", "link", "br", "img", "hr", "input"})

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it, and that it is open."""
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """It must be the one opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        self.text.append(data)

    @property
    def words(self) -> str:
        """All text, with plain spaces."""
        return re.sub(r"\s+", " ", "".join(self.text))


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the whole sample."""
    return render(report())


def outline(page: str) -> Outline:
    """Parse a page; every tag must be closed."""
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_same_report_gives_the_same_bytes_whatever_the_order_of_its_keys(page: str, tmp_path: Path) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(v) for v in value] if isinstance(value, list) else value

    assert render(turned(report())) == page
    html = write_report(report(), tmp_path)
    assert html == tmp_path / "report.html"
    assert html.read_text(encoding="utf-8") == page
    assert render(read_report(tmp_path / "report.json")) == page


def test_the_data_file_holds_the_report_and_nothing_else(tmp_path: Path) -> None:
    write_report(report(**SLIM), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report(**SLIM)))


def test_a_page_differs_only_in_its_timing_when_the_wall_clock_does() -> None:
    fast, slow = (render(report(**SLIM, timing={"seconds": {"train": s}})) for s in (1.0, 2.0))
    different = [pair for pair in zip(fast.splitlines(), slow.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(different) == 2  # the stage and the sum


def test_every_figure_assumption_and_digest_is_on_the_page(page: str) -> None:
    words = outline(page).words
    data = report()
    figures = [*data["figures"], *(f for s in data["sections"] for f in s.get("figures", []))]
    for figure in figures:
        assert figure["name"] in words
        assert figure["how"] in words
    for shown in ("26.84 t (26.75 to 26.92, n = 20)", "99.8 % (99.5 to 99.9, n = 2000)", "26 840 kg"):
        assert shown.replace(" (", "(") in words.replace(" (", "(")
    for row in data["assumptions"]:
        assert row["name"] in words
        assert row["source"] in words
    for text in ("stope mine ryugu-ferry --seed 1", "2.4.6", "fit flight", "8.1 to 10.9", data["answer"]):
        assert text in words


def test_the_page_fetches_nothing(page: str) -> None:
    tags = outline(page).tags
    assert {"script", "iframe", "object", "img", "form"}.isdisjoint(tag for tag, _ in tags)
    for tag, attributes in tags:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            target = attributes.get(name)
            if target is None:
                continue
            is_link = tag == "a" and target.startswith("https://doi.org/10.")
            assert is_link or target.startswith(("#", "data:")), (tag, target[:80])
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []
    assert re.findall(r"https?://(?!doi\.org/10\.)", page) == []
    assert "default-src 'none'" in page


def test_text_is_escaped_wherever_it_comes_from() -> None:
    evil = "<script>alert('x')</script>&\"`<b>`"
    data = report(title=evil, answer=evil, figures=[count_figure(evil, how=evil, unit=evil, what=evil)],
                  provenance={evil: evil}, timing={"seconds": {evil: 1.0}, evil: evil},
                  assumptions=[{"name": evil, "value": evil, "unit": evil, "source": evil}])  # fmt: skip
    shown = plot("bars", labels=[evil, "b", "c"], x_label=evil) | {"title": evil, "caption": evil}
    table = {"columns": [evil], "rows": [[evil]]}
    data["sections"] = [{"title": evil, "text": evil, "table": table, "plots": [shown], "figures": [mean_figure(evil)]}]
    page = render(data)
    assert "<script" not in page
    assert "<b>" not in page
    assert outline(page).words.count("<script>alert('x')</script>&\"") >= 14


def test_headings_are_in_order_and_every_picture_says_what_it_shows(page: str) -> None:
    tags = outline(page).tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    pictures = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(pictures) == 10
    for attributes in pictures:
        assert attributes["role"] == "img"
        assert str(attributes["aria-label"]).startswith("A plot of ")
    names = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(names) == len(set(names))
    links = {str(attributes["href"])[1:] for tag, attributes in tags if tag == "a" and "#" in str(attributes["href"])}
    assert links <= set(names)


def contrast(one: str, other: str) -> float:
    """Ratio of WCAG 2 between two colours."""

    def luminance(colour: str) -> float:
        c = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255.0
        return float(np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", [PAPER, NIGHT], ids=["paper", "night"])
def test_words_and_marks_can_be_told_from_the_ground(look: Look) -> None:
    for colour in (look.ink, look.muted, look.accent):
        assert contrast(colour, look.ground) >= 4.5  # AA for text
    for colour in (look.accent_soft, look.slate):
        assert contrast(colour, look.ground) >= 3.0  # AA for parts of a drawing


def test_plots_take_their_colours_from_the_page(page: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--accent)" in drawings
    for colour in (PAPER.ink, PAPER.muted, PAPER.accent, "#000000"):
        assert colour not in drawings
    assert f"--ink:{PAPER.ink};" in page
    assert f"--ink:{NIGHT.ink};" in page


def test_a_page_with_every_kind_of_plot_stays_small(page: str) -> None:
    assert len(page.encode()) < 1_000_000


def test_a_rate_near_one_is_never_rounded_to_certainty() -> None:
    words = outline(render(report(**SLIM | {"figures": [rate_figure(successes=19999, n=20000)]}))).words
    assert "99.995 %" in words.replace("\u202f", " ")
    assert "100.0 %" not in words


def broken(**changes: Any) -> dict[str, Any]:
    """A slim report with one fault."""
    return report(**SLIM | changes)


def with_figure(**changes: Any) -> dict[str, Any]:
    """A slim report whose only figure is a rate with changes; None takes a key out."""
    figure = rate_figure() | changes
    return broken(figures=[{k: v for k, v in figure.items() if v is not None}])


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (with_figure(n=None), "figures[0] (docking, default physics).n: missing. A rate carries n"),
        (with_figure(low=None, high=None, level=None), ".low: missing. A rate carries n and its interval"),
        (with_figure(value=99.8), "= 99.8 (0.9948"),
        (with_figure(value="0.9"), ".value = '0.9': expected a finite number"),
        (with_figure(level=95), ".level = 95: expected a fraction"),
        (with_figure(n=12.5), ".n = 12.5: expected a whole number"),
        (with_figure(basis="guessed"), "expected one of measured, simulated"),
        (with_figure(kind="share"), "expected one of rate, mean"),
        (with_figure(how=""), ".how = '': expected text"),
        (with_figure(haw="x"), "field 'haw' is unknown. Closest: 'how'"),
        (broken(figures=[mean_figure(n=None)]), ".n: missing. A mean says of how many"),
        (broken(figures=[mean_figure(low=30.0)]), ".low = 30: lies above high"),
        (broken(figures=[mean_figure(high=None)]), "expected all of 'low', 'high' and 'level'"),
        (broken(figures=[mean_figure(value=float("nan"))]), "report.figures[0].value = nan: expected"),
        (broken(figures=[mean_figure(value=float("inf"))]), "report.figures[0].value = inf: expected"),
        (broken(provenance={"seed": np.int64(1)}), "report.provenance.seed = np.int64(1): expected text"),
        (broken(answer=""), "report.answer = '': expected text"),
        (broken(sections=[{"title": "x"}]), "sections[0]: field 'text' is missing"),
        (broken(sections=[{"title": "x", "text": "", "table": {"columns": ["a", "b"], "rows": [["1"]]}}]),
         "table.rows[0] = ['1']: expected 2 cells"),
        (broken(sections=[{"title": "x", "text": "", "plots": [plot("daily", mean=[1.0])]}]), "p05: 30 numbers"),
        (broken(assumptions=[{"name": "a", "value": 1, "unit": "h"}]), "field 'source' is missing"),
        (broken(sections={}), "report.sections = {}: expected a list"),
        ({"title": "x"}, "field 'answer' is missing"),
    ],
)  # fmt: skip
def test_a_report_that_lacks_something_is_refused_in_one_line(bad: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        write_report(bad, tmp_path)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_reading_a_report_names_the_file_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with pytest.raises(FileError, match=r"report\.json: no such report file"):
        read_report(path)
    path.write_text('{"title": "x"')
    with pytest.raises(FileError, match="not a whole report file"):
        read_report(path)
    data = copy.deepcopy(report(**SLIM))
    del data["figures"][0]["how"]
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=r"report\.json\.figures\[0\]: field 'how' is missing"):
        read_report(path)
