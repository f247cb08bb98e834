"""``races matrix --plot FILE.svg|png``: the matrix as a picture.

A row for each race, a column for each era; what breaks stands in its cell, on red that is the
darker the fewer preemptions it takes. What holds is empty, what nobody can tell or the era cannot
run is grey. Wants matplotlib (the extra ``plot``).
"""

from __future__ import annotations

from collections.abc import Sequence

from pgmap._objects import MatrixCell, MatrixRow

#: Inches of a row and of a column, and what names take.
ROW, COLUMN, NAMES = 0.26, 0.62, 2.6
#: By preemptions, as many as there are shades; more take the last.
SHADES = ("#b2182b", "#ef8a62", "#fddbc7")
UNTOLD = "#d0d0d0"


def shade(told: MatrixCell) -> str | None:
    """The colour behind a cell; none if nothing breaks."""
    bound = told["preemptions"]
    if bound is not None:
        return SHADES[min(bound, len(SHADES) - 1)]
    return None if told["ends"] == "holds" else UNTOLD


def plot(path: str, rows: Sequence[MatrixRow], eras: Sequence[str]) -> None:
    """Draw the rows and keep the picture; `OSError` if it cannot be written."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    size = (NAMES + COLUMN * len(eras), NAMES / 2 + ROW * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    for down, row in enumerate(rows):
        for across, told in enumerate(row["cells"]):
            colour = shade(told)
            if colour is None:
                continue
            axis.add_patch(Rectangle((across - 0.5, down - 0.5), 1, 1, color=colour, linewidth=0))
            axis.text(across, down, told["ends"], ha="center", va="center", fontsize=6)
    axis.set_xlim(-0.5, len(eras) - 0.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xticks(range(len(eras)), eras, rotation=60, ha="left", fontsize=8)
    axis.set_yticks(range(len(rows)), [row["race"] for row in rows], fontsize=8)
    axis.xaxis.tick_top()
    axis.set_xticks([at - 0.5 for at in range(1, len(eras))], minor=True)
    axis.set_yticks([at - 0.5 for at in range(1, len(rows))], minor=True)
    axis.grid(visible=True, which="minor", linewidth=0.4, alpha=0.4)
    axis.tick_params(which="both", length=0)
    figure.savefig(path)
