# SPDX-License-Identifier: MIT
"""--profiler, --dump and --acl_json_path on the simulated Ascend device: how msprof is started, by a program of ours
in its place, and what the device runtime is started with, which the simulator reads, checks and writes down."""

import json
import os
import signal

import ascend
import models
import pytest
from harness import PROGRAM, assert_one_error, float_files, start, summary_of, wait_until
from programs import Program

pytestmark = ascend.needed

NO_MSPROF = {"AIT_NO_MSPROF_MODE": "1"}

# What plays msprof: starts the program as msprof does, cut at blanks and from another directory, makes tables where
# it was told to, says where, and ends as its program did.
MSPROF = """
import subprocess
given = dict(a[2:].split("=", 1) for a in sys.argv[1:])
place = os.path.abspath(os.path.join(given.get("output", "."), "PROF_000001_20260101_ABCDEF"))
os.makedirs(place + "/mindstudio_profiler_output")
status = subprocess.run(given["application"].split(), cwd="/").returncode
for name in ("op_summary_0.csv", "msprof_0.json", "raw.db"):
    open(place + "/mindstudio_profiler_output/" + name, "w").close()
print("[INFO] Profiling data is saved in: " + place)
sys.exit(status)
"""

FIXED = ["--model-execution=on", "--sys-hardware-mem=on", "--sys-cpu-profiling=off", "--sys-profiling=off"]
FIXED += ["--sys-pid-profiling=off", "--dvpp-profiling=on", "--runtime-api=on", "--task-time=on", "--aicpu=on"]


class Machine(ascend.Device):
    """A simulated machine that writes down what aclInit was given."""

    def environment(self, fault=None, **settings):
        self.init = self.directory / f"init{self.runs}"
        return super().environment(fault, init=self.init, **settings)

    def given(self) -> list:
        """One path for each aclInit that succeeded; "" where there was none."""
        return self.init.read_text().splitlines() if self.init.exists() else []


@pytest.fixture
def device(tmp_path):
    directory = tmp_path / "device"
    directory.mkdir()
    return Machine(directory)


@pytest.fixture(scope="module")
def om(onnx_model, session_path):
    case, onnx = onnx_model(models.sum_and_product)
    return ascend.convert(onnx, session_path / "acl_json" / "net.v1.om")


@pytest.fixture
def msprof(tmp_path):
    return Program(tmp_path / "tools", "msprof", MSPROF)


def write(path, **sections):
    path.write_text(json.dumps(sections))
    return path


def tables(output):
    found = output.glob("profiler/PROF_*/mindstudio_profiler_output/*")
    return sorted(path.name for path in found)


# --- acl.json made for the run --------------------------------------------------------------------------


def test_nothing_is_given_without_them(device, om):
    device.run("--model", om)
    assert device.given() == [""]


@pytest.mark.parametrize("relative", [False, True])
def test_dump(tmp_path, device, om, msprof, relative):
    """By the runtime, also where there is a profiler."""
    output = "out/er" if relative else tmp_path / "out" / "er"
    command = ["--model", om, "--output", output, "--output_dirname", "r", "--dump", "1"]
    device.run(*command, cwd=tmp_path, env=msprof.environment)
    assert msprof.starts == []
    assert device.given() == [f"{output}/acl.json"]
    made = tmp_path / "out" / "er" / "acl.json"
    wanted = {"dump_path": str(tmp_path / "out/er/dump"), "dump_mode": "all", "dump_list": [{"model_name": "net.v1"}]}
    assert json.loads(made.read_text()) == {"dump": wanted}
    assert made.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "out" / "er" / "r_summary.json").exists()


def test_profiler_without_msprof(tmp_path, device, om):
    output = tmp_path / "out"
    device.run("--model", om, "--output", output, "--output_dirname", "r", "--profiler", "1", env=NO_MSPROF)
    assert device.given() == [f"{output}/acl.json"]
    wanted = {"switch": "on", "aicpu": "on", "output": f"{output}/profiler", "aic_metrics": ""}
    assert json.loads((output / "acl.json").read_text()) == {"profiler": wanted}
    assert (output / "profiler").is_dir()
    assert device.calls()["aclmdlExecute"] == 2  # without an input there is a warm-up


