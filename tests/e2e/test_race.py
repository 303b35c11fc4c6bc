# SPDX-License-Identifier: MIT
"""bench/compare: everybody takes part, the table says what the rounds gave, and wrong results are found out. No test
looks at how fast anybody was."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import models
import numpy as np
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


def module(name):
    sys.path.insert(0, str(ROOT / "bench"))
    return importlib.import_module(f"race.{name}")


@pytest.mark.parametrize(("case", "rivals"), [("tiny", RIVALS | APP), ("copy", RIVALS | {"cp"})])
def test_all_take_part(case, rivals, tmp_path):
    import matplotlib  # noqa: F401: bench/compare would install it; `sh tools/check` does

    plot = tmp_path / "plot.png"
    done = race("--only", case, "--json", "--rounds", "1", "--plot", plot)
    (line,) = done.stdout.splitlines()
    figures = json.loads(line)
    assert (figures["case"], figures["where"], figures["rounds"]) == (case, "memory", 1)
    contestants = {it["id"]: it for it in figures["contestants"]}
    assert set(contestants) == rivals | {"aispipe"}
    ours = contestants["aispipe"]["rates"]
    for it in contestants.values():
        assert len(it["rates"]) == 1 and min(it["rates"]) > 0 and it["whole_s"] > 0
        assert it["least"] <= it["median"] <= it["most"]
        assert it["ratio"] == pytest.approx(ours[0] / it["rates"][0])
    assert plot.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and plot.stat().st_size > 10000
    tables_hold(figures)


def tables_hold(figures):
    """Both forms of the table have a row for each contestant and a verdict on each target."""
    report = module("report")
    text, markdown = report.text(figures), report.markdown(figures)
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


@pytest.mark.parametrize("rival", ["onnxruntime_threads", "openvino_async"])
def test_a_thread_that_fails_ends_its_rival(rival, tmp_path):
    """The others would wait for it for ever."""
    model = models.matmul()
    shape, inputs = model.inputs[0].shape, tmp_path / "inputs"
    inputs.mkdir()
    for name in ("0.bin", "2.bin"):
        np.zeros(shape, np.float32).tofile(inputs / name)
    (inputs / "1.bin").write_bytes(b"short")
    done = subprocess.run([sys.executable, str(ROOT / "bench" / "rivals" / f"{rival}.py"), "--model", model.save(tmp_path),
                           "--input", inputs, "--output", tmp_path / "out"],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == f"OSError: {inputs}/1.bin does not have {4 * math.prod(shape)} bytes"


def test_who_hangs_is_named():
    contestants = module("contestants")
    with pytest.raises(contestants.Failed, match="no end within 0.1 s of: sleep 60"):
        contestants.run(["sleep", "60"], 0.1)


def test_memory_is_no_disk(tmp_path):
    done = race("--only", "tiny", "--where", "disk", "--dir", "/dev/shm", status=1)
    assert done.stderr.splitlines()[-1].startswith("compare: /dev/shm is in memory (tmpfs)")


def test_ratios_are_made_within_rounds():
    """Rounds at different speeds: they say 2, 2 and 4; the ratio of the medians would be 4."""
    track, contestants = module("track"), module("contestants")
    args = SimpleNamespace(files=None, quick=True, threads=None, cores=2, rounds=3)
    target = SimpleNamespace(what="the best", rivals=("ort-loop", "cp"), least=1.9)
    case = SimpleNamespace(name="case", title="Case", quick_files=20, bytes=4, threads=1, contestants=("ort-loop", "cp"),
                           targets=[target])  # fmt: skip
    race = track.Race(case, track.Place("memory", "/dev/shm", "tmpfs"), args)
    for name in race.names:
        rates = (200, 20, 60) if name == "aispipe" else (100, 10, 15) if name == "cp" else (1, 1, 1)
        race.laps[name] = [contestants.Lap(rate, 1.0) for rate in rates]
    figures = race.figures()
    cp = next(it for it in figures["contestants"] if it["id"] == "cp")
    assert (cp["median"], cp["ratio"], cp["ratio_least"], cp["ratio_most"]) == (15, 2, 2, 4)
    (target,) = figures["targets"]
    assert (target["rival"], target["ratio"], target["met"]) == ("cp -r", 2, True)
    assert module("report").text(figures).count("MISSED") == 0


def test_all_take_turns():
    order, names = module("track").order, ["a", "b", "c", "d"]
    orders = [order(names, round_) for round_ in range(5)]
    assert all(sorted(one) == names for one in orders)
    assert len({tuple(one) for one in orders}) == 5
