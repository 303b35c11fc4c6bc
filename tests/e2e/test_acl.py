# SPDX-License-Identifier: MIT
"""The Ascend backend, end to end on the simulated device: results against ONNX Runtime, what is logged, what fails
and how, and that nothing is used wrongly or left behind. The simulator executes; no NPU has seen any of this."""

import os
import re
import subprocess
import sys

import ascend
import harness
import models
import onnxruntime
import pytest
from harness import SIGNALS, aispipe, assert_one_error, float_files, start, summary_of, tree, wait_until
from test_numerics import check_results, reference, sample_count, write_inputs

pytestmark = ascend.needed

SESSIONS = os.environ.get("AISPIPE_ACL_SESSIONS", str(harness.ROOT / "build" / "tests" / "acl_sessions"))

CASES = [models.conv_net, models.matmul, models.sum_and_product, models.three_int32, models.pixels, models.split]

# Name of the run, input ending, result format, options, whether the batch divides the number of samples.
RUNS = [
    ("1-thread", ".npy", "NPY", ["--threads", "1"], True),
    ("files-2-threads", ".bin", "BIN", ["--threads", "2", "--run_mode", "files"], False),
    ("4-threads", ".npy", "NPY", ["--threads", "4"], False),
    ("one-in-flight", ".bin", "BIN", ["--pipeline", "0"], False),
    ("tensor", ".bin", "NPY", ["--run_mode", "tensor", "--threads", "2"], True),
    ("full", ".npy", "TXT", ["--run_mode", "full", "--threads", "2"], True),
    ("own-weights", ".npy", "NPY", ["--threads", "2", "--engine_option", "SHARE_WEIGHTS=NO"], True),
]


@pytest.fixture(scope="module")
def offline(onnx_model, session_path):
    """Converts every model once: offline(maker, *options) → (case, ONNX path, .om path)."""
    made = {}

    def make(maker, *options):
        if (maker, options) not in made:
            case, onnx = onnx_model(maker)
            om = session_path / f"om{len(made)}" / f"{case.name}.om"
            made[maker, options] = (case, onnx, ascend.convert(onnx, om, *options))
        return made[maker, options]

    return make


# --- results --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("maker", CASES, ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("name, ending, outfmt, options, divides", RUNS, ids=[run[0] for run in RUNS])
def test_agrees_with_onnx_runtime(tmp_path, device, offline, maker, name, ending, outfmt, options, divides):
    case, onnx, om = offline(maker)
    samples = case.samples(sample_count(case, divides))
    where = write_inputs(case, samples, tmp_path / "in", ending)
    output = tmp_path / "out"
    command = ["--model", om, "--input", where, "--output", output, "--output_dirname", "r", "--outfmt", outfmt]
    device.run(*command, *options)
    check_results(output / "r", reference(case, onnx, samples), outfmt)
    threads = int(options[options.index("--threads") + 1]) if "--threads" in options else 1
    calls = device.calls()
    shared = threads > 1 and "own" not in name
    assert calls.get("aclmdlLoadFromFileWithMem", 0) == (threads if shared else 0)
    assert calls.get("aclmdlLoadFromFile", 0) == (0 if shared else threads)
    assert calls["aclrtCreateContext"] == threads
    assert "aclrtMemcpy" not in calls, "a transfer that nothing can run beside"


