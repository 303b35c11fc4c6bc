# SPDX-License-Identifier: MIT
"""--affinity: every thread of a run stays on the cores it was given, and what cannot be is refused."""

import os
import re
from pathlib import Path

import ascend
import models
import numpy as np
import pytest
from harness import (
    SANITIZED,
    aispipe,
    assert_one_error,
    complement,
    float_files,
    start,
    summary_of,
    tree,
    wait_until,
    write_bin,
)

CORES = sorted(os.sched_getaffinity(0))
MISSING = max(CORES) + 1  # not among ours; whether it exists does not matter
# No stage runs ahead and ends early: all threads are there until the last samples.
FEW = ("--inflight", "2")
several_cores = pytest.mark.skipif(len(CORES) < 2, reason="this process may use one core only")


def listed(text) -> set:
    """The cores of a list as Linux writes it."""
    cores = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return cores


def threads_of(process) -> dict:
    """Threads of a running program: (name, id) → the cores that it may use."""
    found = {}
    for status in Path(f"/proc/{process.process.pid}/task").glob("*/status"):
        try:
            text = status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = re.search(r"^Name:\t(.*)$", text, re.M)[1]
        found[name, status.parent.name] = listed(re.search(r"^Cpus_allowed_list:\t(.*)$", text, re.M)[1])
    return found


def ours(threads) -> dict:
    """Without the thread that a sanitizer starts before main."""
    if not SANITIZED:
        return threads
    first = min(threads, key=lambda key: int(key[1]))
    return {key: cores for key, cores in threads.items() if key == first or key[0].startswith("aispipe-")}


def stage_threads(process, count):
    """Waits until that many stage threads are there, and returns all threads."""

    def look():
        threads = threads_of(process)
        return threads if sum(name.startswith("aispipe-") for name, _ in threads) >= count else None

    return wait_until(look, what=f"{count} stage threads")


def affinity_of(run) -> str:
    found = re.findall(r"^\[DEBUG\] pipeline: affinity (.*)$", run.stdout, re.M)
    assert len(found) == 1, run
    return found[0]


@pytest.fixture
def slow(sim):
    return sim("slow", compute=models.sim_stage(latency_us=50_000))


@pytest.mark.parametrize("core", CORES[:2])
def test_all_threads_of_a_run_stay(tmp_path, slow, core):
    float_files(tmp_path / "in", 8)
    process = start("--model", slow, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r",
                    "--affinity", core, "--threads", "2", "--load_threads", "2", *FEW, "--debug")
    threads = stage_threads(process, 7)
    run = process.wait()
    assert run.status == 0, run
    names = {name for name, _ in threads}
    assert {"aispipe-load0", "aispipe-load1", "aispipe-h2d0", "aispipe-comp0", "aispipe-comp1", "aispipe-d2h0",
            "aispipe-save0"} <= names
    assert all(cores == {core} for cores in ours(threads).values()), threads
    assert affinity_of(run) == f"list: threads run on cores {core} (as given)"
    assert summary_of(tmp_path / "out", "r")["pipeline"]["affinity"] == {
        "mode": "list", "cores": str(core), "reason": "as given"}


def test_nothing_is_restricted_without_it(tmp_path, slow):
    float_files(tmp_path / "in", 8)
    everything = ["--model", slow, "--input", tmp_path / "in", "--output", tmp_path / "out", "--debug", *FEW]
    for options, mode in (([], "auto"), (["--affinity", "auto"], "auto"), (["--affinity=NONE"], "none")):
        process = start(*everything, "--output_dirname", f"r{len(options)}{mode}", *options)
        threads = stage_threads(process, 5)
        run = process.wait()
        assert run.status == 0, run
        assert all(cores == set(CORES) for cores in threads.values()), threads
        written = summary_of(tmp_path / "out", f"r{len(options)}{mode}")["pipeline"]["affinity"]
        assert written["mode"] == mode and listed(written["cores"]) == set(CORES)
        assert "nothing is set" in written["reason"] and written["reason"] in affinity_of(run)


@several_cores
def test_list_and_range_are_one_set(tmp_path, slow):
    float_files(tmp_path / "in", 8)
    a, b = CORES[:2]
    for text in (f"{a},{b}", f"{b},{a},{a}", f"{a}-{b}" if b == a + 1 else f"{a},{b}"):
        process = start("--model", slow, "--input", tmp_path / "in", *FEW, "--affinity", text)
        threads = stage_threads(process, 5)
        assert process.wait().status == 0
        assert all(cores == {a, b} for cores in ours(threads).values()), (text, threads)


@several_cores
def test_devices_have_their_own_or_share(tmp_path, slow):
    float_files(tmp_path / "in", 8)
    a, b = CORES[:2]
    for text, wanted in ((f"{a};{b}", [{a}, {b}]), (f"{b}", [{b}, {b}])):
        process = start("--model", slow, "--input", tmp_path / "in", "--device", "0,1", *FEW, "--affinity", text)
        threads = stage_threads(process, 10)
        assert process.wait().status == 0
        stages = [cores for (name, _), cores in threads.items() if name.startswith("aispipe-")]
        assert sorted(map(sorted, stages)) == sorted(map(sorted, wanted * 5)), (text, threads)
        union = set().union(*wanted)
        assert all(cores <= union for cores in ours(threads).values()), threads


