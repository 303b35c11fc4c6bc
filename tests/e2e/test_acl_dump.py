# SPDX-License-Identifier: MIT
"""--dump and --dump_npy on the simulated Ascend device, which really writes dumps. CANN's msaccucmp.py is played by a
program of ours, which records how it was started and converts the simulator's files."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import ascend
import models
import numpy as np
import pytest
from harness import aispipe, assert_one_error, float_files, start, wait_until, write_npy
from programs import Program

pytestmark = ascend.needed

STAMP = re.compile(r"\d{14}")
NAMED = re.compile(r"\d{14}(_\d+)?")  # with a number where the second was another run's

# Without numpy: starting is most of what it does.
MSACCUCMP = """
TYPES = {"float32": "<f4", "uint8": "|u1"}
_, word, d, source, out, target = sys.argv
assert (word, d, out) == ("convert", "-d", "-out"), sys.argv
for name in os.listdir(source):
    with open(source + "/" + name, "rb") as file:
        tensors = json.loads(file.readline())
        for t in tensors:
            shape = "(" + "".join("%d," % n for n in t["shape"]) + ")"
            text = "{'descr': '%s', 'fortran_order': False, 'shape': %s}" % (TYPES[t["dtype"]], shape)
            text += " " * (117 - len(text)) + "\\n"
            with open("%s/%s.%s.%d.npy" % (target, name, t["kind"], t["index"]), "wb") as npy:
                npy.write(b"\\x93NUMPY\\x01\\x00" + len(text).to_bytes(2, "little") + text.encode())
                npy.write(file.read(t["bytes"]))
print("converted " + source)
"""


class Tool(Program):
    """CANN's tool in a home of its own; python3 is the tests' own."""

    def __init__(self, home: Path, body: str):
        self.home = home
        super().__init__(home / "tools/operator_cmp/compare", "msaccucmp.py", body)

    @property
    def environment(self) -> dict:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"ASCEND_TOOLKIT_HOME": str(self.home), "PATH": path}


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path / "cann", MSACCUCMP)


@pytest.fixture(scope="module")
def om(onnx_model, session_path):
    case, onnx = onnx_model(models.sum_and_product)
    return ascend.convert(onnx, session_path / "acl_dump" / "net.v1.om")


@pytest.fixture
def data(tmp_path) -> tuple:
    """--input's value, and the arrays: three samples of two inputs."""
    arrays = {}
    for name, low in (("a", 1), ("b", 50)):
        (tmp_path / name).mkdir()
        arrays[name] = [np.arange(low + i, low + i + 10, dtype="float32").reshape(1, 2, 5) for i in range(3)]
        for i, array in enumerate(arrays[name]):
            write_npy(tmp_path / name / f"s{i}.npy", array)
    return f"{tmp_path}/a,{tmp_path}/b", arrays


def many_files(tmp_path, count) -> str:
    for name in "ab":
        float_files(tmp_path / name, count, elements=10)
    return f"{tmp_path}/a,{tmp_path}/b"


def write(path, **sections):
    path.write_text(json.dumps(sections))
    return path


def dump_section(path, **more):
    return {"dump_path": str(path), "dump_mode": "all", "dump_list": [{"model_name": "net.v1"}], **more}


def tensors_of(file: Path) -> dict:
    """The arrays in one of the simulator's files: kind and index, and the array."""
    with file.open("rb") as f:
        return {
            (t["kind"], t["index"]): np.frombuffer(f.read(t["bytes"]), t["dtype"]).reshape(t["shape"])
            for t in json.loads(f.readline())
        }


def dump_files(place: Path) -> dict:
    """The path of every file below the one time-stamped directory of `place`, and the file."""
    (stamp,) = [p for p in place.iterdir() if STAMP.fullmatch(p.name)]
    return {str(p.relative_to(stamp)): p for p in sorted(stamp.rglob("*")) if p.is_file()}


def numbers_of(place: Path) -> list:
    """The directories below the time stamp that hold a file: device/model/id/n."""
    return sorted(str(Path(name).parent) for name in dump_files(place))


