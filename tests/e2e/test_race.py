# SPDX-License-Identifier: MIT
"""bench/compare: everybody takes part, the table says what the rounds gave, and wrong results are found out. No test
looks at how fast anybody was."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import pytest
from harness import PROGRAM, ROOT, environment
from programs import Program

RIVALS = {"ort-loop", "ort-os", "ort-threads", "ov-sync", "ov-async"}
APP = {"app-same", "app-latency", "app-throughput"}


def race(*options, status=0, program=PROGRAM):
    # The launcher uses the clone's own environment, and would install it; a test must not.
    own = ROOT / ".venv" / "bin"
    launcher = [str(ROOT / "bench" / "compare")] if sys.executable.startswith(f"{own}/") else [sys.executable, "-m", "race"]
    command = [*launcher, "--quick", "--where", "memory", "--aispipe", program, *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170,
                          env=environment({"PYTHONPATH": str(ROOT / "bench")}))  # fmt: skip
    assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
    return done


def reports():
    sys.path.insert(0, str(ROOT / "bench"))
    from race import report

    return report


@pytest.mark.parametrize(("case", "rounds", "rivals"), [("tiny", 2, RIVALS | APP), ("copy", 1, RIVALS | {"cp"})])
def test_all_take_part(case, rounds, rivals, tmp_path):
    import matplotlib  # noqa: F401: bench/compare would install it; `sh tools/check` does

    plot = tmp_path / "plot.png"
    done = race("--only", case, "--json", "--rounds", rounds, "--plot", plot)
    (line,) = done.stdout.splitlines()
    figures = json.loads(line)
    assert (figures["case"], figures["where"], figures["rounds"]) == (case, "memory", rounds)
    contestants = {it["id"]: it for it in figures["contestants"]}
    assert set(contestants) == rivals | {"aispipe"}
    ours = contestants["aispipe"]["rates"]
    for it in contestants.values():
        assert len(it["rates"]) == rounds and min(it["rates"]) > 0 and it["whole_s"] > 0
        assert it["least"] <= it["median"] <= it["most"]
        wanted = statistics.median(a / b for a, b in zip(ours, it["rates"]))
        assert it["ratio"] == pytest.approx(wanted)
    assert plot.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and plot.stat().st_size > 10000
    tables_hold(figures)


def tables_hold(figures):
    """Both forms of the table have a row for each contestant and a verdict on each target."""
    text, markdown = reports().text(figures), reports().markdown(figures)
    for it in figures["contestants"]:
        assert text.count(f"\n{it['name']} (") == 1
        assert markdown.count(f"\n| {it['name']} (") == 1
    for target in figures["targets"]:
        verdict = f"{'met' if target['ratio'] >= target['least'] else 'MISSED'}: {target['ratio']:.3f} × {target['what']}"
        assert verdict in text and verdict in markdown


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("y = np.fromfile(last, np.float32); y[3] += 0.01 * abs(y).max(); y.tofile(last)", "differs from"),
        ("last.unlink()", "not one for each of 200 files"),
        ("last.write_bytes(last.read_bytes()[:-4])", "has 9 values, not 10"),
    ],
)
def test_wrong_results_are_found(damage, complaint, tmp_path):
    """A program that does everything right, but for one result."""
    body = f"""
import pathlib, subprocess
import numpy as np
subprocess.run([{PROGRAM!r}, *sys.argv[1:]], check=True)
word = lambda option: sys.argv[sys.argv.index(option) + 1]
last = pathlib.Path(word("--output"), word("--output_dirname"), "000199_0.bin")
{damage}
"""
    liar = Program(tmp_path / "bin", "liar", body)
    done = race("--only", "tiny", "--plot", "", status=1, program=liar.path)
    assert done.stderr.splitlines()[-1].startswith("compare: aispipe: ") and complaint in done.stderr
    assert len(liar.starts) == 1


def test_memory_is_no_disk(tmp_path):
    done = race("--only", "tiny", "--where", "disk", "--dir", "/dev/shm", status=1)
    assert done.stderr.splitlines()[-1].startswith("compare: /dev/shm is in memory (tmpfs)")
