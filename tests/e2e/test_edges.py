# SPDX-License-Identifier: MIT
"""What holds for every way to give a model its shape, on both engines: the batch size of the figures, made-up data,
signals, results on a full disk."""

import os

import ascend
import numpy as np
import pytest
from harness import NUMBER, SANITIZED, SIGNALS, aispipe, assert_one_error, field, start, summary_of, temporaries
from harness import tree, wait_until, write_npy
from models import node, weights
from test_acl_shapes import save

pytestmark = ascend.needed

GEARS = {
    "batch": ["--input_shape=x:-1,3,8,8;bias:4", "--dynamic_batch_size=2,4"],
    "hw": ["--input_shape=x:2,3,-1,-1;bias:4", "--dynamic_image_size=8,8;6,10"],
    "dims": ["--input_shape=x:-1,3,-1,-1;bias:4", "--dynamic_dims=2,8,8;3,6,10", "--input_format=ND"],
    "shape": ["--input_shape=x:-1,3,-1,-1;bias:4", "--input_format=ND"],
}
SIZES = ["--outputSize", "4096,4096"]
# Name, what the run is told, the shape that is then; "auto": it is the files'.
WAYS = {
    "batch": (["--dymBatch", 4], (4, 3, 8, 8)),
    "hw": (["--dymHW", "6,10"], (2, 3, 6, 10)),
    "dims": (["--dymDims", "x:3,3,6,10;bias:4"], (3, 3, 6, 10)),
    "shape": (["--dymShape", "x:5,3,6,7;bias:4", *SIZES], (5, 3, 6, 7)),
    "dims-auto": (["--auto_set_dymdims_mode"], (3, 3, 6, 10)),
    "shape-auto": (["--auto_set_dymshape_mode", *SIZES], (5, 3, 6, 7)),
}
ENGINES = ["om", "onnx"]
LINE = rf"throughput 1000\*batchsize\.mean\(({NUMBER})\)/NPU_compute_time\.mean\({NUMBER}\): {NUMBER}"


@pytest.fixture(params=[(e, w) for e in ENGINES for w in WAYS], ids=lambda p: f"{p[1]}-{p[0]}")
def shaped(request, tmp_path):
    """A model, what it is to be told, its shape, and the environment it runs in."""
    engine, way = request.param
    shape = {"batch": ["n", 3, 8, 8], "hw": [2, 3, "h", "w"]}.get(way, ["n", 3, "h", "w"])
    model = save(
        tmp_path / "m.onnx",
        [node("Conv", "x w", "map"), node("ReduceMean", "map", "mean", axes=[2, 3], keepdims=0)]
        + [node("Add", "mean bias", "y")],
        [("x", shape), ("bias", [4])],
        [("map", [shape[0], 4, "p", "q"]), ("y", [shape[0], 4])],
        {"w": weights(4, 3, 3, 3)},
    )
    if engine == "om":
        model = ascend.convert(model, tmp_path / "m.om", *GEARS[way.split("-")[0]])
    (tmp_path / "device").mkdir()
    device = ascend.Device(tmp_path / "device")
    env = device.environment(compute_us=2000)
    options, dims = WAYS[way]
    yield ["--model", model, *options], dims, env
    assert device.complaints() == ""


def files(tmp_path, shape, count):
    for k in range(count):
        write_npy(tmp_path / "in0" / f"s{k}.npy", np.full(shape, k, np.float32))
        write_npy(tmp_path / "in1" / f"s{k}.npy", np.full(4, k, np.float32))
    return ["--input", f"{tmp_path}/in0,{tmp_path}/in1"]


def test_batch_size_of_the_figures(tmp_path, shaped):
    command, shape, env = shaped
    command = command + files(tmp_path, shape, 3)
    run = aispipe(*command, env=env)
    assert field(run, LINE) == (str(shape[0]),)
    assert f"[INFO] try get model batchsize:{shape[0]}" in run.lines
    assert field(aispipe(*command, "--batchsize", 7, env=env), LINE) == ("7",)


def test_made_up_data(tmp_path, shaped):
    """Random bytes come from the seed, whatever the shape; without one it is zeros."""
    command, _, env = shaped
    if any("auto" in str(word) for word in command):
        assert_one_error(aispipe(*command, env=env, status=None), 2, "needs --input")
        return
    results = {}
    for name, options in (
        ("a", ["--seed", 5]), ("b", ["--seed", 5, "--threads", 2, "--loop", 4]), ("c", ["--seed", 6]), ("zero", []),
    ):
        if options:
            options += ["--pure_data_type", "random"]
        aispipe(*command, *options, "--output", tmp_path / "out", "--output_dirname", name, env=env)
        results[name] = tree(tmp_path / "out" / name)
        assert sorted(results[name]) == ["pure_infer_data_0.bin", "pure_infer_data_1.bin"]
    assert results["a"] == results["b"] and results["a"] != results["c"]
    for data in results["zero"].values():
        assert not np.frombuffer(data, np.float32).any()
    for data in results["a"].values():
        values = np.frombuffer(data, np.float32)
        assert np.isfinite(values).all() and values.any()


def test_signals(tmp_path, shaped):
    """What was under way is saved and summarised, and nothing else."""
    command, shape, env = shaped
    number, status = SIGNALS["SIGTERM" if shape[0] % 2 else "SIGINT"]  # the ways have both kinds of batch
    command = command + files(tmp_path, shape, 40) + ["--loop", 100000 if str(command[1]).endswith("onnx") else 50]
    process = start(*command, "--output", tmp_path / "out", "--output_dirname", "r", env=env)
    wait_until(lambda: "warm up 1 done" in process.read_stdout(), what="the warm-up")
    process.signal(number)
    run = process.wait(60)
    assert run.status == status, run
    assert not run.errors and "[INFO] end to reset device 0" in run.lines, run
    info = summary_of(tmp_path / "out", "r")["filesinfo"]
    done = [os.path.basename(path) for entry in info.values() for path in entry["outfiles"]]
    assert sorted(tree(tmp_path / "out" / "r")) == sorted(done) and len(done) < 80
    assert not temporaries(tmp_path)


def test_a_full_disk(tmp_path, shaped, faults):
    command, shape, env = shaped
    command = command + files(tmp_path, shape, 6) + ["--output", tmp_path / "out", "--output_dirname", "r"]
    full = faults.environment("write:3:ENOSPC", path=tmp_path / "out")
    if SANITIZED:
        # The library hides who allocated, and with it what OpenVINO's threads are known to keep (tests/lsan.supp).
        full["ASAN_OPTIONS"] += ":detect_leaks=0"
    run = aispipe(*command, env={**env, **full}, status=None)
    assert_one_error(run, 1, "save failed at batch", r"s\d\.npy", "No space left")
    assert not temporaries(tmp_path)


def test_acl_json_that_everybody_can_change(tmp_path):
    model = save(tmp_path / "m.onnx", [node("Relu", "x", "y")], [("x", [2, 4])], [("y", [2, 4])])
    om = ascend.convert(model, tmp_path / "m.om")
    (tmp_path / "acl.json").write_text("{}")
    for mode, warned in ((0o666, os.geteuid() == 0), (0o644, False)):
        os.chmod(tmp_path / "acl.json", mode)
        run = aispipe("--model", om, "--acl_json_path", tmp_path / "acl.json", env={"AISPIPE_ACL_LIB": ascend.LIBRARY})
        assert ("acl.json file" in run.stderr and "changed by every user" in run.stderr) == warned, run