def names_in(place: Path) -> list:
    """What is there, the time put out of the names."""
    return sorted(NAMED.sub("TIME", p.name) for p in place.iterdir())


# --- the dump ---------------------------------------------------------------------------------------------


def test_every_execution_is_dumped(tmp_path, device, om, data):
    inputs, arrays = data
    out = tmp_path / "out"
    device.run("--model", om, "--input", inputs, "--output", out, "--dump", "1", "--warmup_count", "0")
    assert names_in(out / "dump") == ["TIME"]
    assert numbers_of(out / "dump") == [f"0/net.v1/1/{n}" for n in range(3)]
    found = []
    for name, file in dump_files(out / "dump").items():
        assert re.fullmatch(r"Simulated\.net_v1_operator\.\d+\.\d{16}", file.name), file.name
        assert file.stat().st_mode & 0o777 == 0o640 and file.parent.stat().st_mode & 0o777 == 0o750
        tensors = tensors_of(file)
        a, b = tensors["input", 0], tensors["input", 1]
        assert np.array_equal(tensors["output", 0], a + b) and np.array_equal(tensors["output", 1], a * b)
        found.append((a.tolist(), b.tolist()))
    assert found == [(a.tolist(), b.tolist()) for a, b in zip(arrays["a"], arrays["b"])]


@pytest.mark.parametrize("mode, kinds", [("input", {"input"}), ("output", {"output"}), (None, {"output"})])
def test_dump_mode(tmp_path, device, om, mode, kinds):
    section = dump_section(tmp_path, dump_mode=mode)
    if mode is None:
        del section["dump_mode"]
    file = write(tmp_path / "a.json", dump=section)
    device.run("--model", om, "--acl_json_path", file, "--warmup_count", "0")
    (dumped,) = dump_files(tmp_path).values()
    assert {kind for kind, _ in tensors_of(dumped)} == kinds and len(tensors_of(dumped)) == 2


@pytest.mark.parametrize(
    "section", [{"dump_list": [{"model_name": "other"}]}, {"dump_list": [], "dump_op_switch": "on"}]
)
def test_a_model_that_is_not_named_is_not_dumped(tmp_path, device, om, tool, section):
    (tmp_path / "dumps").mkdir()
    file = write(tmp_path / "a.json", dump=dump_section(tmp_path / "dumps", **section))
    command = ["--model", om, "--acl_json_path", file, "--output", tmp_path / "out"]
    for more in ([], ["--dump_npy", "1"]):
        run = device.run(*command, *more, env=tool.environment)
        assert '"model_name"' in run.stderr and ("has dumped nothing" in run.stderr) == bool(more), run
        assert names_in(tmp_path / "dumps") == []
    assert tool.starts == []


def test_each_thread_and_device_has_its_own(tmp_path, device, om, data):
    """Copies of the model have numbers of their own; what they executed is all there, once."""
    inputs, _ = data
    command = ["--model", om, "--input", inputs, "--dump", "1", "--warmup_count", "0", "--threads", "2"]
    device.run(*command, "--output", tmp_path / "out", "--device", "0,1", settings={"devices": 2})
    places = numbers_of(tmp_path / "out" / "dump")
    assert [p.split("/")[0] for p in places] == ["0"] * 3 + ["1"] * 3 and len(set(places)) == 6, places
    assert not {p.split("/")[2] for p in places[:3]} & {p.split("/")[2] for p in places[3:]}, places


