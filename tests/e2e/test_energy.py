# SPDX-License-Identifier: MIT
"""`--energy_consumption`, with counters in a directory of ours and with a program of ours in the place of npu-smi."""

from __future__ import annotations

import re
import threading
import time

import pytest
from harness import aispipe, assert_one_error, start, summary_of
from programs import Program

LINE = re.compile(r"\[INFO\] NPU ID:(\d+) energy consumption\(J\):(\d+\.\d+(?:e-?\d+)?)")

NPU_SMI = """
watts = json.load(open(sys.argv[0] + ".watts"))
number = sys.argv[-1]
print("\\tNPU ID                         : " + number)
print("\\tChip Count                     : 1")
print()
print("\\tPower Dissipation(W)           : " + str(watts[number]), flush=True)
"""


@pytest.fixture
def slow(sim):
    """300 executions of 5 ms: a run of 1.5 s."""
    return [
        "--model", sim(compute={"latency_us": 5000}), "--loop", "300", "--energy_consumption", "1", "--warmup_count", "0"
    ]  # fmt: skip


def joules(run) -> dict:
    return {int(m[1]): float(m[2]) for m in map(LINE.fullmatch, run.lines) if m}


class Counter:
    """A package that takes `watts`, in a directory like the kernel's."""

    def __init__(self, directory, watts, start, top):
        zone = directory / "intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "max_energy_range_uj").write_text(f"{top}\n")
        self.file, self.start, self.top, self.watts = zone / "energy_uj", start, top, watts
        self.began = time.monotonic()
        self.over = threading.Event()
        self.update()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def update(self):
        value = int(self.start + self.watts * 1e6 * (time.monotonic() - self.began)) % (self.top + 1)
        temporary = self.file.with_suffix(".new")
        temporary.write_text(f"{value:012d}\n")
        # The program keeps the file open, so it is written in place, in one piece.
        with open(self.file, "r+b" if self.file.exists() else "wb", buffering=0) as file:
            file.write(temporary.read_bytes())

    def run(self):
        while not self.over.wait(0.01):
            self.update()

    def close(self):
        self.over.set()
        self.thread.join()


@pytest.mark.parametrize("start_at", [0, 20_000_000 - 1_000_000], ids=["plain", "wraps"])
def test_counters(slow, tmp_path, start_at):
    # 20 J of range at 50 W: the second one starts again after 0.02 s, and both do within 0.4 s once more.
    counter = Counter(tmp_path / "powercap", watts=50, start=start_at, top=20_000_000)
    try:
        run = aispipe(
            *slow, "--output", tmp_path / "out", "--output_dirname", "r",
            env={"AISPIPE_POWERCAP_DIR": str(tmp_path / "powercap"), "PATH": "/nowhere"},
        )  # fmt: skip
    finally:
        counter.close()
    assert not run.stderr, run
    stored = summary_of(tmp_path / "out", "r")
    energy = stored["energy_consumption"]
    assert energy["source"] == "rapl"
    assert energy["seconds"] == pytest.approx(stored["pipeline"]["wall_ms"] / 1e3, abs=0.3)
    assert energy["npus"] == [{"npu_id": 0, "joules": joules(run)[0]}]
    assert joules(run)[0] == pytest.approx(50 * energy["seconds"], abs=50 * 0.1)
    assert joules(run)[0] > 60


def test_nothing_to_measure_with(slow, tmp_path):
    run = aispipe(*slow[:2], *slow[4:], env={"AISPIPE_POWERCAP_DIR": str(tmp_path / "none"), "PATH": "/nowhere"})
    assert not joules(run)
    (warning,) = [line for line in run.stderr.splitlines() if line.startswith("[WARNING]")]
    assert "npu-smi" in warning and str(tmp_path / "none") in warning
    assert any("throughput" in line for line in run.lines)


