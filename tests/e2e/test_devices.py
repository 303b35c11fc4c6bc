# SPDX-License-Identifier: MIT
"""Several devices in one run: each runs the whole dataset or its share, all start together, and one that fails does
not lose what the others did. Also `aispipe devices`."""

from __future__ import annotations

import json
import re
import signal
import time

import models
import numpy as np
import onnxruntime
import pytest
from harness import (
    aispipe,
    complement,
    field,
    float_files,
    sanitizer_environment,
    start,
    temporaries,
    tree,
    wait_until,
    write_npy,
)

BATCH = 2
# A second signal ends the program in the middle of everything: its threads are not joined, and must not be.
ENDS_WITH_THREADS = {"TSAN_OPTIONS": sanitizer_environment(TSAN_OPTIONS="report_thread_leaks=0")["TSAN_OPTIONS"]}
LINE = r"i:(\d+) device_(\d+) throughput:(\d+\.\d\d) start_time:(\d+\.\d\d) end_time:(\d+\.\d\d)"


@pytest.fixture
def job(tmp_path, sim):
    """job(samples, **model) → the arguments of a run into tmp_path/out/r."""

    def make(samples=11, batch=BATCH, **model):
        shape = [batch, 16]
        tensors = {"inputs": [models.sim_tensor("x", shape=shape)], "outputs": [models.sim_tensor("y", shape=shape)]}
        float_files(tmp_path / "in", samples)
        path = sim(**tensors, **model)
        return ["--model", path, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r"]

    return make


def expected(tmp_path) -> dict:
    """Every sample's result, by the name of its file, made without the program."""
    return {f"{p.stem}_0.bin": complement(p.read_bytes()) for p in (tmp_path / "in").iterdir()}


def device_lines(run) -> list:
    found = [re.fullmatch(r"\[INFO\] " + LINE, line) for line in run.lines]
    return [m.groups() for m in found if m]


def results(tmp_path, name) -> tuple:
    """Files of one device, and its summary."""
    base = tmp_path / "out" / "r"
    return tree(base / name), json.loads((base / f"{name}_summary.json").read_text())


def test_each_device_runs_everything(tmp_path, job):
    run = aispipe(*job(), "--device", "1,2")
    for name in ("device1_0", "device2_1"):
        files, summary = results(tmp_path, name)
        assert files == expected(tmp_path), name
        assert list(summary["filesinfo"]) == [str(i) for i in range(11)]
        assert summary["pipeline"]["samples"] == 11
        assert summary["filesinfo"]["10"]["outfiles"] == [str(tmp_path / "out" / "r" / name / "s10_0.bin")]
    assert sorted(p.name for p in (tmp_path / "out" / "r").iterdir()) == [
        "device1_0", "device1_0_summary.json", "device2_1", "device2_1_summary.json"
    ]  # fmt: skip
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["r"]
    assert not temporaries(tmp_path)
    assert [line[:2] for line in device_lines(run)] == [("0", "1"), ("1", "2")]
    for i in (1, 2):
        assert f"[INFO] open device {i} success" in run.lines and f"[INFO] end to reset device {i}" in run.lines


def test_same_bytes_as_one_device(tmp_path, job):
    arguments = job(9)
    aispipe(*arguments, "--device", "3")
    one = tree(tmp_path / "out" / "r")
    assert one == expected(tmp_path)
    aispipe(*arguments[:-1], "s", "--device", "3,4,5", "--divide_input", "1", "--threads", "2")
    names = [f"device{i + 3}_{i}" for i in range(3)]
    shares = [tree(tmp_path / "out" / "s" / name) for name in names]
    assert sum(len(s) for s in shares) == 9
    assert {k: v for share in shares for k, v in share.items()} == one


@pytest.mark.parametrize("samples, devices", [(11, 2), (11, 3), (12, 3), (1, 2), (4, 5), (64, 5)])
def test_shares(tmp_path, job, samples, devices):
    """Contiguous, in order, sizes that differ by one batch at most, nothing twice, nothing left out."""
    ids = [7] * devices  # the same device may be given many times
    run = aispipe(*job(samples), "--device", ",".join(map(str, ids)), "--divide_input")
    numbers, sizes = [], []
    for index, device in enumerate(ids):
        files, summary = results(tmp_path, f"device{device}_{index}")
        info = summary["filesinfo"]
        assert files == {f"s{k}_0.bin": expected(tmp_path)[f"s{k}_0.bin"] for k in info}
        for k, value in info.items():
            assert value["infiles"] == [str(tmp_path / "in" / f"s{k}.bin")]
        numbers += [int(k) for k in info]
        sizes.append(summary["pipeline"]["batches"])
        assert summary["pipeline"]["samples_total"] == len(info)
    assert numbers == list(range(samples))
    assert max(sizes) - min(sizes) <= 1 and sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == -(-samples // BATCH)
    assert [int(m) for m in re.findall(r"runcount:(\d+)", run.stdout)] == sizes


def test_totals(job):
    run = aispipe(*job(40, compute={"latency_us": 2000}), "--device", "1,2")
    lines = device_lines(run)
    total = float(field(run, r"summary throughput:(\d+\.\d\d)")[0])
    assert abs(total - sum(float(line[2]) for line in lines)) <= 0.011
    assert run.lines[-1].startswith("[INFO] summary throughput:")
    for line in lines:
        # Of this device alone: 2 samples in about 2 ms, more on a machine that is busy otherwise.
        assert 100 < float(line[2]) < 1500, run
        assert float(line[4]) - float(line[3]) >= 0.035, run


def test_all_start_together(tmp_path, sim):
    """A large batch is loaded, and its executions take a while, on more devices than there are cores: the warm-ups
    end at different times, and still all of them come before every run."""
    shape = [1, 1 << 19]
    model = sim(inputs=[models.sim_tensor("x", shape=shape)], outputs=[models.sim_tensor("y", shape=shape)])
    count = 16
    run = aispipe("--model", model, "--device", ",".join(map(str, range(count))), "--warmup_count", "20", "--debug")
    lines = device_lines(run)
    starts = [float(line[3]) for line in lines]
    assert len(starts) == count and max(starts) - min(starts) <= 0.2, lines
    warm = [i for i, line in enumerate(run.lines) if line == "[INFO] warm up 20 done"]
    executions = [i for i, line in enumerate(run.lines) if "model aclExec cost" in line]
    assert len(warm) == count and len(executions) == count * 21, run
    assert max(warm) < executions[count * 20], run


def test_a_failing_device_does_not_lose_the_others(tmp_path, job):
    """Five batches: the first share has three of them, so that batch 2 is in that share alone."""
    run = aispipe(*job(10, compute={"fail_at": 2}), "--device", "4,9", "--divide_input", "1", status=1)
    assert len(run.errors) == 1
    assert run.errors[0].startswith("[ERROR] device 4 (number 0 in --device): compute failed at batch 2 (")
    assert "s4.bin" in run.errors[0]
    files, summary = results(tmp_path, "device9_1")
    assert sorted(files) == [f"s{i}_0.bin" for i in range(6, 10)]
    assert list(summary["filesinfo"]) == ["6", "7", "8", "9"]
    assert [line[:2] for line in device_lines(run)] == [("1", "9")]
    assert not (tmp_path / "out" / "r" / "device4_0_summary.json").exists()
    whole = expected(tmp_path)
    for name, data in tree(tmp_path / "out" / "r" / "device4_0").items():
        assert data == whole[name]
    assert any("the run on device 4 failed: " in line and " of 6 samples were saved" in line for line in run.lines)
    assert not temporaries(tmp_path)


def test_a_device_that_fails_in_its_warm_up(tmp_path, job):
    """The first file of the second share is too short: the others do not wait for that device."""
    arguments = job(12)
    (tmp_path / "in" / "s4.bin").write_bytes(b"short")
    run = aispipe(*arguments, "--device", "1,2,3", "--divide_input", status=1)
    assert len(run.errors) == 1
    assert run.errors[0].startswith("[ERROR] device 2 (number 1 in --device): load failed in the warm-up"), run
    assert "s4.bin" in run.errors[0]
    whole = expected(tmp_path)
    for name, numbers in (("device1_0", range(4)), ("device3_2", range(8, 12))):
        files, summary = results(tmp_path, name)
        assert files == {f"s{i}_0.bin": whole[f"s{i}_0.bin"] for i in numbers}
        assert list(summary["filesinfo"]) == [str(i) for i in numbers]
    assert sorted(p.name for p in (tmp_path / "out" / "r").iterdir() if p.is_dir()) == ["device1_0", "device3_2"]


def test_a_device_whose_directory_cannot_be_made(tmp_path, job):
    (tmp_path / "out" / "r").mkdir(parents=True)
    (tmp_path / "out" / "r" / "device2_1").write_text("in the way")
    run = aispipe(*job(), "--device", "1,2", status=1)
    assert len(run.errors) == 1 and run.errors[0].startswith("[ERROR] device 2 (number 1 in --device): --output"), run
    assert results(tmp_path, "device1_0")[0] == expected(tmp_path)
    assert (tmp_path / "out" / "r" / "device2_1").read_text() == "in the way"


def test_an_older_run_is_written_over(tmp_path, job):
    for _ in range(2):
        aispipe(*job(), "--device", "1,2")
    assert results(tmp_path, "device2_1")[0] == expected(tmp_path)


@pytest.mark.parametrize("group, errno", [("thread", "EAGAIN"), ("malloc", "ENOMEM"), ("mkdir", "ENOSPC"),
                                          ("open", "EMFILE"), ("write", "ENOSPC"), ("rename", "EROFS")])  # fmt: skip
def test_nth_call_fails(tmp_path, job, faults, group, errno):
    """Whatever fails, wherever: an error line, no hang, whole files only, and devices that did not fail are done."""
    arguments = [*job(6), "--device", "1,2", "--threads", "2"]
    count = faults.count(*arguments)[group]
    whole = expected(tmp_path)
    for n in sorted({1 + round(i * (count - 1) / 19) for i in range(20)}):
        name, hit = f"{group}{n}", faults.unused("hit")
        environment = faults.environment(f"{group}:{n}:{errno}", hit=hit)
        run = aispipe(*arguments[:6], "-od", name, *arguments[8:], env=environment, status=None)
        done = [d for d in ("device1_0", "device2_1") if (tmp_path / "out" / name / f"{d}_summary.json").exists()]
        for directory in ("device1_0", "device2_1"):
            files = tree(tmp_path / "out" / name / directory) if (tmp_path / "out" / name / directory).exists() else {}
            assert all(data == whole[file] for file, data in files.items()), run
            assert directory not in done or files == whole, run
        if run.status == 0:
            assert len(done) == 2 and not run.errors, run
        else:
            assert run.status in (1, 2) and run.errors and hit.exists(), run
            assert len(device_lines(run)) == len(done) == 2 - len(run.errors) or len(run.errors) == 1, run
        assert not temporaries(tmp_path), run


def test_all_devices_fail(tmp_path, job):
    run = aispipe(*job(10, compute={"fail_at": 0}), "--device", "4,9", status=1)
    assert len(run.errors) == 1 and "on every device: compute failed at batch 0" in run.errors[0]
    assert "summary throughput" not in run.stdout
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


def test_refused_before_the_run(tmp_path, sim, job):
    broken = tmp_path / "broken.sim.json"
    broken.write_text("x")
    out = ["--output", tmp_path / "nothing"]
    run = aispipe("--model", broken, "--device", "1,2", *out, status=2)
    assert len(run.errors) == 1 and "on every device: model" in run.errors[0]
    run = aispipe(*job()[:2], "--input", tmp_path / "models", "--device", "1,2", *out, status=2)
    assert len(run.errors) == 1 and "holds no usable file" in run.errors[0]
    float_files(tmp_path / "odd", 3, elements=5)
    run = aispipe(*job()[:2], "--input", tmp_path / "odd", "--device", "1,2", *out, status=2)
    assert len(run.errors) == 1 and "no whole number of such files" in run.errors[0]
    (tmp_path / "file").write_text("x")
    run = aispipe(*job()[:4], "--output", tmp_path / "file" / "x", "--device", "1,2", status=2)
    assert len(run.errors) == 1
    assert not (tmp_path / "nothing").exists()


def test_without_input_nothing_is_divided(tmp_path, sim):
    aispipe("--model", sim(), "--device", "0,1", "--loop", "6", "--divide_input", "--output", tmp_path, "-od", "r")
    for name in ("device0_0", "device1_1"):
        summary = json.loads((tmp_path / "r" / f"{name}_summary.json").read_text())
        assert summary["NPU_compute_time"]["count"] == 6
        assert list(summary["filesinfo"]) == ["0"]


def test_one_device_is_as_ever(tmp_path, job):
    """No directory for the device, no line of it, also where the dataset is to be divided."""
    run = aispipe(*job(), "--device", "5", "--divide_input", "1")
    assert tree(tmp_path / "out" / "r") == expected(tmp_path)
    assert (tmp_path / "out" / "r_summary.json").is_file()
    assert not device_lines(run) and "summary throughput" not in run.stdout


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_all(tmp_path, job, number, status):
    process = start(*job(400, compute={"latency_us": 20000}), "--device", "1,2", "--progress", "never")
    out = tmp_path / "out" / "r"
    wait_until(lambda: all(list(out.glob(f"device{i + 1}_{i}/s*.bin")) for i in range(2)), what="a result of each")
    process.signal(number)
    run = process.wait()
    assert run.status == status, run
    whole = expected(tmp_path)
    for name in ("device1_0", "device2_1"):
        files, summary = results(tmp_path, name)
        assert 0 < len(files) < 400
        assert sorted(f"s{k}_0.bin" for k in summary["filesinfo"]) == sorted(files)
        assert all(data == whole[file] for file, data in files.items())
    assert not temporaries(tmp_path)
    assert len(device_lines(run)) == 2


def test_a_second_signal_ends_at_once(tmp_path, job):
    """Both devices stand still at batch 1: the first signal cannot end the run, the second one does."""
    process = start(*job(8, compute={"hang_at": 1, "hang_ms": 60000}), "--device", "1,2", env=ENDS_WITH_THREADS)
    out = tmp_path / "out" / "r"
    directories = [out / "device1_0", out / "device2_1"]
    wait_until(lambda: all((d / "s1_0.bin").exists() for d in directories), what="batch 0 of each")
    process.signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.alive()
    process.signal(signal.SIGINT)
    run = process.wait()
    assert run.status == 130 and run.wall < 30, run
    assert not temporaries(tmp_path)
    for directory in directories:
        assert all(data == expected(tmp_path)[name] for name, data in tree(directory).items())


def test_a_signal_in_the_warm_up(job):
    """It ends early, nothing is run, and each device still has its summary."""
    process = start(*job(8, compute={"latency_us": 300000}), "--device", "1,2", "--warmup_count", "1000")
    wait_until(lambda: process.read_stdout().count("create model description success") == 2, what="loading")
    time.sleep(0.2)
    process.signal(signal.SIGINT)
    run = process.wait()
    assert run.status == 130 and run.wall < 15, run
    assert run.stdout.count("Performance Summary") == 2, run


def test_progress_is_the_sum(job):
    run = aispipe(*job(11), "--device", "1,2,3", "--progress", "always")
    assert re.search(r"33/33 100%|33 of 33", run.stderr), run


def test_real_models(tmp_path, onnx_model):
    """On the CPU engine: the same results on every 'device', and what ONNX Runtime computes."""
    case, path = onnx_model(models.conv_net)
    samples = case.samples(10)
    for i, sample in enumerate(samples):
        write_npy(tmp_path / "in" / f"s{i}.npy", sample[0])
    aispipe("--model", path, "--input", tmp_path / "in", "--output", tmp_path, "-od", "r", "--outfmt", "NPY",
            "--device", "0,1", "--divide_input", timeout=60)  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    padded = samples + [samples[8]] * 2
    for first in range(0, 10, case.batch):
        batch = np.concatenate([s[0] for s in padded[first : first + case.batch]])
        scores = session.run(["scores"], {"x": batch})[0]
        for i in range(first, min(first + case.batch, 10)):
            name = "device0_0" if i < 8 else "device1_1"
            found = np.load(tmp_path / "r" / name / f"s{i}_0.npy")
            np.testing.assert_allclose(found, scores[i - first : i - first + 1], rtol=1e-4, atol=1e-5)


# --- aispipe devices --------------------------------------------------------------------------------------


def test_devices_command():
    """OpenVINO's own Python package says what there is."""
    import openvino

    core = openvino.Core()
    run = aispipe("devices")
    lines = [line.split(None, 2) for line in run.lines]
    assert run.stderr == ""
    assert ["sim", "0-255", "simulated devices"] in lines
    found = {line[1]: line[2] for line in lines if line[0] == "openvino"}
    assert found == {name: core.get_property(name, "FULL_DEVICE_NAME") for name in core.available_devices}
    document = json.loads(aispipe("devices", "--json").stdout)
    backends = {b["backend"]: b for b in document["backends"]}
    assert {d["name"]: d["full_name"] for d in backends["openvino"]["devices"]} == found
    assert backends["sim"] == {"backend": "sim", "devices": [{"name": "0-255", "full_name": "simulated devices"}]}


def test_devices_command_says_why_a_backend_is_absent(tmp_path):
    env = {"AISPIPE_OPENVINO_LIB": str(tmp_path / "nowhere.so")}
    run = aispipe("devices", env=env)
    line = next(line for line in run.lines if line.startswith("openvino"))
    assert line.split()[1] == "absent" and "nowhere.so" in line
    assert any(line.startswith("sim ") for line in run.lines)
    document = json.loads(aispipe("devices", "--json", env=env).stdout)
    absent = [b for b in document["backends"] if "absent" in b]
    assert [b["backend"] for b in absent if "nowhere.so" in b["absent"] and not b["devices"]] == ["openvino"]