@several_cores
def test_a_restricted_process_offers_what_it_has(tmp_path, slow):
    """As in a container, or below taskset."""
    float_files(tmp_path / "in", 4)
    a, b = CORES[:2]

    def below(*options):
        return start("--model", slow, "--input", tmp_path / "in", *FEW, *options,
                     before_exec=lambda: os.sched_setaffinity(0, {b}))

    process = below()
    threads = stage_threads(process, 5)
    assert process.wait().status == 0
    assert all(cores == {b} for cores in threads.values()), threads
    assert below("--affinity", b).wait().status == 0
    assert_one_error(below("--affinity", a).wait(), 2, f"names core {a}", f"it may use {b};")


@pytest.mark.parametrize("value", ["x", "-", "0-", "1-0", "0,", ",0", "0,,0", " 0", "+0", "0x0", "0:1", "1.5", "0;", ";",
                                   "99999999999999999999", "0-3-5", "automatic"])
def test_what_is_no_list_is_refused(slow, value):
    run = aispipe("--model", slow, f"--affinity={value}", status=2)
    assert_one_error(run, 2, "option --affinity: '", "auto and none")


def test_other_refusals(slow):
    have = ",".join(map(str, CORES[:1]))
    for value in (MISSING, f"{CORES[0]},{MISSING}", f"{MISSING}-{MISSING + 3}"):
        run = aispipe("--model", slow, "--affinity", value, status=2)
        assert_one_error(run, 2, "--affinity", f"names core {MISSING}", "it may use", "auto and none")
    assert_one_error(aispipe("--model", slow, "--affinity=", status=2), 2, "--affinity", "''")
    assert_one_error(aispipe("--model", slow, "--affinity", status=2), 2, "--affinity", "needs a value")
    run = aispipe("--model", slow, "--affinity", f"{have};{have}", status=2)
    assert_one_error(run, 2, "--affinity", "2 lists of cores for 1 device")
    run = aispipe("--model", slow, "--device", "0,1,2", "--affinity", f"{have};{have}", status=2)
    assert_one_error(run, 2, "--affinity", "2 lists of cores for 3 devices")


@pytest.mark.plain_only
@several_cores
@pytest.mark.parametrize("threads", [1, 2])
def test_the_engine_computes_on_these_cores_only(tmp_path, threads):
    """OpenVINO has threads of its own, and pins them: they must know no other cores."""
    case = models.conv_net()
    model = case.save(tmp_path)
    tensor = case.inputs[0]
    data = np.zeros(tensor.shape, tensor.dtype)
    for i in range(2 * threads):
        write_bin(tmp_path / "in" / f"s{i}.bin", data)
    core = CORES[1]
    process = start("--model", model, "--input", tmp_path / "in", "--loop", "5000", "--threads", threads, "--affinity", core,
                    "--debug")
    seen = {}

    def watch():
        for key, cores in threads_of(process).items():
            seen.setdefault(key, set()).update(cores)
        return not process.alive()

    wait_until(watch, timeout=60, what="the end")
    run = process.wait()
    assert run.status == 0, run
    assert all(cores == {core} for (name, _), cores in seen.items() if name.startswith("aispipe-")), seen
    # The first thread is seen before it has read its command line; the rest never had other cores.
    others = [cores for (name, number), cores in seen.items() if int(number) != process.process.pid]
    assert all(cores == {core} for cores in others), seen
    # As many threads for the engine as it has cores.
    properties = dict(re.findall(r"^\[DEBUG\] engine property (\w+)=(\w+)$", run.stdout, re.M))
    assert int(properties["INFERENCE_NUM_THREADS"]) == 1, run


@ascend.needed
def test_ascend(tmp_path, device, onnx_model):
    """On the simulated runtime, whose memory is pinned and whose threads are its own."""
    case, onnx = onnx_model(models.conv_net)
    om = ascend.convert(onnx, tmp_path / "net.om")
    samples = case.samples(case.batch * 3)
    for i, sample in enumerate(samples):
        for k, array in enumerate(sample):
            write_bin(tmp_path / f"in{k}" / f"s{i}.bin", array)
    inputs = ",".join(str(tmp_path / f"in{k}") for k in range(len(case.inputs)))
    results = {}
    for name, options in (("free", []), ("one", ["--affinity", str(CORES[-1])])):
        run = aispipe("--model", om, "--input", inputs, "--output", tmp_path / "out", "--output_dirname", name, "--debug",
                      *options, env=device.environment(pci="0000:c1:00.0"))
        results[name] = tree(tmp_path / "out" / name)
        wanted = f"list: threads run on cores {CORES[-1]} " if options else "auto: "
        assert affinity_of(run).startswith(wanted), run
    assert results["free"] == results["one"] and results["one"]


def test_results_are_the_same(tmp_path, sim):
    inputs = float_files(tmp_path / "in", 50)
    model = sim("fast")
    aispipe("--model", model, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r",
            "--affinity", CORES[0])
    got = tree(tmp_path / "out" / "r")
    assert len(got) == 50
    for i, array in enumerate(inputs):
        assert got[f"s{i}_0.bin"] == complement(array.tobytes())