# --- converted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relative", [False, True])
def test_conversion(tmp_path, device, om, data, tool, relative):
    inputs, arrays = data
    out = tmp_path / "out"
    command = ["--model", om, "--input", inputs, "--output", "out" if relative else out, "--warmup_count", "0"]
    run = device.run(*command, "--dump", "1", "--dump_npy", "1", cwd=tmp_path, env=tool.environment)
    assert names_in(out / "dump") == ["TIME", "TIME_npy"]
    (converted,) = (out / "dump").glob("*_npy")
    dumped = out / "dump" / converted.name[:-4]
    wanted = [
        [str(tool.path), "convert", "-d", f"{dumped}/0/net.v1/1/{n}", "-out", f"{converted}/0/net.v1/1/{n}"]
        for n in range(3)
    ]
    assert [s["argv"] for s in tool.starts] == wanted
    for n in range(3):
        place = converted / "0/net.v1/1" / str(n)
        names = sorted(p.name.split(".", 4)[-1] for p in place.iterdir())
        assert names == ["input.0.npy", "input.1.npy", "output.0.npy", "output.1.npy"]
        (product,) = place.glob("*.output.1.npy")
        assert np.array_equal(np.load(product), arrays["a"][n] * arrays["b"][n])
    assert f"3 directories of '{dumped}' are converted in '{converted}'" in run.stdout, run
    assert f"converted {dumped}/0/net.v1/1/0" in run.lines, "what the tool prints is seen"
    assert json.loads((out / "acl.json").read_text())["dump"]["dump_path"] == str(out / "dump")


def test_users_file(tmp_path, device, om, tool):
    """It is not changed, dumps of other runs are left alone, and 0 means that nothing is converted."""
    (tmp_path / "dumps" / "20200101000000").mkdir(parents=True)
    file = write(tmp_path / "my.json", dump=dump_section("dumps", dump_mode="output"))
    text = file.read_text()
    command = ["--model", om, "-acl", "my.json", "--output", "out", "--dump_npy"]
    device.run(*command, "0", cwd=tmp_path, env=tool.environment)
    assert tool.starts == [] and names_in(tmp_path / "dumps") == ["TIME", "TIME"]
    device.run(*command, "1", cwd=tmp_path, env=tool.environment)
    assert file.read_text() == text
    assert names_in(tmp_path / "dumps") == ["TIME"] * 3 + ["TIME_npy"]
    (converted,) = (tmp_path / "dumps").glob("*_npy")
    assert len(list(converted.rglob("*.output.?.npy"))) == 4, "the warm-up is an execution, too"


def test_several_devices(tmp_path, device, om, tool):
    command = ["--model", om, "--device", "0,1", "--output", tmp_path / "out", "--warmup_count", "0"]
    device.run(*command, "--dump", "1", "--dump_npy", "1", settings={"devices": 2}, env=tool.environment)
    assert names_in(tmp_path / "out" / "dump") == ["TIME", "TIME_npy"]
    (converted,) = (tmp_path / "out" / "dump").glob("*_npy")
    assert sorted(p.name for p in converted.iterdir()) == ["0", "1"] and len(tool.starts) == 2


def test_below_msprof(tmp_path, device, om, tool):
    """The program below msprof does it, once."""
    msprof = Program(
        tmp_path / "bin",
        "msprof",
        "import subprocess\nsys.exit(subprocess.run(sys.argv[-1].split('=', 1)[1].split(), cwd='/').returncode)\n",
    )
    (tmp_path / "dumps").mkdir()
    file = write(tmp_path / "a.json", profiler={"switch": "on"}, dump=dump_section("dumps"))
    env = {**tool.environment, "PATH": f"{msprof.directory}:{tool.environment['PATH']}"}
    command = ["--model", om, "-acl", file.name, "--output", "out", "--dump_npy", "1"]
    device.run(*command, cwd=tmp_path, env=env)
    assert len(msprof.starts) == 1 and len(tool.starts) == 1
    assert names_in(tmp_path / "dumps") == ["TIME", "TIME_npy"]


def test_home_of_another_variable(tmp_path, device, om, tool):
    env = {**tool.environment, "ASCEND_TOOLKIT_HOME": str(tmp_path), "ASCEND_HOME_PATH": str(tool.home)}
    device.run("--model", om, "--output", tmp_path / "out", "--dump", "1", "--dump_npy", "1", env=env)
    assert names_in(tmp_path / "out" / "dump") == ["TIME", "TIME_npy"]


# --- not converted ----------------------------------------------------------------------------------------


def dump_npy(device, om, out, *more, status=None, **how):
    return device.run("--model", om, "--output", out, "--dump", "1", "--dump_npy", "1", *more, status=status, **how)


