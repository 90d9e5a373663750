# SPDX-License-Identifier: Apache-2.0
"""The picture of the calibration: how far the ranks of the truth lie from uniform, a line a parameter, a panel a tier.

python benchmarks/calibration_plot.py docs/calibration.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import FigureBase

from stope.base.files import read_json, write_atomic
from stope.view.look import PAPER, Look, axes_in, draw_figure, png

KEPT = Path(__file__).parents[1] / "docs" / "results" / "calibration.json"


def draw(panel: FigureBase, tiers: list[dict[str, Any]], look: Look) -> None:
    """Distribution of the ranks minus uniform; the band is that of all lines together, at 95 %."""
    for k, (axes, tier) in enumerate(zip(panel.subplots(1, len(tiers), sharey=True, squeeze=False)[0], tiers,
                                         strict=True)):  # fmt: skip
        axes_in(axes, look, grid="y")
        band = tier["ks_band"]
        axes.fill_between([0.0, 1.0], -band, band, color=look.accent_pale, alpha=0.5, linewidth=0.0)
        for off in tier["ranks_off"].values():
            axes.plot(tier["ranks_at"], off, color=look.slate, linewidth=0.8, alpha=0.8)
        axes.set_title(f"{tier['tier']}, {tier['worlds']} worlds", loc="left", color=look.ink)
        axes.set_xlabel("rank of the truth in its belief")
        if k == 0:
            axes.set_ylabel("share of ranks below, minus uniform")


def main() -> None:
    """Draw what is kept."""
    # A tier that was measured before ranks were kept has none to draw.
    tiers = [tier for tier in read_json(KEPT, what="calibration")["tiers"] if "ranks_off" in tier]
    figure = draw_figure(lambda panel, look: draw(panel, tiers, look), 320.0, PAPER, width=760.0)
    write_atomic(Path(sys.argv[1]), png(figure, ground=PAPER.ground))


if __name__ == "__main__":
    main()