def test_npu_smi(slow, tmp_path):
    program = Program(tmp_path / "bin", "npu-smi", NPU_SMI)
    watts = tmp_path / "bin" / "npu-smi.watts"
    watts.write_text('{"5": 40, "2048": 200.5}')
    run = aispipe(
        *slow, "--npu_id", "5,2048", "--output", tmp_path / "out", "--output_dirname", "r", env=program.environment
    )
    energy = summary_of(tmp_path / "out", "r")["energy_consumption"]
    assert energy["source"] == "npu-smi"
    assert [npu["npu_id"] for npu in energy["npus"]] == [5, 2048]
    assert joules(run) == {npu["npu_id"]: npu["joules"] for npu in energy["npus"]}
    # Power that does not change: exactly watts × seconds.
    assert joules(run)[5] == pytest.approx(40 * energy["seconds"], rel=1e-3)
    assert joules(run)[2048] == pytest.approx(200.5 * energy["seconds"], rel=1e-3)
    assert energy["seconds"] > 1.4
    asked = [start["argv"][1:] for start in program.starts]
    assert ["info", "-t", "power", "-i", "5"] in asked and ["info", "-t", "power", "-i", "2048"] in asked
    assert len(asked) >= 6  # before, after, and at least once in between


def test_an_npu_for_each_of_several_devices(sim, tmp_path):
    program = Program(tmp_path / "bin", "npu-smi", NPU_SMI)
    (tmp_path / "bin" / "npu-smi.watts").write_text('{"5": 40, "7": 100}')
    command = ["--model", sim(compute={"latency_us": 5000}), "--loop", "60", "--device", "1,2", "-ec", "1"]
    out = ["--output", tmp_path / "out", "--output_dirname", "r"]
    run = aispipe(*command, *out, "--npu_id", "7,5", env=program.environment)
    for place, npu, watts in (("device1_0", 7, 100), ("device2_1", 5, 40)):
        energy = summary_of(tmp_path / "out" / "r", place)["energy_consumption"]
        assert [entry["npu_id"] for entry in energy["npus"]] == [npu]
        assert joules(run)[npu] == energy["npus"][0]["joules"] == pytest.approx(watts * energy["seconds"], rel=1e-3)
    for ids in ("7", "7,5,3"):
        refused = aispipe(*command, "--npu_id", ids, env=program.environment, status=None)
        assert_one_error(refused, 2, "--npu_id", "for 2 devices", "one for each device")


def test_power_that_changes_is_followed(slow, tmp_path):
    program = Program(tmp_path / "bin", "npu-smi", NPU_SMI)
    watts = tmp_path / "bin" / "npu-smi.watts"
    watts.write_text('{"0": 100}')
    run = start(*slow, env=program.environment)
    time.sleep(0.9)
    replacement = tmp_path / "new"
    replacement.write_text('{"0": 0}')
    replacement.rename(watts)
    ended = run.wait(60)
    assert ended.status == 0, ended
    # The mean of the readings before and after, as of old, would say 75 J and more.
    assert 20 < joules(ended)[0] < 110


@pytest.mark.parametrize(
    "body, word",
    [
        ('print("no such device", file=sys.stderr)\nsys.exit(7)\n', "status 7: 'no such device'"),
        ('print("NPU ID : 0")\n', "no line with power"),
    ],
)
def test_npu_smi_that_fails(slow, tmp_path, body, word):
    program = Program(tmp_path / "bin", "npu-smi", body)
    run = aispipe(*slow[:2], *slow[4:], env=program.environment)
    assert not joules(run)
    (warning,) = [line for line in run.stderr.splitlines() if line.startswith("[WARNING]")]
    assert word in warning


def test_without_the_option_nothing_is_asked(slow, tmp_path):
    program = Program(tmp_path / "bin", "npu-smi", NPU_SMI)
    run = aispipe(*slow[:2], env=program.environment)
    assert not program.starts and not joules(run)


@pytest.mark.parametrize("value", ["2049", "-1", "0,", "a", "0,,1", "1.5"])
def test_bad_ids(slow, value):
    assert_one_error(aispipe(*slow, f"--npu_id={value}", status=None), 2, "--npu_id", "0–2048")