@pytest.mark.skipif(os.path.isdir("/usr/local/Ascend"), reason="CANN is installed here")
def test_no_tool(tmp_path, device, om):
    run = dump_npy(device, om, tmp_path / "out", env={"ASCEND_TOOLKIT_HOME": str(tmp_path)})
    assert_one_error(run, 1, "--dump_npy", "msaccucmp.py", "ASCEND_TOOLKIT_HOME", f"{tmp_path}/out/dump/2")
    assert names_in(tmp_path / "out" / "dump") == ["TIME"] and len(dump_files(tmp_path / "out" / "dump")) == 2


def test_no_python(tmp_path, device, om, tool):
    run = dump_npy(device, om, tmp_path / "out", env={**tool.environment, "PATH": str(tmp_path)})
    assert_one_error(run, 1, "--dump_npy", "python3")
    assert names_in(tmp_path / "out" / "dump") == ["TIME"]


def test_a_directory_that_the_tool_refuses(tmp_path, device, om):
    """The other one is converted; what the tool made of this one is kept, too."""
    tool = Tool(tmp_path / "cann", 'if sys.argv[3].endswith("/0"):\n    sys.exit(3)\n' + MSACCUCMP)
    run = dump_npy(device, om, tmp_path / "out", env=tool.environment)
    assert_one_error(run, 1, "--dump_npy", "/0/net.v1/1/0' is not converted", "status 3")
    assert names_in(tmp_path / "out" / "dump") == ["TIME", "TIME_npy"]
    (converted,) = (tmp_path / "out" / "dump").glob("*_npy")
    assert [p.name for p in (converted / "0/net.v1/1").iterdir()] == ["1"] and len(tool.starts) == 2
    assert "1 directories" in run.stdout, run


def test_a_tool_that_is_killed(tmp_path, device, om):
    """What it was about to make goes: nobody knows how far it came."""
    tool = Tool(tmp_path / "cann", 'open(sys.argv[5] + "/half.npy", "w").close()\nos.kill(os.getpid(), 9)\n')
    run = dump_npy(device, om, tmp_path / "out", env=tool.environment)
    assert_one_error(run, 1, "--dump_npy", "signal 9")
    assert names_in(tmp_path / "out" / "dump") == ["TIME"] and len(tool.starts) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_converting(tmp_path, device, om, number):
    tool = Tool(tmp_path / "cann", 'open(sys.argv[5] + "/half.npy", "w").close()\ntime.sleep(60)\n')
    command = ["--model", om, "--output", tmp_path / "out", "--dump", "1", "--dump_npy", "1"]
    process = start(*command, env={**device.environment(), **tool.environment})
    wait_until(lambda: tool.starts, what="the start of the tool")
    process.signal(number)
    run = process.wait()
    assert run.status == 128 + number and len(tool.starts) == 1, run
    assert device.complaints() == ""
    assert names_in(tmp_path / "out" / "dump") == ["TIME"] and len(dump_files(tmp_path / "out" / "dump")) == 2


def test_a_run_that_fails(tmp_path, device, om, data, tool):
    """Its error is the only one; what was dumped before stays."""
    inputs, _ = data
    out = tmp_path / "out"
    run = dump_npy(
        *(device, om, out, "--input", inputs, "--warmup_count", "0"), env=tool.environment, settings={"exception": 3},
        cwd=tmp_path,  # where the operands of the operator that fails are written
    )
    assert_one_error(run, 1, "507015")
    assert "it is not converted" in run.stdout, run
    assert names_in(out / "dump") == ["TIME"] and tool.starts == []
    assert 1 <= len(dump_files(out / "dump")) <= 2


def test_a_run_that_is_stopped(tmp_path, device, om, tool):
    inputs = many_files(tmp_path, 2000)
    out = tmp_path / "out"
    command = ["--model", om, "--input", inputs, "--output", out, "--dump", "1", "--dump_npy", "1"]
    process = start(*command, env={**device.environment(compute_us=5000), **tool.environment})
    wait_until(lambda: len(list((out / "dump").rglob("Simulated.*"))) > 3, what="a dump")
    process.signal(signal.SIGINT)
    run = process.wait()
    assert run.status == 130 and device.complaints() == "", run
    assert names_in(out / "dump") == ["TIME"] and tool.starts == []
    assert len(dump_files(out / "dump")) > 3


