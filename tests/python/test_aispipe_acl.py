# SPDX-License-Identifier: MIT
"""Sessions and tensors on the simulated Ascend device, which has memory of its own and counts its calls."""

import os
import subprocess
import sys
import textwrap

import models
import numpy
import pytest

import aispipe

SIMATC = os.environ.get("AISPIPE_SIMATC", "")
LIBRARY = os.environ.get("AISPIPE_ACL_LIB", "")

pytestmark = pytest.mark.skipif(not (os.access(SIMATC, os.X_OK) and os.path.isfile(LIBRARY)),
                                reason="the simulated Ascend device was not built (it needs OpenVINO)")


def convert(onnx, *options):
    om = onnx.with_suffix(".om")
    subprocess.run([SIMATC, f"--model={onnx}", "--framework=5", f"--output={om.with_suffix('')}",
                    "--soc_version=Ascend310P3", *options], check=True, stdout=subprocess.DEVNULL)
    return om


@pytest.fixture(scope="module")
def relu(tmp_path_factory):
    return convert(models.relu(tmp_path_factory.mktemp("acl") / "relu.onnx"))


def ramp(*shape):
    return (numpy.arange(numpy.prod(shape), dtype="float32") - 7).reshape(shape)


def run(code, tmp_path, *arguments):
    """A program of its own on the device; (its output, calls of each function of the runtime, complaints)."""
    counts, report = tmp_path / "calls", tmp_path / "complaints"
    environment = dict(os.environ, AISPIPE_ACLSIM_CALLS=str(counts), AISPIPE_ACLSIM_REPORT=str(report))
    program = "import gc, os, sys, threading, numpy, aispipe\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program, *map(str, arguments)], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    calls = {name: int(n) for name, n in (line.split() for line in counts.read_text().splitlines())}
    return done.stdout.decode(), calls, report.read_text() if report.exists() else ""


def test_call_equals_onnx_runtime(relu):
    with aispipe.Session(relu) as session:
        assert session.backend == "acl" and session.inputs[0].shape == (1, 16)
        y = session(ramp(1, 16))
        numpy.testing.assert_array_equal(y, numpy.maximum(ramp(1, 16), 0))
        results = list(aispipe.Pipeline(session).map(ramp(1, 16) + i for i in range(40)))
        assert all((result == numpy.maximum(ramp(1, 16) + i, 0)).all() for i, result in enumerate(results))


def test_memory_of_the_device_is_out_of_reach(relu):
    with aispipe.Session(relu) as session:
        there, = session.on_device(ramp(1, 16))
        assert there.device == 0 and there.address is None or there.address == 0
        for look in (there.numpy, lambda: memoryview(there), lambda: there.__dlpack__(), lambda: numpy.from_dlpack(there)):
            with pytest.raises(BufferError, match=r"device 0.*to_host"):
                look()
        assert there.to_host().numpy()[0, 15] == 8
        assert session(there)[0, 15] == 8


def test_device_tensors_go_round_without_a_copy(tmp_path, relu):
    code = """
        with aispipe.Session(sys.argv[1]) as session:
            tensor, = session.on_device(numpy.ones((1, 16), "float32"))
            for _ in range(int(sys.argv[2])):
                tensor, = session.on_device(tensor)
            print(tensor.to_host().numpy().sum())
        """
    few = run(code, tmp_path, relu, 1)
    many = run(code, tmp_path, relu, 101)
    assert few[0] == many[0] == "16.0\n" and few[2] == many[2] == ""
    copies = [{name: n for name, n in calls.items() if "Memcpy" in name} for calls in (few[1], many[1])]
    assert copies[0] == copies[1] and sum(copies[0].values()) > 0
    executions = [sum(n for name, n in calls.items() if name.startswith("aclmdlExecute")) for calls in (few[1], many[1])]
    assert executions[1] - executions[0] == 100


def test_gears(tmp_path):
    onnx = models.relu(tmp_path / "gears.onnx", (None, 3))
    with aispipe.Session(convert(onnx, "--input_shape=x:-1,3", "--dynamic_batch_size=1,4")) as session:
        session.set_shape(batch=4)
        assert session(ramp(4, 3)).shape == (4, 3)
        with pytest.raises(ValueError, match=r"takes the shape \(4, 3\), got \(1, 3\)"):
            session(ramp(1, 3))
        session.set_shape(batch=1)
        assert session(ramp(1, 3)).shape == (1, 3)
        with pytest.raises(aispipe.Error, match="3"):
            session.set_shape(batch=3)


def test_nothing_is_left_behind_by_those_who_close_nothing(tmp_path, relu):
    out, _, complaints = run("""
        session = aispipe.Session(sys.argv[1])
        kept = session.on_device(numpy.ones((1, 16), "float32"))
        results = iter(aispipe.Pipeline(aispipe.Session(sys.argv[1])).map(numpy.ones((1, 16), "float32") for _ in range(99)))
        next(results)
        def work():
            try:
                while True:
                    session(kept[0])
            except aispipe.Error:
                pass
        threading.Thread(target=work, daemon=True).start()
        while session.stats()["executions"] < 5:
            pass
        print("end")
        """, tmp_path, relu)
    assert out == "end\n" and complaints == ""


def test_child_of_a_fork_is_told(tmp_path, relu):
    out, _, complaints = run("""
        session = aispipe.Session(sys.argv[1])
        x = numpy.ones((1, 16), "float32")
        there, = session.on_device(x)
        child = os.fork()
        if child == 0:
            for use in (lambda: session(x), there.to_host, lambda: aispipe.Session(sys.argv[1])):
                try:
                    use()
                    os._exit(3)
                except aispipe.Error:
                    pass
            del session, there
            gc.collect()
            os._exit(7)
        print(os.WEXITSTATUS(os.waitpid(child, 0)[1]), there.to_host().numpy().sum())
        """, tmp_path, relu)
    assert out == "7 16.0\n" and complaints == ""
