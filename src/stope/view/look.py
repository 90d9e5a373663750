# SPDX-License-Identifier: Apache-2.0
"""How everything in a report looks: one accent colour on paper or on night, and SVG that follows the page's scheme.

Drawers take a `Look` and use its colours only. An SVG for a page is drawn with the colours of PAPER; each is then
replaced by the page's variable of the same name, so one drawing is legible in the light and in the dark scheme.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, FigureBase

__all__ = ["NIGHT", "PAPER", "Look", "axes_in", "css_variables", "draw_figure", "page_svg", "png", "svg"]

WIDTH = 440.0
"""Of a plot on a page [px]: two stand side by side on a desk, one fills a telephone."""
FONT_SIZE = 12.5
"""Of the words in a plot [px]."""
PNG_DPI = 216
"""Of a PNG, three pixels for each of the page's (a point is a pixel here)."""
IMAGE_DPI = 170
"""Of images inside an SVG; its lines have no resolution."""
_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so the layout is the same on every machine
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "stope",
    "path.simplify": False,
    "text.parse_math": False,  # names are a user's own, and a dollar in one is a dollar
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Colours by their use; no two of one look are alike, none is pure black."""

    ground: str
    """Behind everything."""
    ink: str
    """Words."""
    muted: str
    """Words of second rank, and what is compared with."""
    rule: str
    """Lines of tables and axes."""
    accent: str
    """What the eye should see first."""
    accent_soft: str
    """The same thing, second."""
    accent_pale: str
    """And third; bands."""
    slate: str
    """Energy and propellant."""
    slate_soft: str
    """The same, second."""
    grey: str
    """Waiting."""
    grey_soft: str
    """Idle."""
    alarm: str
    """Repair and loss."""
    alarm_soft: str
    """The same, second."""


PAPER = Look(
    ground="#fbfaf7", ink="#1e2126", muted="#5d6169", rule="#d9d6ce", accent="#a5431b", accent_soft="#c4764d",
    accent_pale="#ecc9b5", slate="#3f6079", slate_soft="#93aabb", grey="#a3a19b", grey_soft="#e3e1da",
    alarm="#2f2b3d", alarm_soft="#77718c",
)  # fmt: skip
NIGHT = Look(
    ground="#15171b", ink="#e9e6df", muted="#a3a7b0", rule="#363a42", accent="#f09460", accent_soft="#b56a42",
    accent_pale="#6d4530", slate="#8db4d0", slate_soft="#4a6880", grey="#74767b", grey_soft="#3a3d43",
    alarm="#d9d2f0", alarm_soft="#8f88ab",
)  # fmt: skip


def css_variables(look: Look) -> str:
    """The colours as custom properties of a style sheet."""
    return "".join(f"--{f.name.replace('_', '-')}:{getattr(look, f.name)};" for f in fields(Look))


Draw = Callable[[FigureBase, Look], None]


def draw_figure(draw: Draw, height: float, look: Look, *, width: float = WIDTH) -> Figure:
    """A figure with transparent ground, `width` x `height` [px], drawn by `draw`; a point is a pixel of the page."""
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width / 72.0, height / 72.0), dpi=72.0, layout="constrained")
        figure.patch.set_alpha(0.0)
        figure.get_layout_engine().set(w_pad=3 / 72, h_pad=3 / 72, wspace=0.03, hspace=0.03)  # type: ignore[union-attr]
        draw(figure, look)
    return figure


def axes_in(axes: Axes, look: Look, *, sides: str = "lb", grid: str = "") -> Axes:
    """Dress axes: the sides among "lbrt" stay, `grid` is "x", "y" or "both"."""
    for side, name in (("l", "left"), ("b", "bottom"), ("r", "right"), ("t", "top")):
        axes.spines[name].set_visible(side in sides)
        axes.spines[name].set_color(look.rule)
    axes.set_facecolor("none")
    axes.tick_params(colors=look.muted, length=3.0, width=0.8, labelcolor=look.muted, color=look.rule)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(look.muted)
    if grid:
        axes.grid(axis=grid, color=look.rule, linewidth=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)
    return axes


def svg(figure: Figure) -> str:
    """A figure as an SVG document; the same bytes for the same figure."""
    figure.set_dpi(IMAGE_DPI)
    with rc_context(_SETTINGS):
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(
            buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return buffer.getvalue()


def png(figure: Figure, *, dpi: float = PNG_DPI, ground: str | None = None) -> bytes:
    """A figure as a PNG without dates or names of software, on `ground` or on nothing."""
    with rc_context(_SETTINGS):
        figure.set_dpi(dpi)
        if ground is not None:
            figure.patch.set(facecolor=ground, alpha=1.0)
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def page_svg(document: str, *, key: str, label: str) -> str:
    """An SVG document as an element of a page.

    Args:
        document: From `svg`, drawn in the look PAPER.
        key: Unique on the page; keeps the clip paths of two drawings apart.
        label: What the drawing shows, for those who do not see it; already escaped.
    """
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]*)"', body)
    assert view is not None, "matplotlib writes a viewBox"
    body = body[body.index(">") + 1 :]
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', body))
    names = {name for pair in used for name in pair if name}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in names else "", body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{key}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", body)
    for field in fields(Look):
        body = body.replace(getattr(PAPER, field.name), f"var(--{field.name.replace('_', '-')})")
    body = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(r"<[^>]*>", lambda m: re.sub(r"(\d\.\d\d)\d+", r"\1", m[0]) if " d=" in m[0] else m[0], body)
    body = re.sub(r"\n\s*", "\n", body)
    return f'<svg viewBox="{view[1]}" role="img" aria-label="{label}">{body}'
