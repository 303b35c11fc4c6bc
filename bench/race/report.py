# SPDX-License-Identifier: MIT
"""The table, for a terminal or as Markdown."""

import os
import platform
from importlib.metadata import version

HEAD = ("", "samples/s", "least … most", "aispipe / it", "least … most", "process, s")

NOTES = """\
Samples/s: median of the rounds, each contestant's own loop over the files; starting up, compiling and listing the
directory are left out for everybody (cp -r: the whole of it). "process" is the wall time of the whole process. "aispipe /
it" is taken within each round, then the median. benchmark_app reads and writes no files. All of them compute in float32;
inputs are warm in the page cache; results were compared with ONNX Runtime's (copy model: with the inputs)."""


def machine():
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("model name")]
        processor = lines[0].split(":", 1)[1].strip() if lines else processor
    except OSError:
        pass
    return {"processor": processor, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "python": platform.python_version(), "openvino": version("openvino"), "onnxruntime": version("onnxruntime"),
            "numpy": version("numpy"), "load_average": os.getloadavg()[0]}


def machine_line(facts):
    return (f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}; OpenVINO {facts['openvino']}, "
            f"ONNX Runtime {facts['onnxruntime']}, Python {facts['python']}; load average at the start "
            f"{facts['load_average']:.1f}")


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def caption(figures):
    size = f"{figures['bytes'] / 1024:.0f} KiB"
    return (f"{figures['title']}, {figures['where']} ({figures['file_system']}): {figures['files']:,} files of {size}, "
            f"executions at a time: {figures['threads']}, cores: {figures['cores']}, rounds: {figures['rounds']}")


def rows(figures):
    for it in figures["contestants"]:
        ours = it["id"] == "aispipe"
        yield (f"{it['name']} ({it['note']})", number(it["median"]), f"{number(it['least'])} … {number(it['most'])}",
               "" if ours else f"{it['ratio']:.3f}",
               "" if ours else f"{it['ratio_least']:.3f} … {it['ratio_most']:.3f}", f"{it['whole_s']:.2f}")


def verdicts(figures):
    for target in figures["targets"]:
        rival = "" if target["what"].startswith(target["rival"]) else f" ({target['rival']})"
        yield (f"{'met' if target['met'] else 'MISSED'}: {target['ratio']:.3f} × {target['what']}{rival}, target "
               f"{target['least']:g} ×")


def text(figures):
    lines = list(rows(figures))
    widths = [max(len(line[i]) for line in [HEAD, *lines]) for i in range(len(HEAD))]
    out = [caption(figures), ""]
    for line in [HEAD, *lines]:
        out.append("  ".join(cell.ljust(widths[0]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(line)))
    return "\n".join([*out, "", *verdicts(figures), ""])


def markdown(figures):
    out = [f"**{caption(figures)}**", "", "| " + " | ".join(HEAD) + " |", "|---" + "|--:" * (len(HEAD) - 1) + "|"]
    out += ["| " + " | ".join(line) + " |" for line in rows(figures)]
    return "\n".join([*out, "", *(f"- {verdict}" for verdict in verdicts(figures)), ""])
