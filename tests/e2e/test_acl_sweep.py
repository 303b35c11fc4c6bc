# SPDX-License-Identifier: MIT
"""Every call that the Ascend backend makes fails once, in every kind of run: on the simulated device the n-th call of a
function fails, for every function that a run calls and every n. However it fails: one line, the first error's, that
names the call and its code; status 1; everything released, in order; what was written is whole.

A sanitizer build takes a sample of them, unless AISPIPE_SWEEP=all is in the environment.
"""

import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import aipp
import ascend
import harness
import models
import numpy as np
import pytest
from harness import float_files, temporaries, tree, write_bin, write_npy
from test_acl_aipp import convert as convert_aipp
from test_acl_aipp import image_model, write_bias, write_config
from test_acl_shapes import save

pytestmark = ascend.needed

CODE, NAME = 500003, "ACL_ERROR_RT_FAILURE"

# Of more calls than this, which are those of more slots and batches, the first and last are taken, and every third
# between.
FEW = 8
SAMPLED = 1 if not harness.SANITIZED or os.environ.get("AISPIPE_SWEEP") == "all" else 24
WORKERS = max(2, len(os.sched_getaffinity(0)))

# --- what may fail without ending the run ---------------------------------------------------------------

# Why the run succeeds all the same.
HARMLESS = {
    "aclrtGetVersion": "shown with --debug, and nothing else",
    "aclrtGetSocName": "shown, and nothing else",
    "aclDestroyTensorDesc": "returns nothing, so nobody can know",
}
# In a model with open dimensions the runtime may say 0 for a size that it does not know.
HARMLESS_WITH_OPEN_DIMENSIONS = {"aclmdlGetInputSizeByIndex", "aclmdlGetOutputSizeByIndex"}
# Calls in the callback of an operator that failed: a warning, then the error of the operator.
IN_THE_CALLBACK = re.compile(
    r"aclrtGet\w+FromExceptionInfo|aclmdlCreateAndGetOpDesc|aclGetTensorDesc\w+|aclrtMemcpy|aclrtGetCurrentContext"
)
# These return something else than a code, so that there is none to show.
WITHOUT_CODE = re.compile(
    r"acl\w*Create(Dataset|Desc|AIPP|DataBuffer|TensorDesc)|aclmdlGetNum\w+|aclmdlGet\w+(ByIndex|DataType|Format)"
    r"|aclmdlGetDatasetTensorDesc|aclGetTensorDesc(NumDims|Size)"
)
# Only stage threads call these, once the first batch is on its way.
IN_A_STAGE = {"aclrtMemcpyAsync", "aclrtSynchronizeStream", "aclmdlExecute", "aclmdlGetDatasetTensorDesc"}
STAGE = re.compile(r"(h2d|compute|d2h) failed (at batch \d+ \(|in the warm-up with batch \d+)")


# --- kinds of runs --------------------------------------------------------------------------------------


@dataclass
class Kind:
    """A run: how its files are made in a directory (returns arguments), and what is said to the simulator."""

    name: str
    make: object
    arguments: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)
    open_dimensions: bool = False


def fixed(directory):
    case = models.sum_and_product()
    om = ascend.convert(case.save(directory), directory / "m.om")
    for i, name in enumerate("ab"):
        float_files(directory / name, 2, elements=10, seed=i)
    return ["--model", om, "--input", f"{directory}/a,{directory}/b"]


def pair(directory, shapes, *options):
    """A product of two matrices; a sample of each shape."""
    path = save(
        directory / "pair.onnx", [models.node("MatMul", "a b", "y")], [("a", ["m", "k"]), ("b", ["k", "n"])],
        [("y", ["m", "n"])],
    )
    om = ascend.convert(path, directory / "m.om", "--input_shape=a:-1,-1;b:-1,-1", "--input_format=ND", *options)
    generator = np.random.default_rng(3)
    for k, (m, inner, n) in enumerate(shapes):
        for i, shape in enumerate([(m, inner), (inner, n)]):
            write_npy(directory / f"in{i}" / f"s{k}.npy", generator.standard_normal(shape).astype(np.float32))
    return ["--model", om, "--input", f"{directory}/in0,{directory}/in1"]


