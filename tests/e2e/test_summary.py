# SPDX-License-Identifier: MIT
"""What a run says of itself: the log, both summary blocks, and the summary file, checked against each other."""

import re
import stat

import models
import numpy as np
import pytest
from harness import NUMBER, PROGRAM, aispipe, field, float_files, summary_of, write_bin

STAGES = ["load", "h2d", "compute", "d2h", "save"]
RULE = "-" * 54
LATENCY = rf"min = ({NUMBER}), max = ({NUMBER}), mean = ({NUMBER}), median = ({NUMBER}), percentile\(99%\) = ({NUMBER})"
KEYS = ["min", "max", "mean", "median", "percentile(99%)"]


def slow(sim, stage="compute", latency_us=3000, **how):
    """A model whose one stage takes long, and the others next to nothing."""
    return sim(**{stage: models.sim_stage(latency_us=latency_us)}, **how)


def run(tmp_path, model, *options, samples=6, dirname="r"):
    if not (tmp_path / "in").exists():
        float_files(tmp_path / "in", samples)
    command = ["--model", model, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", dirname]
    result = aispipe(*command, *options)
    return result, summary_of(tmp_path / "out", dirname)


def assert_in_order(run_, patterns):
    """Each pattern matches a whole stdout line, each behind the one before."""
    at = 0
    for pattern in patterns:
        found = [i for i in range(at, len(run_.lines)) if re.fullmatch(pattern, run_.lines[i])]
        assert found, f"no line {pattern!r} from line {at + 1} on{run_}"
        at = found[0] + 1


def log_patterns(engine, model, output, batch, files, threads_lines=()):
    model, output = re.escape(str(model)), re.escape(str(output))
    size = {"file": files[0], "tensor": files[1], "per": files[2], "runs": files[3]}
    return [
        rf"\[INFO\] {engine} init success",
        r"\[INFO\] open device 0 success",
        rf"\[INFO\] load model {model} success",
        r"\[INFO\] create model description success",
        rf"\[INFO\] try get model batchsize:{batch}",
        rf"\[INFO\] output path:{output}",
        rf"\[INFO\] get filesperbatch files0 size:{size['file']} tensor0size:{size['tensor']} "
        rf"filesperbatch:{size['per']} runcount:{size['runs']}",
        *threads_lines,
        r"\[INFO\] warm up 1 done",
        r"\[INFO\] -----------------Performance Summary------------------",
        rf"\[INFO\] NPU_compute_time \(ms\): {LATENCY}",
        rf"\[INFO\] throughput 1000\*batchsize\.mean\({batch}\)/NPU_compute_time\.mean\({NUMBER}\): {NUMBER}",
        rf"\[INFO\] {RULE}",
        r"\[INFO\] unload model success, model Id is 0",
        r"\[INFO\] end to reset device 0",
        rf"\[INFO\] end to finalize {engine}",
    ]


def test_lines_in_order_on_the_simulated_device(tmp_path, sim):
    model = sim(inputs=[models.sim_tensor("x", shape=(4, 4))], outputs=[models.sim_tensor("y", shape=(4, 4))])
    float_files(tmp_path / "in", 10, elements=4)
    result, _ = run(tmp_path, model)
    assert_in_order(result, log_patterns("sim", model, tmp_path / "out" / "r", 4, (16, 64, 4, 3)))
    assert "[DEBUG]" not in result.stdout and result.stderr == ""
    assert all(re.match(r"\[(INFO|WARNING)\] ", line) for line in result.lines), result
    assert "H2D_latency" not in result.stdout and "D2H_latency" not in result.stdout


def test_lines_in_order_with_openvino(tmp_path, onnx_model):
    case, model = onnx_model(models.matmul)
    for n, sample in enumerate(case.samples(9)):
        write_bin(tmp_path / "in" / f"s{n}.bin", sample[0])
    result, summary = run(tmp_path, model)
    assert_in_order(result, log_patterns("openvino", model, tmp_path / "out" / "r", 7, (64, 448, 7, 2)))
    assert summary["NPU_compute_time"]["count"] == 2


def test_pure_inference_says_the_same_without_files(tmp_path, sim):
    result = aispipe("--model", sim(), "--loop", "7", "--warmup_count", "3")
    assert "filesperbatch" not in result.stdout and "output path" not in result.stdout
    assert_in_order(result, [r"\[INFO\] try get model batchsize:1", r"\[INFO\] warm up 3 done"])
    assert field(result, r"samples: (\d+) of (\d+), .*") == ("1", "1")
    assert list(tmp_path.iterdir()) == [tmp_path / "models"]


def test_no_warm_up_says_nothing_of_it(sim):
    assert "warm up" not in aispipe("--model", sim(), "--warmup_count", "0").stdout


def test_keys_of_the_summary_file(tmp_path, sim):
    model = sim()
    result, summary = run(tmp_path, model)
    older = "filesinfo args NPU_compute_time H2D_latency D2H_latency npu_compute_time_list throughput pid"
    assert set(summary) == {*older.split(), "pipeline", "schema"}
    assert summary["args"] == result.command
    assert summary["args"][0] == PROGRAM
    assert isinstance(summary["pid"], int) and summary["pid"] > 0
    for name in ("NPU_compute_time", "H2D_latency", "D2H_latency"):
        assert set(summary[name]) == set(KEYS + ["count"])
        assert summary[name]["count"] == 6
    assert summary["schema"]
    mode = (tmp_path / "out" / "r_summary.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o640


def check_figures(printed, stored, durations, mean=None):
    """Printed, stored and recomputed figures are the same. NumPy interpolates linearly, as we must."""
    values = [durations.min(), durations.max(), durations.mean() if mean is None else mean, np.median(durations)]
    values.append(np.percentile(durations, 99))
    for key, text, value in zip(KEYS, printed, values):
        assert float(text) == stored[key], key
        assert stored[key] == pytest.approx(value, rel=1e-9, abs=1e-9), key
    assert stored["count"] == len(durations)


def union_length(intervals):
    total, end = 0.0, -np.inf
    for start, stop in sorted(map(tuple, intervals)):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


@pytest.mark.parametrize("samples, loop", [(1, 1), (2, 1), (23, 1), (5, 4)])
def test_figures_with_one_thread(tmp_path, sim, samples, loop):
    model = sim(compute=models.sim_stage(latency_us=200, jitter_us=900, seed=5))
    result, summary = run(tmp_path, model, "--loop", str(loop), "--batchsize", "3", samples=samples)
    durations = np.array(summary["npu_compute_time_list"])
    assert durations.shape == (samples * loop,)
    assert durations.min() > 0
    printed = field(result, rf"NPU_compute_time \(ms\): {LATENCY}")
    check_figures(printed, summary["NPU_compute_time"], durations)
    check_throughput(result, summary, 3)


def check_throughput(result, summary, batchsize):
    mean = summary["NPU_compute_time"]["mean"]
    pattern = rf"throughput 1000\*batchsize\.mean\((\d+)\)/NPU_compute_time\.mean\(({NUMBER})\): ({NUMBER})"
    shown = field(result, pattern)
    assert int(shown[0]) == batchsize
    assert float(shown[1]) == mean
    assert float(shown[2]) == summary["throughput"] == pytest.approx(1000 * batchsize / mean, rel=1e-9)


@pytest.mark.parametrize("threads", [2, 4])
def test_figures_with_several_threads(tmp_path, sim, threads):
    model = sim(compute=models.sim_stage(latency_us=2000, jitter_us=1500, seed=6))
    result, summary = run(tmp_path, model, "--threads", str(threads), "--loop", "2", samples=20)
    intervals = np.array(summary["npu_compute_time_list"])
    assert intervals.shape == (40, 2)
    assert (np.diff(intervals[:, 0]) >= 0).all(), "not in the order in which they began"
    durations = intervals[:, 1] - intervals[:, 0]
    mean = union_length(intervals) / len(intervals)
    assert mean < durations.mean() * 0.9, "the executions did not overlap"
    printed = field(result, rf"NPU_compute_time \(ms\): {LATENCY}")
    check_figures(printed, summary["NPU_compute_time"], durations, mean)
    check_throughput(result, summary, 1)
    assert intervals[:, 1].max() <= summary["pipeline"]["wall_ms"] * 1.001


def test_display_all_summary(tmp_path, sim):
    model = sim(h2d=models.sim_stage(latency_us=1000), d2h=models.sim_stage(latency_us=2000))
    result, summary = run(tmp_path, model, "--display_all_summary", "1")
    patterns = [rf"\[INFO\] {name} \(ms\): {LATENCY}" for name in ("H2D_latency", "NPU_compute_time", "D2H_latency")]
    assert_in_order(result, [r"\[INFO\] -+Performance Summary-+", *patterns, r"\[INFO\] throughput .*"])
    for name, least in (("H2D_latency", 0.99), ("D2H_latency", 1.98)):
        printed = field(result, rf"{name} \(ms\): {LATENCY}")
        assert [float(p) for p in printed] == [summary[name][key] for key in KEYS]
        assert 0 < summary[name]["min"] <= summary[name]["median"] <= summary[name]["max"]
        # A call that woke late makes the next ones quicker, so that the mean is what the model says.
        assert summary[name]["mean"] >= least


@pytest.mark.parametrize("options", [[], ["--threads", "3"], ["--pipeline", "0"], ["--run_mode", "full"]])
def test_filesinfo_in_every_mode(tmp_path, sim, options):
    two = [models.sim_tensor("a"), models.sim_tensor("b")]
    model = sim(inputs=two, outputs=two)
    float_files(tmp_path / "one", 12)
    float_files(tmp_path / "two", 12, prefix="t")
    where, output = f"{tmp_path / 'one'},{tmp_path / 'two'}/", tmp_path / "out"
    aispipe("--model", model, "--input", where, "--output", output, "--output_dirname", "r", *options)
    wanted = {
        str(n): {
            "infiles": [f"{tmp_path}/one/s{n}.bin", f"{tmp_path}/two/t{n}.bin"],
            "outfiles": [f"{output}/r/s{n}_0.bin", f"{output}/r/s{n}_1.bin"],
        }
        for n in range(12)
    }
    assert summary_of(output, "r")["filesinfo"] == wanted


def test_paths_are_as_the_user_gave_them(tmp_path, sim):
    float_files(tmp_path / "in", 2)
    aispipe("--model", sim(), "--input", "./in", "--output", "out/", "--output_dirname", "r", cwd=tmp_path)
    info = summary_of(tmp_path / "out", "r")["filesinfo"]
    assert info["0"] == {"infiles": ["./in/s0.bin"], "outfiles": ["out/r/s0_0.bin"]}


def test_second_block_agrees_with_the_file(tmp_path, sim):
    result, summary = run(tmp_path, slow(sim), "--threads", "2", "--queue_depth", "4", samples=30)
    pipeline = summary["pipeline"]
    line = rf"samples: (\d+) of (\d+), batches: (\d+), wall time: ({NUMBER}) s, end to end: ({NUMBER}) samples/s"
    samples, total, batches, wall, rate = field(result, line)
    assert int(samples) == int(total) == int(batches) == 30 == pipeline["samples"] == pipeline["batches"]
    assert float(wall) == pytest.approx(pipeline["wall_ms"] / 1000, abs=1e-3)
    assert float(rate) == pytest.approx(pipeline["samples_per_second"], abs=0.1)
    assert pipeline["samples_per_second"] == pytest.approx(30 * 1000 / pipeline["wall_ms"], rel=1e-6)
    assert 45 <= pipeline["wall_ms"] <= result.wall * 1000
    for stage in STAGES:
        check_stage(result, stage, pipeline["stages"][stage])
    assert pipeline["stages"]["compute"]["threads"] == 2
    assert pipeline["stages"]["compute"]["service_mean_ms"] >= 2.5
    assert pipeline["stages"]["compute"]["queue_peak"] <= 4


def check_stage(result, name, stage):
    figure = rf"\s+({NUMBER})"
    row = field(
        result,
        rf"{name}{figure}{figure} ?%{figure} ?%{figure} ?%{figure} ms{figure} ms{figure}/\s*({NUMBER})\s*",
    )
    shown = [float(v) for v in row]
    keys = "threads busy wait_input wait_output service_mean_ms service_p99_ms queue_mean queue_peak".split()
    scale = [1, 100, 100, 100, 1, 1, 1, 1]
    for key, text, factor in zip(keys, shown, scale):
        assert text == pytest.approx(stage[key] * factor, abs=0.06), (name, key)
    assert stage["batches"] == 30
    assert 0 <= stage["busy"] + stage["wait_input"] + stage["wait_output"] <= 1.02
    # A stage's busy time is its service times.
    assert stage["service_p99_ms"] >= 0 and stage["queue_mean"] <= stage["queue_peak"]


@pytest.mark.parametrize("stage", ["h2d", "compute", "d2h"])
def test_sentence_names_the_slowest_stage(tmp_path, sim, stage):
    result, summary = run(tmp_path, slow(sim, stage), samples=40)
    assert summary["pipeline"]["bottleneck"] == stage
    advice = summary["pipeline"]["advice"]
    assert re.match(rf"{stage} bounds the run", advice)
    assert "try " in advice
    assert f"[INFO] {advice}" in result.lines
    assert summary["pipeline"]["stages"][stage]["busy"] > 0.8


def test_sentence_without_overlap(tmp_path, sim):
    _, summary = run(tmp_path, slow(sim), "--pipeline", "0", samples=10)
    assert "one batch in flight" in summary["pipeline"]["advice"]
    assert summary["pipeline"]["inflight"] == 1


def test_debug_describes_the_model(tmp_path, sim):
    model = sim(
        inputs=[models.sim_tensor("x", "float32", (1, 16)), models.sim_tensor("n", "int64", ())],
        outputs=[models.sim_tensor("y", "float16", (3,)), models.sim_tensor("z", "bool", (2, 0, 5))],
    )
    result = aispipe("--model", model, "--debug", "1", "--loop", "3", "--load_threads", "2")
    block = [
        "<Model>",
        "device:\t0",
        "input:",
        "  #0    x  (1, 16)  float32  64  64",
        "  #1    n  ()  int64  8  8",
        "output:",
        "  #0    y  (3,)  float16  6  6",
        "  #1    z  (2, 0, 5)  bool  0  0",
    ]
    at = result.lines.index("<Model>")
    assert result.lines[at : at + len(block)] == block
    costs = [line for line in result.lines if re.fullmatch(rf"\[DEBUG\] model aclExec cost : {NUMBER}", line)]
    assert len(costs) in (3, 4), result  # the warm-up's may be among them
    debug = [line for line in result.lines if line.startswith("[DEBUG] ")]
    for name in STAGES:
        assert any(name in line and "thread" in line for line in debug), f"{name}'s threads are not told{result}"
    assert any("in flight" in line and "bytes" in line for line in debug)


def test_debug_says_what_is_loaded_and_saved(tmp_path, sim):
    two = [models.sim_tensor("x", shape=(2, 16))]
    result, _ = run(tmp_path, sim(inputs=two, outputs=two), "--debug", "1", samples=5)
    for stage in ("load", "save"):
        for batch, samples in enumerate(("0 to 1", "2 to 3", "4 to 4")):
            assert f"[DEBUG] {stage} batch {batch}: samples {samples}" in result.lines


def test_loop_counts_executions_not_samples(tmp_path, sim):
    _, summary = run(tmp_path, sim(), "--loop", "5", samples=4)
    assert len(summary["npu_compute_time_list"]) == 20 == summary["NPU_compute_time"]["count"]
    assert summary["pipeline"]["samples"] == 4


@pytest.mark.parametrize("threads", [1, 3])
def test_pure_inference_runs_loop_times(tmp_path, sim, threads):
    command = ["--model", sim(), "--loop", "10", "--threads", str(threads)]
    aispipe(*command, "--output", tmp_path / "out", "--output_dirname", "r")
    summary = summary_of(tmp_path / "out", "r")
    assert summary["NPU_compute_time"]["count"] == 10 == len(summary["npu_compute_time_list"])
    assert summary["pipeline"]["samples"] == 1
    assert [p.name for p in (tmp_path / "out" / "r").iterdir()] == ["pure_infer_data_0.bin"]
    assert list(summary["filesinfo"]) == ["0"]
    assert summary["filesinfo"]["0"]["outfiles"] == [f"{tmp_path}/out/r/pure_infer_data_0.bin"]


def test_many_executions_keep_their_order_beyond_any_buffer(tmp_path, sim):
    _, summary = run(tmp_path, sim(), "--loop", "3000", samples=5)
    durations = np.array(summary["npu_compute_time_list"])
    assert durations.shape == (15000,)
    assert summary["NPU_compute_time"]["percentile(99%)"] == pytest.approx(np.percentile(durations, 99), rel=1e-9)
    assert summary["NPU_compute_time"]["median"] == pytest.approx(np.median(durations), rel=1e-9)
    assert summary["NPU_compute_time"]["mean"] == pytest.approx(durations.mean(), rel=1e-9)