@pytest.mark.parametrize("variable", ["AIT_NO_MSPROF_MODE", "NO_MSPROF_MODE"])
def test_the_variables_keep_msprof_away(tmp_path, device, om, msprof, variable):
    env = {**msprof.environment, variable: "1"}
    device.run("--model", om, "--output", tmp_path / "out", "--profiler", "1", env=env)
    assert msprof.starts == []
    assert device.given() == [f"{tmp_path}/out/acl.json"]


def test_no_warm_up_with_profiler_and_input(tmp_path, device, om):
    float_files(tmp_path / "a", 3, elements=10)
    float_files(tmp_path / "b", 3, elements=10)
    command = ["--model", om, "--input", f"{tmp_path}/a,{tmp_path}/b", "--output", tmp_path / "out"]
    device.run(*command, "--profiler", "1", "--warmup_count", "5", env=NO_MSPROF)
    profiled = device.calls()["aclmdlExecute"]
    device.run(*command, "--dump", "1", "--warmup_count", "5")
    assert device.calls()["aclmdlExecute"] == profiled + 5
    file = write(tmp_path / "a.json", profiler={"switch": "on"})
    device.run(*command, "--acl_json_path", file, "--warmup_count", "5", env=NO_MSPROF)
    assert device.calls()["aclmdlExecute"] == profiled


def test_several_devices_share_the_file(tmp_path, device, om):
    file = write(tmp_path / "a.json", profiler={"switch": "off"})
    device.run("--model", om, "--device", "0,1", "--acl_json_path", file, settings={"devices": 2})
    assert device.given() == [str(file)]


def test_several_devices_are_profiled_together(tmp_path, device, om):
    output = tmp_path / "out"
    command = ["--model", om, "--output", output, "--profiler", "1", "--device", "0,1"]
    device.run(*command, env=NO_MSPROF, settings={"devices": 2})
    assert device.given() == [f"{output}/acl.json"]


# --- the user's file ------------------------------------------------------------------------------------


def test_users_file_wins(tmp_path, device, om, msprof):
    """It has no profiler section, so that there is nothing for msprof; and it is not replaced."""
    (tmp_path / "dumps").mkdir()
    section = {"dump_path": "dumps", "dump_mode": "input", "dump_list": [{"model_name": "net.v1"}]}
    write(tmp_path / "my.JSON", dump=section)
    for flag in ("--profiler", "--dump"):
        run = device.run(
            *("--model", om, "-acl", "my.JSON", "--output", "out", flag, "1"), cwd=tmp_path, env=msprof.environment
        )
        assert device.given() == ["my.JSON"]
        assert msprof.starts == [] and "WARNING" not in run.stderr
        assert not (tmp_path / "out" / "acl.json").exists()


@pytest.mark.parametrize(
    "key, section",
    [
        ("model_name", {"dump_list": [{"model_name": "other"}]}),
        ("dump_op_switch", {"dump_op_switch": "yes"}),
        ("dump_mode", {"dump_mode": "most"}),
        ("dump_path", {"dump_path": "/none/such"}),
    ],
)
def test_doubtful_dump_is_a_warning(tmp_path, device, om, key, section):
    good = {"dump_path": str(tmp_path), "dump_mode": "all", "dump_list": [{"model_name": "net.v1"}]}
    file = write(tmp_path / "a.json", dump={**good, **section})
    run = device.run("--model", om, "--acl_json_path", file, status=None)
    warnings = [line for line in run.stderr.splitlines() if line.startswith("[WARNING]")]
    assert len(warnings) == 1 and f'"{key}"' in warnings[0], run
    if key != "model_name":
        assert_one_error(run, 2, "100009", "aclInit", str(file), key)
        assert device.given() == []
    else:
        assert run.status == 0 and device.given() == [str(file)], run