def batch(directory):
    path = save(
        directory / "sub.onnx", [models.node("Sub", "a b", "y")], [("a", ["n", 6]), ("b", ["n", 6])], [("y", ["n", 6])]
    )
    om = ascend.convert(path, directory / "m.om", "--input_shape=a:-1,6;b:-1,6", "--dynamic_batch_size=1,2,4")
    for i, name in enumerate("ab"):
        float_files(directory / name, 3, elements=6, seed=i)
    return ["--model", om, "--input", f"{directory}/a,{directory}/b", "--dymBatch", "2"]


def images(directory, *options):
    path = image_model(directory / "images.onnx", 3)
    om = ascend.convert(path, directory / "m.om", *options)
    for k in range(2):
        write_npy(directory / "x" / f"s{k}.npy", np.full((2, 3, 6, 10), k, np.float32))
    write_bias(directory, 2)
    return ["--model", om, "--input", f"{directory}/x,{directory}/bias"]


def hw(directory):
    options = ["--input_shape=x:2,3,-1,-1;bias:4", "--dynamic_image_size=8,8;6,10", "--input_format=NCHW"]
    return images(directory, *options) + ["--dymHW", "6,10"]


def dims(directory):
    return pair(directory, [(3, 5, 7)] * 2, "--dynamic_dims=1,4,4,2;3,5,5,7") + ["--dymDims", "a:3,5;b:5,7"]


def each_dims(directory):
    return pair(directory, [(3, 5, 7), (1, 4, 2)], "--dynamic_dims=1,4,4,2;3,5,5,7") + ["--auto_set_dymdims_mode", "1"]


def shape(directory):
    return pair(directory, [(3, 5, 7)] * 2) + ["--dymShape", "a:3,5;b:5,7", "--outputSize", "200"]


def each_shape(directory):
    return pair(directory, [(3, 5, 7), (1, 4, 2)]) + ["--auto_set_dymshape_mode", "1", "--outputSize", "200"]


def shape_range(directory):
    model = pair(directory, [])[:2]
    return model + ["--dymShape_range", "a:1~2,4;b:4,5", "--outputSize", "1000"]


def aipp_images(directory, batch=2):
    write_bin(directory / "x" / "s0.bin", bytes(range(180)) * batch)
    write_bin(directory / "x" / "s1.bin", bytes(range(1, 181)) * batch)
    write_bias(directory, 2)
    return ["--input", f"{directory}/x,{directory}/bias"]


def dynamic_aipp(directory):
    path = image_model(directory / "m.onnx", 3)
    om = convert_aipp(directory, path, "--input_shape=x:2,3,6,10;bias:4", "--input_format=NCHW")
    config = write_config(directory / "a.config", "RGB888_U8", {**aipp.size(6, 10), **aipp.SCALE})
    return ["--model", om, "--aipp_config", config] + aipp_images(directory)


def dynamic_aipp_batch(directory):
    path = image_model(directory / "m.onnx", 3)
    shape = ["--input_shape=x:-1,3,6,10;bias:4", "--dynamic_batch_size=1,2"]
    om = convert_aipp(directory, path, *shape, "--input_format=NCHW")
    config = write_config(directory / "a.config", "RGB888_U8", {**aipp.size(6, 10), **aipp.SCALE})
    return ["--model", om, "--aipp_config", config, "--dymBatch", "1"] + aipp_images(directory, 1)


