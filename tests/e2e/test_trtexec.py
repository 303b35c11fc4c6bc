# SPDX-License-Identifier: MIT
"""`--backend trtexec --perf`, with a program of ours in the place of trtexec."""

from __future__ import annotations

import json
import signal

import pytest
from harness import aispipe, assert_one_error, start, wait_until
from programs import Program

LOG = """
def say(text, file=sys.stdout):
    print("[01/02/2024-10:11:12] " + text, file=file, flush=True)

def latency(name, at):
    say(f"[I] {name}: min = {at + 0.01:g} ms, max = {at + 0.09:g} ms, mean = {at + 0.05:g} ms, "
        f"median = {at + 0.04:g} ms, percentile(90%) = {at + 0.07:g} ms, percentile(99%) = {at + 0.08:g} ms")

say("[I] === Model Options ===")
say("[W] something to mind", sys.stderr)
say("[I] Throughput: 1234.5 qps")
latency("Latency", 9)
latency("H2D Latency", 1)
latency("GPU Compute Time", 2)
latency("D2H Latency", 3)
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "a net.onnx"
    path.write_bytes(b"trtexec reads it, aispipe does not")
    return path


def trtexec(tmp_path, body=LOG):
    return Program(tmp_path / "bin", "trtexec", body)


def perf(model, *more, program, **how):
    return aispipe("--model", model, "--backend", "trtexec", "--perf", "1", *more, env=program.environment, **how)


def test_started_with_defaults(model, tmp_path):
    program = trtexec(tmp_path)
    perf(model, program=program)
    (start,) = program.starts
    assert start["argv"][1:] == [f"--onnx={model}", "--fp16"]


def test_started_with_all_options(model, tmp_path):
    program = trtexec(tmp_path)
    perf(model, "--loop", "7", "--warmup_count", "50", "--device", "3", "--batchsize", "4", program=program)
    assert program.starts[0]["argv"][1:] == [
        f"--onnx={model}", "--fp16", "--iterations=7", "--warmUp=50", "--device=3", "--batch=4"
    ]  # fmt: skip


def test_options_that_it_has_no_use_for(model, tmp_path):
    run = perf(model, "--threads", "2", "--dymBatch", "4", "--debug", program=trtexec(tmp_path))
    assert run.stderr == "[WARNING] --backend trtexec has no use for --dymBatch, --threads\n"


def test_log_and_figures_are_printed(model, tmp_path):
    run = perf(model, program=trtexec(tmp_path))
    assert "[INFO] [01/02/2024-10:11:12] [I] === Model Options ===" in run.lines
    assert "[INFO] [01/02/2024-10:11:12] [W] something to mind" in run.lines
    assert run.stderr == ""
    summary = run.lines[run.lines.index("[INFO] -----------------Performance Summary------------------") :]
    assert summary[1:-1] == [
        "[INFO] H2D_latency (ms): min = 1.01, max = 1.09, mean = 1.05, median = 1.04, percentile(99%) = 1.08",
        "[INFO] NPU_compute_time (ms): min = 2.01, max = 2.09, mean = 2.05, median = 2.04, percentile(99%) = 2.08",
        "[INFO] D2H_latency (ms): min = 3.01, max = 3.09, mean = 3.05, median = 3.04, percentile(99%) = 3.08",
        "[INFO] throughput: 1234.5",
    ]


def test_figures_are_stored(model, tmp_path):
    program = trtexec(tmp_path)
    run = perf(model, "--output", tmp_path / "out", "--output_dirname", "r", program=program)
    stored = json.loads((tmp_path / "out" / "r_summary.json").read_text())
    assert stored["throughput"] == 1234.5
    assert stored["NPU_compute_time"] == {
        "min": 2.01, "max": 2.09, "mean": 2.05, "median": 2.04, "percentile(99%)": 2.08
    }  # fmt: skip
    assert stored["H2D_latency"]["mean"] == 1.05 and stored["D2H_latency"]["max"] == 3.09
    assert stored["backend"] == "trtexec" and stored["args"] == run.command
    assert stored["command"] == ["trtexec", f"--onnx={model}", "--fp16"]
    log = (tmp_path / "out" / "r" / "trtexec.log").read_text().splitlines()
    assert [f"[INFO] {line}" for line in log] == [line for line in run.lines if "[01/02/2024" in line]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["r", "r_summary.json"]


def test_log_is_live(model, tmp_path):
    program = trtexec(tmp_path, LOG.replace("[I] === Model", "[I] first") + "time.sleep(30)\n")
    run = start("--model", model, "--backend", "trtexec", "--perf", "1", env=program.environment)
    wait_until(lambda: "D2H Latency" in run.read_stdout(), what="the log")
    assert run.alive()
    run.signal(signal.SIGTERM)
    ended = run.wait()
    assert ended.status == 143, ended
    assert ended.wall < 20


def test_signal_reaches_it(model, tmp_path):
    body = """
import signal
def note(number, frame):
    open(sys.argv[0] + ".told", "w").write(str(number))
    sys.exit(0)
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
time.sleep(30)
"""
    program = trtexec(tmp_path, body)
    run = start("--model", model, "--backend", "trtexec", "--perf", "1", env=program.environment)
    wait_until(lambda: "ready" in run.read_stdout(), what="the start")
    run.signal(signal.SIGINT)
    assert run.wait().status == 130
    assert (tmp_path / "bin" / "trtexec.told").read_text() == str(int(signal.SIGINT))


def test_missing(model, tmp_path):
    env = {"PATH": str(tmp_path)}
    run = aispipe("--model", model, "--backend", "trtexec", "--perf", "1", status=None, env=env)
    assert_one_error(run, 2, "no program 'trtexec' on PATH")


def test_failing(model, tmp_path):
    body = 'print("[E] Error: no such layer", file=sys.stderr)\nsys.exit(3)\n'
    run = perf(model, "--output", tmp_path / "out", program=trtexec(tmp_path, body), status=None)
    assert_one_error(run, 1, "trtexec ended with status 3", "no such layer")
    assert not list((tmp_path / "out").glob("*_summary.json"))


def test_without_figures(model, tmp_path):
    run = perf(model, program=trtexec(tmp_path, LOG.replace('latency("GPU', 'latency("CPU')), status=None)
    assert_one_error(run, 1, "GPU Compute Time")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--backend", "trtexec"], ["--perf 1"]),
        (["--perf", "1"], ["--backend trtexec"]),
        (["--perf", "1", "--backend", "openvino"], ["--backend trtexec", "openvino"]),
        (["--perf", "1", "--backend", "trtexec", "--input", "."], ["--input", "data of its own"]),
    ],
)
def test_refused(model, tmp_path, arguments, words):
    program = trtexec(tmp_path)
    run = aispipe("--model", model, *arguments, status=None, env=program.environment)
    assert_one_error(run, 2, *words)
    assert not program.starts


def test_other_models_are_refused(tmp_path):
    path = tmp_path / "net.xml"
    path.write_text("")
    run = aispipe("--model", path, "--backend", "trtexec", "--perf", "1", status=None)
    assert_one_error(run, 2, "net.xml", ".onnx")


def test_no_descriptor_of_ours_gets_through(model, tmp_path):
    body = LOG + 'open(sys.argv[0] + ".fds", "w").write(" ".join(sorted(os.listdir("/proc/self/fd"))))\n'
    program = trtexec(tmp_path, body)
    perf(model, "--output", tmp_path / "out", program=program)
    # The streams, the file that is written and the directory that is read.
    assert (tmp_path / "bin" / "trtexec.fds").read_text() == "0 1 2 3 4"