def test_the_runtime_refuses_a_profiler_section(tmp_path, device, om):
    file = write(tmp_path / "a.json", profiler={"switch": "on", "output": "/none/such"})
    run = device.run("--model", om, "--acl_json_path", file, status=None, env=NO_MSPROF)
    assert_one_error(run, 2, "100010", "aclInit", str(file), "output")


@pytest.mark.parametrize(
    "name, text, why",
    [
        ("a.txt", "{}", "does not end in .json"),
        ("none.json", None, "cannot be read"),
        ("big.json", "{}" + " " * 8191, "8192"),
        ("list.json", "[]", "no JSON object"),
        ("cut.json", '{"dump"', "no JSON object"),
    ],
)
def test_bad_files_are_refused_before_anything_is_loaded(tmp_path, device, om, name, text, why):
    if text is not None:
        (tmp_path / name).write_text(text)
    run = device.run("--model", om, "--acl_json_path", tmp_path / name, status=None)
    assert_one_error(run, 2, "--acl_json_path", name, why)
    assert not device.counts.exists()


def test_eight_kibibytes_are_accepted(tmp_path, device, om):
    (tmp_path / "a.json").write_text("{}" + " " * 8190)
    device.run("--model", om, "--acl_json_path", tmp_path / "a.json")
    assert device.given() == [f"{tmp_path}/a.json"]


# --- below msprof ---------------------------------------------------------------------------------------


def test_msprof_gets_the_command(tmp_path, device, om, msprof):
    """Relative paths: msprof starts the program in another directory."""
    os.link(om, tmp_path / "net.v1.om")
    float_files(tmp_path / "a", 3, elements=10)
    float_files(tmp_path / "b", 3, elements=10)
    command = ["--model", "net.v1.om", "--input", "a,b", "--output", "out", "--output_dirname", "r"]
    run = device.run(
        *command, "--profiler", "1", "--warmup_count", "5", "--loop=2", cwd=tmp_path, env=msprof.environment
    )
    (started,) = msprof.starts
    rest = " ".join([os.path.realpath(PROGRAM), *command, "--loop=2", "--profiler=0", "--warmup_count=0"])
    assert started["argv"][1:] == ["--output=out/profiler", f"--application={rest}", *FIXED]
    assert started["cwd"] == str(tmp_path)
    assert started["environment"]["AIT_NO_MSPROF_MODE"] == "1"
    assert len(summary_of(tmp_path / "out", "r")["filesinfo"]) == 3
    assert device.given() == [""], "aclInit was called once, below msprof, without a file"
    assert not (tmp_path / "out" / "acl.json").exists()
    wanted = ["msprof_0_net_ABCDEF.json", "op_summary_0_net_ABCDEF.csv", "raw.db"]
    assert tables(tmp_path / "out") == wanted, run


def test_no_renaming_when_it_is_not_wanted(tmp_path, device, om, msprof):
    command = ["--model", om, "--output", tmp_path / "out", "--profiler", "1", "--profiler_rename", "0"]
    device.run(*command, env=msprof.environment)
    assert tables(tmp_path / "out") == ["msprof_0.json", "op_summary_0.csv", "raw.db"]


def test_profiler_section_becomes_options(tmp_path, device, om, msprof):
    (tmp_path / "out" / "profiler").mkdir(parents=True)
    section = {"switch": "on", "output": "out/profiler", "aic_metrics": "", "task_time": "on", "dvpp_freq": 50}
    write(tmp_path / "a.json", profiler={**section, "sys_hardware_mem_freq": "100"})
    device.run("--model", om, "--acl_json_path", "a.json", cwd=tmp_path, env=msprof.environment)
    (started,) = msprof.starts
    program = f"{os.path.realpath(PROGRAM)} --model {om} --acl_json_path a.json --profiler=0 --warmup_count=0"
    wanted = ["--output=out/profiler", "--task-time=on", "--dvpp-profiling=on", "--dvpp-freq=50"]
    wanted += ["--sys-hardware-mem=on", "--sys-hardware-mem-freq=100", f"--application={program}"]
    assert started["argv"][1:] == wanted
    assert device.given() == ["a.json"]
    assert tables(tmp_path / "out") == ["msprof_0.json", "op_summary_0.csv", "raw.db"], "not renamed"


