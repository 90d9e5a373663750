# SPDX-License-Identifier: Apache-2.0
"""README and tutorials in Traditional Chinese keep in step with the English ones."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from results_words import translated

ROOT = Path(__file__).parents[2]
PAIRS = [
    (page.with_name(page.name.replace(".zh-TW", "")), page)
    for page in [ROOT / "README.zh-TW.md", *sorted((ROOT / "docs").rglob("*.zh-TW.md"))]
]
IDS = [str(chinese.relative_to(ROOT)) for _, chinese in PAIRS]
both = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=IDS)


def blocks(text: str) -> list[str]:
    """Code blocks without their comments, which are translated."""
    return [re.sub(r"[ \t]+# .*$", "", code, flags=re.M) for code in re.findall(r"^```.*?^```", text, re.S | re.M)]


def prose(text: str) -> str:
    """What is not code in a block."""
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def headings(text: str) -> list[int]:
    """Level of each heading."""
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(text), re.M)]


def links(text: str) -> Counter[str]:
    """Where each link and picture leads, the one to the other language left out."""
    text = re.sub(r"^\[(?:English|繁體中文)\]\(.*\)$", "", text, flags=re.M)
    return Counter(target.replace(".zh-TW", "") for target in re.findall(r"\]\(([^)]+)\)", text))


def numbers(text: str) -> Counter[str]:
    """Each number of the prose, links left out."""
    return Counter(re.findall(r"\d+(?:[.,]\d+)*(?:e-?\d+)?", re.sub(r"\]\([^)]+\)", "", prose(text))))


def test_readme_and_every_tutorial_have_an_edition() -> None:
    english = {ROOT / "README.md"} | {p for p in (ROOT / "docs" / "tutorials").glob("*.md") if ".zh-TW" not in p.name}
    assert {one for one, _ in PAIRS} == english


@both
def test_code_blocks_headings_inline_code_and_tables_are_the_same(english: Path, chinese: Path) -> None:
    ours, theirs = (page.read_text(encoding="utf-8") for page in (english, chinese))
    assert blocks(theirs) == blocks(ours)
    assert headings(theirs) == headings(ours)
    inline = [Counter(re.findall(r"`([^`]+)`", prose(text))) for text in (ours, theirs)]
    assert inline[0] == inline[1]
    rows = [len(re.findall(r"^\|", prose(text), re.M)) for text in (ours, theirs)]
    assert rows[0] == rows[1]


@both
def test_numbers_and_links_are_the_same(english: Path, chinese: Path) -> None:
    ours, theirs = (page.read_text(encoding="utf-8") for page in (english, chinese))
    assert numbers(theirs) == numbers(ours)
    assert links(theirs) == links(ours)


@both
def test_each_links_to_the_other(english: Path, chinese: Path) -> None:
    assert f"[繁體中文]({chinese.name})" in english.read_text(encoding="utf-8")
    text = chinese.read_text(encoding="utf-8")
    assert f"[English]({english.name})" in text
    assert len(re.findall(r"[\u4e00-\u9fff]", text)) > 100


def test_no_english_is_left_in_the_translated_table() -> None:
    text = (ROOT / "README.zh-TW.md").read_text(encoding="utf-8")
    shown = text.split("<!-- results: begin -->", 1)[1].split("<!-- results: end -->", 1)[0]
    kept = {"anchor", "capture", "dig", "dock", "haul", "hop", "MuJoCo", "Gymnasium", "stable-baselines3", "stope",
            "PD", "T2", "T3", "n", "s", "t", "mm", "x", "L"}  # fmt: skip
    left = set(re.findall(r"[A-Za-z_][A-Za-z0-9_-]*", re.sub(r"`[^`]*`", "", shown))) - kept
    assert not left, left
    assert translated("time to success") == "成功所需時間"
