# SPDX-License-Identifier: MIT
"""Progress: a line that is redrawn on a terminal, a line every ten seconds in a file, nothing when asked."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import models
import pytest
from harness import PROGRAM, aispipe, environment, float_files, start

PLAIN = r"\[INFO\] progress: (\d+) of (\d+) samples \((\d+)%\), [\d.]+ samples/s, \S+ (h )?left, rings( +\w+ \d+/\d+)+"


@pytest.fixture
def slow(tmp_path, sim):
    """The arguments of a run of about a second."""
    float_files(tmp_path / "in", 50)
    model = sim(compute=models.sim_stage(latency_us=20_000))
    return ["--model", str(model), "--input", str(tmp_path / "in")]


def on_terminal(arguments, columns=120):
    """Runs with stderr on a terminal of that width; returns what was written there, and the status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [PROGRAM] + arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave, env=environment()
    )
    os.close(slave)
    written = bytearray()

    def drain():
        try:
            while data := os.read(master, 65536):
                written.extend(data)
        except OSError:  # what Linux gives when the last writer has gone
            pass

    reader = threading.Thread(target=drain)
    reader.start()
    status = process.wait(timeout=60)
    reader.join(timeout=10)
    os.close(master)
    return written.decode(), status


def test_bar_on_a_terminal(slow):
    text, status = on_terminal(slow)
    assert status == 0
    drawn = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    assert len(drawn) >= 4, text
    figures = [re.match(r"\[([#.]+)\] (\d+)/50 (\d+)%  [\d.]+/s  \S+ (h )?left(  .*)", line) for line in drawn]
    assert all(figures), text
    done = [int(m[2]) for m in figures]
    assert done == sorted(done) and done[-1] == 50 and len(set(done)) >= 4, text
    assert "#" in figures[-1][1] and "." not in figures[-1][1] and figures[-1][3] == "100"
    for name in ("load", "h2d", "compute", "d2h", "save"):
        assert re.search(rf"{name} \d+/\d+", figures[0][5]), f"no fill of {name}'s ring in {drawn[0]!r}"
    assert text.endswith("\n")


@pytest.mark.parametrize("columns", [1, 10, 30, 60])
def test_bar_fits_a_narrow_terminal(slow, columns):
    text, status = on_terminal(slow, columns)
    assert status == 0
    lines = re.split(r"[\r\n]+", text)
    assert any(line.strip() for line in lines) or columns == 1
    assert max(map(len, lines)) < max(columns, 2), lines


def test_never_on_a_terminal(slow):
    text, status = on_terminal(slow + ["--progress", "never"])
    assert (text, status) == ("", 0)


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_short_run_into_a_file_says_nothing(slow, mode):
    assert aispipe(*slow, "--progress", mode).stderr == ""


def test_always_leaves_a_last_line(slow):
    lines = aispipe(*slow, "--progress", "always").stderr.splitlines()
    assert len(lines) == 1
    match = re.fullmatch(PLAIN, lines[0])
    assert match and match[1] == match[2] == "50" and match[3] == "100", lines


@pytest.mark.plain_only
def test_a_line_every_ten_seconds_into_a_file(tmp_path, sim):
    """The only way to see it is to wait; a second run beside it shows that `never` keeps silent as long."""
    float_files(tmp_path / "in", 53)
    model = sim(compute=models.sim_stage(latency_us=200_000))
    arguments = ["--model", model, "--input", tmp_path / "in", "--progress"]
    silent = start(*arguments, "never")
    run = start(*arguments, "auto").wait()
    assert silent.wait().stderr == ""
    assert run.status == 0 and 10.4 < run.wall < 14, run
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run
    match = re.fullmatch(PLAIN, lines[0])
    assert match and 44 <= int(match[1]) <= 51 and match[2] == "53", run


def test_progress_does_not_touch_stdout(slow):
    for mode in ("auto", "always", "never"):
        assert "progress:" not in aispipe(*slow[:2], "--loop", "5", "--progress", mode).stdout