def test_an_end_at_once(tmp_path, device, om, tool):
    """By a second signal. The dump is moved all the same."""
    inputs = many_files(tmp_path, 50)
    out = tmp_path / "out"
    command = ["--model", om, "--input", inputs, "--output", out, "--dump", "1", "--dump_npy", "1"]
    process = start(*command, env={**device.environment(compute_us=300000), **tool.environment})
    wait_until(lambda: list((out / "dump").rglob("Simulated.*")), what="a dump")
    process.signal(signal.SIGINT)
    process.signal(signal.SIGTERM)
    run = process.wait()
    assert run.status in (130, 143), run
    assert names_in(out / "dump") == ["TIME"] and dump_files(out / "dump"), run


def test_an_end_before_the_run(tmp_path, device, om):
    """While the runtime is loaded, which here takes for ever: nothing was dumped, and nothing stays behind."""
    os.mkfifo(tmp_path / "libascendcl.so")
    dumps = tmp_path / "out" / "dump"
    command = ["--model", om, "--output", tmp_path / "out", "--dump", "1", "--dump_npy", "1"]
    process = start(*command, env={**device.environment(), "AISPIPE_ACL_LIB": str(tmp_path / "libascendcl.so")})
    wait_until(lambda: list(dumps.glob("aispipe-*/acl.json")), what="the directory of the dump")
    process.signal(signal.SIGINT)
    assert process.wait().status == 130
    assert names_in(dumps) == []


def test_a_start_that_is_refused(tmp_path, device, om, tool):
    (tmp_path / "dumps").mkdir()
    file = write(tmp_path / "a.json", dump=dump_section(tmp_path / "dumps", dump_mode="most"))
    command = ["--model", om, "-acl", file, "--output", tmp_path / "out", "--dump_npy", "1"]
    run = device.run(*command, status=None, env=tool.environment)
    assert_one_error(run, 2, "100009", "dump_mode")
    assert names_in(tmp_path / "dumps") == [] and tool.starts == []


# --- refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sections, words",
    [
        ({}, ["a.json", '"dump"']),
        ({"profiler": {"switch": "on"}}, ["a.json", '"dump"']),
        ({"dump": {"dump_list": [{"model_name": "net.v1"}]}}, ["a.json", "dump_path"]),
        ({"dump": dump_section("/none/such")}, ["dump_path", "/none/such", "No such file"]),
        ({"dump": dump_section("a.json")}, ["dump_path", "a.json", "Not a directory"]),
    ],
)
def test_files_without_a_dump(tmp_path, device, om, sections, words):
    """Before anything is loaded or started."""
    msprof = Program(tmp_path / "bin", "msprof", "")
    write(tmp_path / "a.json", **sections)
    command = ["--model", om, "-acl", "a.json", "--output", "out", "--dump_npy", "1"]
    run = device.run(*command, status=None, cwd=tmp_path, env=msprof.environment)
    assert_one_error(run, 2, "--dump_npy", *words)
    assert not device.counts.exists() and msprof.starts == []


def test_it_needs_a_dump(tmp_path, device, om):
    command = ["--model", om, "--output", tmp_path / "out", "--dump_npy", "1"]
    for more in ([], ["--dump", "0"], ["--profiler", "1"]):
        assert_one_error(device.run(*command, *more, status=None), 2, "--dump_npy", "--dump 1", "--acl_json_path")
        assert not device.counts.exists() and not (tmp_path / "out").exists()


def test_the_cpu_engine_dumps_npy_anyway(tmp_path, onnx_model):
    _, onnx = onnx_model(models.sum_and_product)
    command = ["--model", onnx, "--output", tmp_path / "out", "--output_dirname", "r", "--dump", "1"]
    run = aispipe(*command, "--dump_npy", "1")
    assert "[INFO] --dump_npy: there is nothing to convert" in run.stdout, run
    assert {p.suffix for p in (tmp_path / "out/dump/r").iterdir()} == {".npy", ".json"}
    assert "--dump_npy" not in aispipe(*command, "--dump_npy", "0").stdout