def test_bare_profiler_section(tmp_path, device, om, msprof):
    """No option of msprof's own, and no --output either."""
    write(tmp_path / "a.json", profiler={"switch": "on"})
    device.run("--model", om, "--acl_json_path", "a.json", cwd=tmp_path, env=msprof.environment)
    (started,) = msprof.starts
    assert len(started["argv"]) == 2 and started["argv"][1].startswith("--application="), started["argv"]


@pytest.mark.parametrize("status", [1, 2, 77])
def test_exit_status_is_handed_on(tmp_path, device, om, status):
    tool = Program(tmp_path / "tools", "msprof", f"sys.exit({status})\n")
    command = ["--model", om, "--output", tmp_path / "out", "--profiler", "1"]
    run = device.run(*command, status=status, env=tool.environment)
    assert f"ended with status {status}" in run.stderr
    assert len(tool.starts) == 1 and device.given() == []


def test_failure_of_the_run_is_said_once(tmp_path, device, om, msprof):
    command = ["--model", om, "--output", tmp_path / "out", "--profiler", "1"]
    run = device.run(*command, status=None, fault="aclmdlExecute:1:507011", env=msprof.environment)
    assert_one_error(run, 1, "507011")
    assert tables(tmp_path / "out") == ["msprof_0.json", "op_summary_0.csv", "raw.db"]


def test_signal_reaches_msprof(tmp_path, device, om):
    tool = Program(tmp_path / "tools", "msprof", "time.sleep(60)\n")
    command = ["--model", om, "--output", tmp_path / "out", "--profiler", "1"]
    process = start(*command, env={**device.environment(), **tool.environment})
    wait_until(lambda: tool.starts, what="the start of msprof")
    process.signal(signal.SIGTERM)
    assert process.wait().status == 128 + signal.SIGTERM


def test_blanks_are_refused(tmp_path, device, om, msprof):
    command = ["--model", om, "--output", tmp_path / "my results", "--profiler", "1"]
    run = device.run(*command, status=None, env=msprof.environment)
    assert_one_error(run, 2, "my results", "AIT_NO_MSPROF_MODE=1")
    assert msprof.starts == [] and not device.counts.exists()


def test_msprof_that_cannot_start(tmp_path, device, om, msprof):
    msprof.path.write_text("#!/none/such\n")
    command = ["--model", om, "--output", tmp_path / "out", "--profiler", "1"]
    run = device.run(*command, status=None, env=msprof.environment)
    assert_one_error(run, 1, "msprof")


# --- other devices --------------------------------------------------------------------------------------


def test_other_backends_refuse(tmp_path, device, onnx_model):
    _, onnx = onnx_model(models.sum_and_product)
    write(tmp_path / "a.json")
    run = device.run("--model", onnx, "--acl_json_path=a.json", status=None, cwd=tmp_path)
    assert_one_error(run, 2, "--acl_json_path", "Ascend")
    assert not device.counts.exists()


@pytest.mark.parametrize("option", ["--profiler_rename", "--profiler_rename=0"])
def test_other_backends_rename_nothing(device, onnx_model, option):
    _, onnx = onnx_model(models.sum_and_product)
    run = device.run("--model", onnx, option)
    assert "[WARNING] --profiler_rename" in run.stdout + run.stderr, run


def test_model_of_another_kind(tmp_path, device, onnx_model, msprof):
    """--backend chooses the device, but not this model: nothing is started and nothing made for it."""
    _, onnx = onnx_model(models.sum_and_product)
    command = ["--model", onnx, "--backend", "acl", "--output", tmp_path / "out", "--profiler_rename", "1"]
    for flag in ("--profiler", "--dump"):
        assert_one_error(device.run(*command, flag, "1", status=None, env=msprof.environment), 2, "acl", onnx.name)
    assert msprof.starts == [] and not (tmp_path / "out").exists() and not device.counts.exists()


def test_output_is_needed(device, om):
    for flag in ("--profiler", "--dump"):
        assert_one_error(device.run("--model", om, flag, "1", status=None), 2, flag, "--output")
