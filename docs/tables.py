# SPDX-License-Identifier: Apache-2.0
"""Tables of the pages, written from what the code and `docs/results` hold.

A page says `<!-- table: bodies -->` where it wants one. `python docs/tables.py`, which `make results` ends with, puts
it there, so that whoever reads the page's source sees it too. A name that is not known stops it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabled import clusters, fleets, flying, learning, reference

from stope.base.files import write_atomic

END = "<!-- end of table -->"
# What stands between a table's marks never holds another's.
_PLACE = re.compile(rf"<!-- table: (\S+) -->(?:(?:(?!<!-- table: ).)*?{END})?", re.DOTALL)


def filled(markdown: str, *, marked: bool = True) -> str:
    """A page with its tables as they are now, and their marks."""

    def put(found: re.Match[str]) -> str:
        written = TABLES[found[1]]().strip()
        return f"<!-- table: {found[1]} -->\n\n{written}\n\n{END}" if marked else f"{written}\n"

    return _PLACE.sub(put, markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the tables of one page; the event of mkdocs."""
    return filled(markdown, marked=False)


PARTS = (reference, learning, flying, fleets, clusters)
TABLES: dict[str, Callable[[], str]] = {name: write for part in PARTS for name, write in part.TABLES.items()}


def main() -> None:
    """Fill the tables of all pages."""
    for path in sorted(Path(__file__).parent.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if filled(text) != text:
            write_atomic(path, filled(text))


if __name__ == "__main__":
    main()