def test_hidden_gear_input_is_not_shown(tmp_path, device, onnx_model):
    """A model with batch gears, in each of them: sizes follow the gear."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 6]) for n in ("a", "b", "y")]
    graph = helper.make_graph([models.node("Sub", "a b", "y")], "g", values[:2], values[2:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", models.OPSET)])
    made.ir_version = models.IR_VERSION
    path = tmp_path / "sub.onnx"
    onnx.save(made, path)
    om = ascend.convert(path, tmp_path / "sub.om", "--input_shape=a:-1,6;b:-1,6", "--dynamic_batch_size=1,2,4")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    a = float_files(tmp_path / "a", 4, elements=6)
    b = float_files(tmp_path / "b", 4, elements=6, seed=8)
    for n in (1, 2, 4):
        command = ["--model", om, "--input", f"{tmp_path}/a,{tmp_path}/b", "--output", tmp_path / "out"]
        command += ["--output_dirname", f"r{n}", "--dymBatch", n, "--debug", "1", "--threads", "2"]
        run = device.run(*command)
        assert "ascend_mbatch_shape_data" not in run.stdout
        assert any(re.fullmatch(rf"  #0    a  \({n}, 6\)  float32  {24 * n}  {24 * n}", line) for line in run.lines), run
        files = tree(tmp_path / "out" / f"r{n}")
        assert len(files) == 4
        for i in range(4):
            wanted = session.run(None, {"a": a[i], "b": b[i]})[0]
            np.testing.assert_allclose(np.frombuffer(files[f"s{i}_0.bin"], np.float32), wanted[0], rtol=1e-5)
    run = device.run("--model", om, status=None)
    assert_one_error(run, 2, "1, 2, 4", "--dymBatch")
    run = device.run("--model", om, "--dymBatch", 3, status=None)
    assert_one_error(run, 2, "--dymBatch 3", "1, 2, 4")


# --- what is said ---------------------------------------------------------------------------------------


def test_log_lines_are_in_order(tmp_path, device, offline):
    _, _, om = offline(models.sum_and_product)
    run = device.run("--model", om, "--threads", "2", "--output", tmp_path, "--output_dirname", "r")
    wanted = [
        "acl init success",
        "open device 0 success",
        f"load model {om} success",
        "create model description success",
        "try get model batchsize:1",
        "output path:",
        "warm up 1 done",
        "unload model success, model Id is 0",
        "end to reset device 0",
        "end to finalize acl",
    ]
    found = [next(i for i, line in enumerate(run.lines) if line.startswith(f"[INFO] {w}")) for w in wanted]
    assert found == sorted(found), run
    assert summary_of(tmp_path, "r")["NPU_compute_time"]["count"] == 1


def test_a_device_that_is_not_there(device, offline):
    _, _, om = offline(models.sum_and_product)
    run = device.run("--model", om, "--device", "3", status=None, settings={"devices": 2})
    assert_one_error(run, 2, "device 3 does not exist", "there are 2")
    device.run("--model", om, "--device", "1", settings={"devices": 2})


def test_a_model_that_is_none(tmp_path, device):
    path = tmp_path / "broken.om"
    path.write_bytes(b"not a model at all" * 10)
    run = device.run("--model", path, status=None)
    assert_one_error(run, 2, "broken.om", "aclmdlLoadFromFile", r"\d{6} \(\w+\)")


def test_no_library(tmp_path, offline):
    _, _, om = offline(models.sum_and_product)
    run = aispipe("--model", om, env={"AISPIPE_ACL_LIB": str(tmp_path / "libascendcl.so")}, status=None)
    assert_one_error(run, 2, "AISPIPE_ACL_LIB", str(tmp_path / "libascendcl.so"))


def test_too_little_device_memory(device, offline):
    _, _, om = offline(models.conv_net)
    run = device.run("--model", om, status=None, settings={"memory": 4096})
    assert len(run.errors) == 1 and "aclrtMalloc" in run.errors[0] or "memory" in run.errors[0], run
    assert run.status != 0


# --- faults ---------------------------------------------------------------------------------------------

def test_a_fault_leaves_what_was_written(tmp_path, device, offline):
    """An execution fails on the way: results of the batches before it are whole."""
    case, onnx, om = offline(models.sum_and_product)
    samples = case.samples(40)
    where = write_inputs(case, samples, tmp_path / "in", ".bin")
    command = ["--model", om, "--input", where, "--output", tmp_path / "out", "--output_dirname", "r"]
    run = device.run(*command, "--warmup_count", "0", status=None, fault="aclmdlExecute:30:507011")
    assert_one_error(run, 1, "compute", "batch 29", "aclmdlExecute failed with 507011")
    files = tree(tmp_path / "out" / "r")
    wanted = reference(case, onnx, samples)
    for n, outputs in enumerate(wanted):
        for k, output in enumerate(outputs):
            data = files.get(f"s{n}_{k}.bin")
            assert data is None or len(data) == output.nbytes
    assert not [name for name in files if re.match(r"s(29|3\d)_", name)]


def test_a_device_that_fails_leaves_the_other_alone(tmp_path, device, offline):
    """An execution fails, on whichever device it is the eighth in the process; each has five and a warm-up."""
    case, onnx, om = offline(models.matmul)
    samples = case.samples(5 * case.batch)
    where = write_inputs(case, samples, tmp_path / "in", ".npy")
    command = ["--model", om, "--input", where, "--output", tmp_path / "out", "--output_dirname", "r"]
    failed = device.run(
        *command, "--device", "0,1", status=1, fault="aclmdlExecute:8:507011", settings={"devices": 2}
    )
    assert_one_error(failed, 1, r"device [01] \(number [01] in --device\)", "507011")
    (whole,) = (tmp_path / "out" / "r").glob("*_summary.json")
    good = tmp_path / "out" / "r" / whole.name.removesuffix("_summary.json")
    device.run(*command[:-1], "alone", "--device", "0", settings={"devices": 2})
    assert tree(good) == tree(tmp_path / "out" / "alone")
    assert sum(" throughput:" in line and line.startswith("[INFO] i:") for line in failed.lines) == 1


def test_faults_before_the_run_are_failures_of_it(device, offline):
    """Not wrong arguments, which end with 2; on several devices as on one."""
    _, _, om = offline(models.matmul)
    one = device.run("--model", om, status=None, fault="aclrtMalloc:1:207001")
    assert_one_error(one, 1, "207001")
    both = "aclrtMalloc:1:207001,aclrtMalloc:2:207001"
    several = device.run("--model", om, "--device", "0,1", status=1, fault=both, settings={"devices": 2})
    assert all("207001" in line for line in several.errors) and several.errors


def test_an_operator_that_fails_leaves_its_operands(tmp_path, device, offline):
    """The third execution fails on the device: what it was given is written where the program runs."""
    import numpy as np

    case, _, om = offline(models.sum_and_product)
    samples = case.samples(5)
    where = write_inputs(case, samples, tmp_path / "in", ".bin")
    here = tmp_path / "here"
    here.mkdir()
    run = device.run(
        "--model", om, "--input", where, "--warmup_count", "0", "--pipeline", "0", status=None,
        settings={"exception": 3}, cwd=here,
    )
    assert_one_error(run, 1, "compute", "batch 2", "aclmdlExecute failed")
    for i in range(2):
        files = list(here.glob(f"exception_cb_index_0_input_{i}_format_*_dtype_0_shape_1x2x5.bin"))
        assert len(files) == 1, list(here.iterdir())
        np.testing.assert_array_equal(np.fromfile(files[0], np.float32).reshape(1, 2, 5), samples[2][i])
        line = rf"\[INFO\] exception_cb hostaddr:\S+ devaddr:\S+ len:40 write to filename:{files[0].name}"
        assert any(re.fullmatch(line, s) for s in run.lines), run
        assert files[0].stat().st_mode & 0o777 == 0o640
    assert len(list(here.glob("exception_cb_index_0_output_*_shape_1x2x5.bin"))) == 2
    said = r"\[INFO\] exception_cb streamId:\d+ taskId:\d+ deviceId: 0 opName:\S+ inputCnt:2 outputCnt:2"
    assert sum(bool(re.fullmatch(said, s)) for s in run.lines) == 1, run


# --- sessions of a program ------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True])
def test_sessions_follow_one_another(tmp_path, device, offline, broken):
    """The runtime starts once and ends once, also where the program does not say that it is done."""
    _, _, om = offline(models.sum_and_product)
    wrong = tmp_path / "broken.om"
    wrong.write_bytes(b"none" * 100)
    given = [wrong if broken else om, om, om]
    done = subprocess.run(
        [SESSIONS, *given], env=harness.environment(device.environment()), capture_output=True, text=True
    )
    assert done.returncode == broken and ("broken.om" in done.stderr) == broken, done
    calls = device.calls()
    assert calls["aclInit"] == calls["aclFinalize"] == 1 and calls["aclrtSetDevice"] == 3, calls


# --- time -----------------------------------------------------------------------------------------------


@pytest.mark.plain_only
def test_transfers_and_executions_overlap(tmp_path, device, offline):
    """H2D 4 ms, compute 8 ms, D2H 4 ms: the pipeline takes the time of the execution alone, one batch in flight takes
    the sum."""
    _, _, om = offline(models.sum_and_product)
    for i, name in enumerate("ab"):
        float_files(tmp_path / name, 50, elements=10, seed=i)
    command = ["--model", om, "--input", f"{tmp_path}/a,{tmp_path}/b", "--output", tmp_path / "out"]
    # Two inputs and two outputs: each copy has half of the latency.
    speed = {"h2d_us": 2000, "compute_us": 8000, "d2h_us": 2000}
    walls = {}
    for name, options in {"one": ["--threads", "1"], "two": ["--threads", "2"], "sum": ["--pipeline", "0"]}.items():
        device.run(*command, "--output_dirname", name, *options, settings=speed)
        walls[name] = summary_of(tmp_path / "out", name)["pipeline"]["wall_ms"]
    assert walls["one"] < 1.25 * 50 * 8, walls
    assert walls["two"] < 0.75 * walls["one"], walls
    assert walls["sum"] > 50 * 16, walls


def test_interrupted_runs_release_everything(tmp_path, device, offline):
    _, _, om = offline(models.sum_and_product)
    for name, (number, status) in SIGNALS.items():
        env = device.environment(compute_us=5000)
        process = start("--model", om, "--loop", "2000", "--threads", "2", env=env)
        wait_until(lambda: "warm up" in process.read_stdout(), what="the warm-up")
        process.signal(number)
        run = process.wait()
        assert run.status == status, run
        assert device.complaints() == "", f"{device.complaints()}{run}"
        assert os.path.exists(device.counts) and device.calls()["aclFinalize"] == 1, name


# --- what the simulator reports -------------------------------------------------------------------------


@pytest.mark.misuse
@pytest.mark.skipif(harness.SANITIZED, reason="a sanitized library cannot be loaded into Python")
def test_what_is_left_behind_is_reported():
    """By a program that knows nothing of the tests: conftest.py, which looks after each of them, must hear of it."""
    program = "import ctypes, sys; acl = ctypes.CDLL(sys.argv[1]); acl.aclInit(None); acl.aclrtSetDevice(0)"
    command = [sys.executable, "-c", program, ascend.LIBRARY]
    assert subprocess.run(command, env=harness.environment(), stderr=subprocess.DEVNULL).returncode == 0