def static_aipp(directory):
    path = image_model(directory / "m.onnx", 3)
    (directory / "op.cfg").write_text(
        "aipp_op { aipp_mode: static related_input_rank: 0 input_format: RGB888_U8 src_image_size_w: 10 "
        "src_image_size_h: 6 var_reci_chn_0: 0.5 var_reci_chn_1: 0.5 var_reci_chn_2: 0.5 }\n"
    )
    options = ["--input_shape=x:2,3,6,10;bias:4", "--input_format=NCHW", f"--insert_op_conf={directory}/op.cfg"]
    return ["--model", ascend.convert(path, directory / "m.om", *options)] + aipp_images(directory)


def without_input(directory):
    return fixed(directory)[:2]


KINDS = [
    Kind("fixed", fixed),
    Kind("one-in-flight", fixed, ["--pipeline", "0", "--loop", "2", "--outfmt", "NPY", "--dump", "1"]),
    Kind("loop", without_input, ["--loop", "4", "--debug", "1"]),
    Kind("shared-weights", fixed, ["--threads", "2", "--run_mode", "files"]),
    Kind("own-weights", fixed, ["--threads", "2", "--engine_option", "SHARE_WEIGHTS=NO", "--run_mode", "tensor"]),
    Kind("full", fixed, ["--run_mode", "full", "--outfmt", "TXT", "--warmup_count", "0"]),
    Kind("two-devices", fixed, ["--device", "0,1", "--divide_input", "1"], {"devices": 2}),
    Kind("batch", batch, ["--threads", "2"]),
    Kind("hw", hw),
    Kind("dims", dims),
    Kind("each-dims", each_dims),
    Kind("shape", shape, open_dimensions=True),
    Kind("each-shape", each_shape, ["--threads", "2"], open_dimensions=True),
    Kind("shape-range", shape_range, open_dimensions=True),
    Kind("dynamic-aipp", dynamic_aipp),
    Kind("dynamic-aipp-batch", dynamic_aipp_batch, ["--threads", "2"]),
    Kind("static-aipp", static_aipp),
    # One batch in flight, so that the calls behind the failure are the same every time.
    Kind("operator-fails", fixed, ["--pipeline", "0"], {"exception": 2}),
]


# --- one fault ------------------------------------------------------------------------------------------


@dataclass
class Sweep:
    """All faults of one kind of run."""

    kind: Kind
    arguments: list
    directory: object
    calls: dict = None  # of the run without a fault
    wanted: dict = None  # its results
    said: str = None  # its error, where it has one

    def start(self, fault=None, name="clean"):
        """A run of its own in every respect; returns it, its results and its calls."""
        place = self.directory / name
        place.mkdir()
        device = ascend.Device(place)
        device.directory = place
        env = device.environment(fault, **self.kind.settings)
        output = ["--output", place / "out", "--output_dirname", "r"]
        run = harness.aispipe(*self.arguments, *output, status=None, env=env, cwd=place)
        # What the runtime itself dumps is named after the time, and is not ours to keep whole.
        shutil.rmtree(place / "out" / "dump", ignore_errors=True)
        results = tree(place / "out") if (place / "out").exists() else {}
        left = temporaries(place)
        calls = device.calls() if device.counts.exists() else {}
        complaints = device.complaints()
        shutil.rmtree(place)
        return run, results, left, calls, complaints

    def clean(self):
        run, self.wanted, left, self.calls, complaints = self.start()
        assert not left and not complaints, f"{complaints}{run}"
        if "exception" in self.kind.settings:
            harness.assert_one_error(run, 1, "aclmdlExecute failed with 507015")
            self.said = run.errors[0]
        else:
            assert run.status == 0 and not run.errors, run
            assert any(name.startswith("r") for name in self.wanted), f"no results{run}"

    def harmless(self, function):
        return function in HARMLESS or (self.kind.open_dimensions and function in HARMLESS_WITH_OPEN_DIMENSIONS)

    def check(self, function, n):
        """None, or what is wrong."""
        run, results, left, calls, complaints = self.start(f"{function}:{n}:{CODE}", f"{function}-{n}")
        try:
            assert complaints == "", complaints
            assert not left, f"temporary files are left: {left}"
            assert calls.get(function, 0) >= n, f"only {calls.get(function, 0)} calls of it"
            self.check_results(results, run.status == 0)
            if self.harmless(function) and not self.said:
                assert run.status == 0 and not run.errors, "it should not matter"
            else:
                self.check_error(run, function)
        except AssertionError as wrong:
            return f"{function}, call {n}: {wrong}{'' if run.command[0] in str(wrong) else run}"
        return None

    def check_error(self, run, function):
        harness.assert_one_error(run, 1)
        line = run.errors[0]
        lines = [s for s in run.stderr.splitlines() if s]
        assert lines[-1] == line, "the error is not the last line"
        if self.said and (IN_THE_CALLBACK.fullmatch(function) or self.harmless(function)):
            assert line == self.said, "the operator's error is wanted"
        elif self.said and function not in line:
            # It came after the operator's error, or in the callback: which is the first, and stays.
            assert line == self.said, "neither the call nor the operator is named"
        else:
            assert function in line, "the call is not named"
            if not WITHOUT_CODE.fullmatch(function):
                assert f"{CODE} ({NAME})" in line, "the code is not named"
            if function in IN_A_STAGE and "--dymShape_range" not in self.arguments:
                assert STAGE.search(line), "neither stage nor batch is named"

    def check_results(self, results, all_of_them):
        """Whole, or not there. A summary names times, so that only its being whole can be told."""
        for name, data in results.items():
            if name.endswith(".json"):
                json.loads(data)
            else:
                assert data == self.wanted.get(name), f"{name} is not what it should be"
        if all_of_them:
            assert set(results) == set(self.wanted)


