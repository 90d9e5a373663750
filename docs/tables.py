# SPDX-License-Identifier: Apache-2.0
"""Tables of the pages, written from what the code and `docs/results` hold when the documentation is built.

A page says `<!-- table: bodies -->` where it wants one. A name that is not known stops the build.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tabled import clusters, fleets, flying, learning, reference


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the tables of one page; the event of mkdocs."""
    return re.sub(r"<!-- table: (\S+) -->", lambda found: TABLES[found[1]](), markdown)


PARTS = (reference, learning, flying, fleets, clusters)
TABLES: dict[str, Callable[[], str]] = {name: write for part in PARTS for name, write in part.TABLES.items()}
