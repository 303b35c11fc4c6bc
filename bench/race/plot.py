# SPDX-License-Identifier: MIT
"""Bars: how fast each contestant is, aispipe = 1, with the least and the most of the rounds."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402: the backend must be chosen first

from .report import number  # noqa: E402

OURS, THEIRS, GRID = "#1f6f8b", "#b8c4cc", "#dddddd"


def panel(axes, figures):
    """A rival's bar is its speed over aispipe's, taken within each round like the table's ratios."""
    contestants = figures["contestants"][::-1]
    middle = [1 / it["ratio"] for it in contestants]
    spread = [[m - 1 / it["ratio_most"] for m, it in zip(middle, contestants)],
              [1 / it["ratio_least"] - m for m, it in zip(middle, contestants)]]
    colours = [OURS if it["id"] == "aispipe" else THEIRS for it in contestants]
    axes.barh(range(len(contestants)), middle, xerr=spread, color=colours, ecolor="#555555", capsize=2, height=0.7)
    axes.axvline(1, color=OURS, linewidth=1)
    right = max(m + s for m, s in zip(middle, spread[1]))
    for row, it in enumerate(contestants):
        axes.text(right * 1.02, row, f"{number(it['median'])}/s", va="center", fontsize=8)
    axes.set_yticks(range(len(contestants)), [it["name"] for it in contestants], fontsize=8)
    axes.set_xlim(0, right * 1.18)
    axes.set_title(f"{figures['title']}, {figures['where']} ({figures['file_system']})", fontsize=10, loc="left")
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=8)


def draw(path, all_figures, machine_line):
    wide = min(2, len(all_figures))
    tall = (len(all_figures) + wide - 1) // wide
    figure, grid = plt.subplots(tall, wide, figsize=(7.5 * wide, 3.1 * tall + 0.8), squeeze=False)
    panels = list(grid.flat)
    for axes, figures in zip(panels, all_figures):
        panel(axes, figures)
    for axes in panels[len(all_figures):]:
        axes.set_visible(False)
    figure.suptitle("Speed, aispipe = 1 (longer is faster; lines: least and most of the rounds)", fontsize=12)
    figure.text(0.01, 0.005, machine_line, fontsize=7, color="#555555")
    figure.tight_layout(rect=(0, 0.02, 1, 0.99))
    figure.savefig(path, dpi=110, format="png")
    plt.close(figure)