def places(count):
    """Which of `count` calls of a function fail."""
    few = count <= FEW
    return [n for n in range(1, count + 1) if few or n <= FEW // 4 or n > count - FEW // 4 or n % 3 == 0]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_every_call_fails(tmp_path, kind):
    (tmp_path / "in").mkdir()
    sweep = Sweep(kind, kind.make(tmp_path / "in") + kind.arguments, tmp_path)
    sweep.clean()
    faults = [(function, n) for function, count in sweep.calls.items() for n in places(count)]
    faults = faults[KINDS.index(kind) % SAMPLED :: SAMPLED]
    with ThreadPoolExecutor(WORKERS) as pool:
        wrong = [w for w in pool.map(lambda fault: sweep.check(*fault), faults) if w]
    print(f"{kind.name}: {len(faults)} faults in {sum(sweep.calls.values())} calls")
    assert not wrong, f"{len(wrong)} of {len(faults)} faults; the first:\n" + "\n\n".join(wrong[:6])


def test_every_call_of_devices_fails(tmp_path, device):
    """`aispipe devices` shows why a backend is absent, and goes on; at the end nobody is left to show it to."""
    whole = harness.aispipe("devices", env=device.environment())
    assert re.search(r"^acl +0 +AscendSimulated$", whole.stdout, re.MULTILINE), whole
    calls = device.calls()
    assert set(calls) == {"aclInit", "aclrtGetDeviceCount", "aclrtGetSocName", "aclFinalize"}
    for function, count in calls.items():
        for n in range(1, count + 1):
            env = device.environment(f"{function}:{n}:{CODE}")
            run = harness.aispipe("devices", status=None, env=env)
            assert device.complaints() == "" and device.calls()[function] >= n, run
            said = f"{function} failed with {CODE} ({NAME})"
            if function == "aclFinalize":
                harness.assert_one_error(run, 1, re.escape(said))
            else:
                assert run.status == 0 and not run.errors, run
                absent = re.search(r"^acl +absent +(.*)$", run.stdout, re.MULTILINE)
                assert bool(absent) == (function not in HARMLESS), run
                assert not absent or absent[1].startswith(said), run
