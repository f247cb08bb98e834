"""``--plot FILE.svg|png``: ratios with their quartiles, as a picture.

One panel for each floor, since no two rows of different floors are to be compared; rows as they
come in the report, those that may be ranked together side by side. Wants matplotlib (the extra
``plot``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pgmap import _cli
from pgmap._core_reports import BenchRow
from pgmap._judge import Judgement

SUFFIXES = (".svg", ".png")
#: Inches of a row, of what stands around a panel, and across.
ROW, AROUND, WIDTH = 0.28, 1.1, 9.0


def check_path(path: str) -> None:
    """Refuse a picture that cannot be drawn, before anything is measured for it."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise _cli.UsageError(f"--plot wants a name that ends in {' or '.join(SUFFIXES)}: {path}")
    if find_spec("matplotlib") is None:
        raise _cli.UsageError("--plot needs matplotlib: pip install 'pgmap[plot]'")


def plot(path: str, judged: Sequence[tuple[BenchRow, Judgement]], found: Mapping[str, Any]) -> None:
    """Draw the rows and keep the picture; `OSError` if it cannot be written."""
    from matplotlib.figure import Figure

    panels: dict[str, list[BenchRow]] = {}
    noisy = set[str]()
    for row, judgement in judged:
        panels.setdefault(row["floor"], []).append(row)
        if judgement is Judgement.NOISY:
            noisy.add(row["floor"])
    heights = [AROUND + ROW * len(members) for members in panels.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (floor, members) in zip(axes, panels.items(), strict=True):
        places = range(len(members), 0, -1)
        middles = [row["ratio"] for row in members]
        below = [max(0.0, row["ratio"] - row["spread"][0]) for row in members]
        above = [max(0.0, row["spread"][1] - row["ratio"]) for row in members]
        axis.errorbar(middles, places, xerr=[below, above], fmt="o", capsize=3)
        axis.axvline(1.0, linewidth=1, linestyle=":")
        axis.set_yticks(list(places), [row["name"] for row in members])
        axis.set_xscale("log")
        said = " (NOISY: nothing can be read from it)" if floor in noisy else ""
        axis.set_xlabel(f"ratio to: {floor}{said}")
        axis.grid(visible=True, axis="x", which="both", alpha=0.3)
    figure.suptitle(f"{found.get('cpu', 'unknown processor')}; medians with quartiles")
    figure.savefig(path)
