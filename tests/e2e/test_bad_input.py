# SPDX-License-Identifier: MIT
"""Everything that can be wrong with what the program is given: one clear line, the right status, and earlier
results stay as they are."""

import ctypes
import os
import struct
from contextlib import contextmanager

import harness
import models
import numpy as np
import pytest
from harness import (
    aispipe,
    assert_one_error,
    complement,
    float_files,
    npy_bytes,
    summary_of,
    temporaries,
    tree,
    wait_until,
    write_bin,
    write_npy,
)

REFUSED, FAILED = 2, 1


@pytest.fixture
def place(tmp_path):
    """A directory of good inputs, and an output directory with results of an earlier run in it."""

    class Place:
        inputs = tmp_path / "in"
        output = tmp_path / "out"
        arrays = float_files(tmp_path / "in", 4)

        def old_results(self):
            for n in range(4):
                write_bin(self.output / "r" / f"s{n}_0.bin", b"result of an earlier run")
            (self.output / "r_summary.json").write_text('{"earlier": true}')
            self.before = tree(self.output)

        def assert_nothing_changed(self):
            assert tree(self.output) == self.before

    made = Place()
    made.old_results()
    return made


def run_on(place, model, *options, inputs=None, **how):
    command = ["--model", model, "--input", inputs or place.inputs, "--output", place.output, "--output_dirname", "r"]
    return aispipe(*command, *options, status=None, **how)


def refused(place, run, *needles, status=REFUSED):
    assert_one_error(run, status, *needles)
    place.assert_nothing_changed()


# --- models ---------------------------------------------------------------------------------------------


def test_missing_model(place):
    refused(place, run_on(place, "nowhere/net.onnx"), "--model", "nowhere/net.onnx", "does not exist")


def test_no_model_at_all(place):
    run = aispipe("--input", place.inputs, status=None)
    assert_one_error(run, REFUSED, "--model", "missing")


def test_directory_as_model(place, tmp_path):
    (tmp_path / "net.onnx").mkdir()
    refused(place, run_on(place, tmp_path / "net.onnx"), "--model", "net.onnx", "directory")


def test_empty_name_as_model(place):
    refused(place, run_on(place, ""), "--model")


@pytest.mark.parametrize("name", ["net.xyz", "net", ".onnx2", "net.onnx.bak"])
def test_unknown_model_extension(place, tmp_path, name):
    (tmp_path / name).write_bytes(b"whatever")
    refused(place, run_on(place, tmp_path / name), name, r"\.onnx", r"\.sim\.json")


@pytest.mark.parametrize("part", [0, 10, 0.5, 0.99])
def test_truncated_onnx(place, tmp_path, onnx_model, part):
    _, good = onnx_model(models.conv_net)
    data = good.read_bytes()
    bad = tmp_path / "cut.onnx"
    bad.write_bytes(data[: part if part in (0, 10) else int(len(data) * part)])
    refused(place, run_on(place, bad), "cut.onnx")


def test_garbage_onnx(place, tmp_path):
    (tmp_path / "garbage.onnx").write_bytes(np.random.default_rng(1).bytes(5000))
    refused(place, run_on(place, tmp_path / "garbage.onnx"), "garbage.onnx")


def test_unreadable_model(place, tmp_path, sim):
    model = sim()
    model.chmod(0)
    with without_privileges() as how:
        refused(place, run_on(place, model, **how), "--model", "model.sim.json", "Permission denied")


def test_model_with_unknown_dimension(place, tmp_path):
    model = models.unknown_dimension(tmp_path)
    refused(place, run_on(place, model), "pictures", r"\b1\b")


@pytest.mark.parametrize(
    "text, needle",
    [
        ("", "model.sim.json"),
        ("{", "model.sim.json"),
        ("[]", "model.sim.json"),
        ("{}", "inputs"),
        ('{"inputs": [], "outputs": []}', "inputs"),
        ('{"inputs": [{"name": "x", "dtype": "float33", "shape": [1]}], "outputs": []}', "float33"),
        ('{"inputs": [{"name": "x", "dtype": "float32", "shape": [-1]}], "outputs": []}', "x"),
        ('{"inputs": [{"name": "x", "dtype": "float32", "shape": [4294967296, 4294967296]}], "outputs": []}', "x"),
        ('{"inputs": [{"name": "x", "dtype": "float32", "shape": [1.5]}], "outputs": []}', "x"),
        ('{"inputs": [{"name": "x", "dtype": "float32", "shape": "1"}], "outputs": []}', "shape"),
        ('{"inputs": [{"name": "x", "dtype": "float32", "shape": [1]}], "outputs": [{"name": "y"}]}', "dtype|shape"),
    ],
)
def test_bad_simulated_model(place, tmp_path, text, needle):
    model = tmp_path / "model.sim.json"
    model.write_text(text)
    refused(place, run_on(place, model), needle)


def test_simulated_model_with_a_key_that_does_not_exist(place, tmp_path, sim):
    refused(place, run_on(place, sim(compute={"latencyy": 3})), "latencyy")


@pytest.mark.skipif("address" in harness.SANITIZER, reason="OpenVINO leaks 8 bytes when it refuses such a file")
def test_simulated_model_for_openvino(place, sim):
    refused(place, run_on(place, sim(), "--backend", "openvino"), "model.sim.json", "backend sim", "--backend")


def test_real_model_for_the_simulated_device(place, onnx_model):
    _, onnx = onnx_model(models.matmul)
    refused(place, run_on(place, onnx, "--backend", "sim"), "matmul.onnx")


def test_engine_device_that_does_not_exist(place, onnx_model):
    _, model = onnx_model(models.matmul)
    refused(place, run_on(place, model, "--engine_device", "ABACUS"), "ABACUS")


def test_engine_option_that_does_not_exist(place, onnx_model):
    _, model = onnx_model(models.matmul)
    refused(place, run_on(place, model, "--engine_option", "NO_SUCH_THING=1"), "NO_SUCH_THING")


# --- paths of inputs ------------------------------------------------------------------------------------


def test_missing_input(place, sim):
    refused(place, run_on(place, sim(), inputs="not/there"), "--input", "not/there", "does not exist")


def test_second_input_missing(place, sim):
    refused(place, run_on(place, sim(), inputs=f"{place.inputs},{place.inputs}2"), "--input", "in2", "does not exist")


def test_files_and_directories_mixed(place, sim):
    both = f"{place.inputs},{place.inputs / 's0.bin'}"
    two = [models.sim_tensor("a"), models.sim_tensor("b")]
    refused(place, run_on(place, sim(inputs=two), inputs=both), "mixe?[sd]", "s0.bin")


@pytest.mark.parametrize("inputs", ["", ",", "a,,b", "in,", ",in"])
def test_empty_input_path(place, sim, tmp_path, inputs):
    for name in "ab":
        write_bin(tmp_path / name, b"")
    refused(place, aispipe("--model", sim(), f"--input={inputs}", status=None, cwd=tmp_path), "--input")


def test_empty_directory(place, sim, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(place, run_on(place, sim(), inputs=tmp_path / "empty"), "empty", r"\.npy", r"\.bin", r"\.npy\.zst")


def test_directory_without_a_usable_file(place, sim, tmp_path):
    write_bin(tmp_path / "odd" / "picture.jpg", b"x")
    write_bin(tmp_path / "odd" / "deeper" / "s0.bin", bytes(64))
    refused(place, run_on(place, sim(), inputs=tmp_path / "odd"), "odd", r"\.npy", r"\.bin")


def test_wrong_number_of_directories(place, sim, tmp_path):
    refused(place, run_on(place, sim(), inputs=f"{place.inputs},{place.inputs}"), "2 input directories", "1 input")
    two = sim("two", inputs=[models.sim_tensor("a"), models.sim_tensor("b")])
    refused(place, run_on(place, two), "1 input directory", "2 inputs")


def test_unequal_counts(place, sim, tmp_path):
    float_files(tmp_path / "other", 3)
    two = sim(inputs=[models.sim_tensor("a"), models.sim_tensor("b")])
    refused(place, run_on(place, two, inputs=f"{place.inputs},{tmp_path / 'other'}"), r"\b4\b", r"\b3\b", "other")


def test_files_that_the_inputs_do_not_divide(place, sim):
    two = sim(inputs=[models.sim_tensor("a"), models.sim_tensor("b")])
    three = ",".join(str(place.inputs / f"s{n}.bin") for n in range(3))
    refused(place, run_on(place, two, inputs=three), r"\b3\b", "2 inputs")


def test_file_with_an_unknown_ending(place, sim, tmp_path):
    write_bin(tmp_path / "picture.jpg", bytes(64))
    refused(place, run_on(place, sim(), inputs=tmp_path / "picture.jpg"), "picture.jpg", r"\.npy", r"\.bin")


def test_input_that_is_no_file(place, sim):
    refused(place, run_on(place, sim(), inputs="/dev/null"), "--input", "/dev/null")


def test_input_for_a_pipe(place, sim, tmp_path):
    os.mkfifo(tmp_path / "pipe.bin")
    refused(place, run_on(place, sim(), inputs=tmp_path / "pipe.bin"), "pipe.bin")


def test_unreadable_directory(place, sim):
    place.inputs.chmod(0)
    with without_privileges() as how:
        refused(place, run_on(place, sim(), **how), "--input", "in'", "Permission denied")
    place.inputs.chmod(0o755)


def test_unreadable_file(place, sim):
    (place.inputs / "s2.bin").chmod(0)
    with without_privileges() as how:
        failed_in_the_middle(place, run_on(place, sim(), **how), 2, "load", "s2.bin", "Permission denied")


# --- contents of inputs ---------------------------------------------------------------------------------


def failed_in_the_middle(place, run, bad, *needles):
    """Sample `bad` cannot be read. Results are whole: old where they were not replaced, new where they were."""
    assert_one_error(run, FAILED, *needles)
    assert temporaries(place.output) == []
    files = tree(place.output / "r")
    assert set(files) == {f"s{n}_0.bin" for n in range(4)}
    for n in range(4):
        allowed = [b"result of an earlier run"]
        if n != bad:
            allowed.append(complement(place.arrays[n].tobytes()))
        assert files[f"s{n}_0.bin"] in allowed
    assert (place.output / "r_summary.json").read_text() == '{"earlier": true}'


def header(text, version=(1, 0), newline=True, pad=True, magic=b"\x93NUMPY") -> bytes:
    body = text.encode("latin-1")
    fixed = 10 if version[0] == 1 else 12
    if pad:
        body += b" " * (-(fixed + len(body) + 1) % 64)
    body += b"\n" if newline else b""
    return magic + bytes(version) + struct.pack("<H" if version[0] == 1 else "<I", len(body)) + body


def dictionary(shape="(1, 16)", descr="'<f4'", order="False") -> str:
    return "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)


PAYLOAD = np.arange(16, dtype=np.float32).tobytes()

BAD_NPY = {
    "empty": (b"", "npy"),
    "magic only": (b"\x93NUMPY", "npy"),
    "not an npy": (b"GIF89a" + bytes(200), "npy"),
    "header cut off": (npy_bytes(np.zeros((1, 16), np.float32))[:60], "header|shorter|end"),
    "payload cut off": (npy_bytes(np.zeros((1, 16), np.float32))[:-4], r"\b(60|64|188|192)\b"),
    "payload missing": (header(dictionary()), r"\b(0|64|128|192)\b"),
    "too much payload": (header(dictionary()) + PAYLOAD + b"1234", r"\b(64|68|192|196)\b"),
    "huge shape": (header(dictionary("(1000000000000, 16)")) + PAYLOAD, "1000000000000|64000000000000"),
    "negative dimension": (header(dictionary("(-1, 16)")) + PAYLOAD, "negative"),
    "both negative": (header(dictionary("(-1, -16)")) + PAYLOAD, "negative"),
    "2^63 product": (header(dictionary("(4611686018427387904, 4)")) + PAYLOAD, r"2\^63"),
    "2^64 + 16 product": (header(dictionary("(4294967297, 4294967297)")) + PAYLOAD, r"2\^63"),
    "dimension of 2^64": (header(dictionary("(18446744073709551617, 16)")) + PAYLOAD, r"2\^63"),
    "objects": (header(dictionary(descr="'|O'")) + PAYLOAD, "object"),
    "fields": (header(dictionary(descr="[('a', '<f4')]")) + PAYLOAD, "structured|fields"),
    "no such type": (header(dictionary(descr="'<f3'")) + PAYLOAD, "f3"),
    "no newline": (header(dictionary(), newline=False) + PAYLOAD, "newline"),
    "version 9": (header(dictionary(), version=(9, 0)) + PAYLOAD, r"9\.0"),
    "version 0": (header(dictionary(), version=(0, 0)) + PAYLOAD, r"0\.0"),
    "header of 4 GB": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + PAYLOAD, "header"),
    "no shape": (header("{'descr': '<f4', 'fortran_order': False, }") + PAYLOAD, "shape"),
    "shape twice": (header(dictionary()[:-1] + "'shape': (16,)}") + PAYLOAD, "shape"),
    "not a dictionary": (header("print('hello')") + PAYLOAD, "dictionary"),
    "40 dimensions": (header(dictionary("(" + "1, " * 40 + ")")) + PAYLOAD, "32|dimensions"),
    "dictionary not closed": (header("{'descr': '<f4', 'fortran_order': False, 'shape': (16,)") + PAYLOAD, "header"),
    "string not closed": (header("{'descr': '<f4") + PAYLOAD, "header|descr"),
    "nul in the header": (header("{'descr': '<f4', 'fortran_order': False, \0'shape': (16,)}") + PAYLOAD, "header"),
}


@pytest.mark.parametrize("name", BAD_NPY)
def test_bad_npy_in_the_middle(place, sim, name):
    data, needle = BAD_NPY[name]
    (place.inputs / "s2.bin").unlink()
    write_bin(place.inputs / "s2.npy", data)
    failed_in_the_middle(place, run_on(place, sim()), 2, "load", "batch 2", "s2.npy", needle)


@pytest.mark.parametrize("name", BAD_NPY)
def test_bad_npy_as_the_first_file(place, sim, name):
    """The first file decides how many make a batch, so it is looked at before anything runs."""
    data, needle = BAD_NPY[name]
    (place.inputs / "s0.bin").unlink()
    write_bin(place.inputs / "s0.npy", data)
    run = run_on(place, sim())
    assert_one_error(run, (REFUSED, FAILED), r"s0\.npy", needle if "payload" not in name else "")
    place.assert_nothing_changed()


@pytest.mark.parametrize("size", [0, 1, 60, 63, 65, 68, 128, 6400])
def test_wrong_size_in_the_middle(place, sim, size):
    write_bin(place.inputs / "s2.bin", bytes(size))
    failed_in_the_middle(place, run_on(place, sim()), 2, "load", r"s2\.bin", r"\b64\b")


@pytest.mark.parametrize("size", [0, 3, 48, 63, 65, 128])
def test_size_of_the_first_file_does_not_divide(place, sim, size):
    write_bin(place.inputs / "s0.bin", bytes(size))
    refused(place, run_on(place, sim()), r"s0\.bin", rf"\b{size}\b", r"\b64\b")


def test_inputs_with_different_samples_per_batch(place, sim, tmp_path):
    model = sim(inputs=[models.sim_tensor("a", shape=(2, 16)), models.sim_tensor("b", shape=(2, 16))])
    float_files(tmp_path / "other", 4, elements=32)
    refused(place, run_on(place, model, inputs=f"{place.inputs},{tmp_path / 'other'}"), r"other/s0\.bin")


def test_npy_where_raw_files_are_needed(place, sim):
    (place.inputs / "s0.bin").unlink()
    write_npy(place.inputs / "s0.npy", place.arrays[0])
    run = run_on(place, sim(), "--run_mode", "files")
    assert_one_error(run, (REFUSED, FAILED), r"s0\.npy", "files", r"\.bin")
    place.assert_nothing_changed()


def test_other_dtype_of_the_same_size_is_a_warning(place, sim):
    for n in range(4):
        (place.inputs / f"s{n}.bin").unlink()
        write_npy(place.inputs / f"s{n}.npy", place.arrays[n].view(np.int32))
    run = run_on(place, sim())
    assert run.status == 0
    warnings = [s for s in (run.stdout + run.stderr).splitlines() if s.startswith("[WARNING] ")]
    assert len(warnings) == 1 and all(word in warnings[0] for word in ("int32", "float32")), run
    for n in range(4):
        assert tree(place.output / "r")[f"s{n}_0.bin"] == complement(place.arrays[n].tobytes())


def test_other_dtype_of_another_size_names_all_of_it(place, sim):
    (place.inputs / "s2.bin").unlink()
    write_npy(place.inputs / "s2.npy", place.arrays[2].astype(np.float64))
    needles = [r"s2\.npy", "float64|f8", "float32", r"\(1, 16\)", r"\b128\b", r"\b64\b"]
    failed_in_the_middle(place, run_on(place, sim()), 2, *needles)


@pytest.mark.parametrize("dtype", [">f4", ">i2", ">f8", ">u8", ">f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_fortran_order_and_big_endian_are_converted(tmp_path, sim, dtype, order):
    native = np.dtype(dtype).newbyteorder("=")
    tensor = models.sim_tensor("x", native.name, (2, 3, 5))
    model = sim(inputs=[tensor], outputs=[tensor])
    arrays = [np.arange(30).reshape(2, 3, 5) * 7 + n for n in range(3)]
    for n, array in enumerate(arrays):
        write_npy(tmp_path / "in" / f"s{n}.npy", np.asarray(array.astype(dtype), order=order))
    assert (b"'fortran_order': True" in (tmp_path / "in" / "s0.npy").read_bytes()) == (order == "F")
    aispipe("--model", model, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r")
    files = tree(tmp_path / "out" / "r")
    assert files == {f"s{n}_0.bin": complement(a.astype(native).tobytes()) for n, a in enumerate(arrays)}


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_versions(tmp_path, sim, version):
    write_bin(tmp_path / "s.npy", header(dictionary(), version) + PAYLOAD)
    aispipe("--model", sim(), "--input", tmp_path / "s.npy", "--output", tmp_path / "out", "--output_dirname", "r")
    assert tree(tmp_path / "out" / "r") == {"s_0.bin": complement(PAYLOAD)}


@pytest.mark.parametrize("damage", ["garbage", "cut", "too short", "too long", "empty", "more behind"])
def test_bad_zst(place, sim, zstd, damage):
    data = place.arrays[2].tobytes()
    whole = zstd.compress(data)
    contents = {
        "garbage": b"this is no zstd frame at all, is it?",
        "cut": whole[:-5],
        "too short": zstd.compress(data[:-4]),
        "too long": zstd.compress(data + b"1234"),
        "empty": b"",
        "more behind": whole + b"rubbish",
    }[damage]
    (place.inputs / "s2.bin").unlink()
    write_bin(place.inputs / "s2.bin.zst", contents)
    failed_in_the_middle(place, run_on(place, sim()), 2, r"s2\.bin\.zst")


def test_zst_that_unpacks_to_a_gigabyte(place, sim, zstd):
    """It is refused without being unpacked."""
    (place.inputs / "s2.bin").unlink()
    write_bin(place.inputs / "s2.bin.zst", zstd.compress(bytes(1 << 28)))
    run = run_on(place, sim())
    failed_in_the_middle(place, run, 2, r"s2\.bin\.zst", r"\b64\b")
    assert run.cpu < 2 or harness.SANITIZED


@pytest.mark.parametrize("change", ["shrink", "grow", "vanish"])
def test_file_that_changes_between_planning_and_reading(place, sim, faults, change):
    """The run is held when it opens the third file for the pipeline; then the file is changed."""
    victim = place.inputs / "s2.bin"
    hit = faults.unused("hit")
    process = harness.start(
        "--model", sim(), "--input", place.inputs, "--output", place.output, "--output_dirname", "r",
        env=faults.environment("open:1:WAIT", path="s1.bin", hit=hit),
    )
    wait_until(hit.exists, what="reading s1.bin")
    if change == "shrink":
        os.truncate(victim, 40)
    elif change == "grow":
        os.truncate(victim, 80)
    else:
        victim.unlink()
    hit.with_name(hit.name + ".go").touch()
    wanted = {"shrink": r"\b40\b", "grow": r"\b80\b|longer|more", "vanish": "No such file"}[change]
    failed_in_the_middle(place, process.wait(), 2, r"s2\.bin", wanted)


@pytest.mark.parametrize("value", [1 << 31, -(1 << 31) - 1, 1 << 40, -(1 << 63)])
def test_integers_that_the_engine_would_change(tmp_path, onnx_model, value):
    """OpenVINO's CPU device computes with 32 bits where a model says 64."""
    _, model = onnx_model(models.long_sums)
    arrays = [np.full((1, 3, 4), n, np.int64) for n in range(3)]
    arrays[2][0, 1, 3] = value
    for n, array in enumerate(arrays):
        write_npy(tmp_path / "in" / f"s{n}.npy", array)
    command = ["--model", model, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r"]
    run = aispipe(*command, status=None)
    assert_one_error(run, FAILED, "batch 2", r"s2\.npy", r"\bx\b", "int64", "32 bits")
    assert not list((tmp_path / "out").glob("r/s2*")) and temporaries(tmp_path) == []


# --- outputs --------------------------------------------------------------------------------------------


def test_colliding_output_names(place, sim):
    write_npy(place.inputs / "s1.npy", place.arrays[1])
    refused(place, run_on(place, sim()), r"s1\.npy", r"s1\.bin", "s1_0")


def test_colliding_names_of_files_given_one_by_one(place, sim, tmp_path):
    write_bin(tmp_path / "other" / "s1.bin", bytes(64))
    both = f"{place.inputs / 's1.bin'},{tmp_path / 'other' / 's1.bin'}"
    refused(place, run_on(place, sim(), inputs=both), r"in/s1\.bin", r"other/s1\.bin", "s1_0")


def test_same_file_twice(place, sim):
    path = place.inputs / "s1.bin"
    refused(place, run_on(place, sim(), inputs=f"{path},{path}"), r"in/s1\.bin")


def test_names_do_not_matter_where_nothing_is_saved(place, sim):
    path = place.inputs / "s1.bin"
    run = aispipe("--model", sim(), "--input", f"{path},{path}")
    assert any("runcount:2" in line for line in run.lines), run


def test_output_of_one_sample_that_looks_like_another_s(tmp_path, sim):
    """`a` has outputs a_0 to a_11, `a_1` has a_1_0: they are different, and so allowed."""
    outputs = [models.sim_tensor(f"y{k}") for k in range(12)]
    for name in ("a", "a_1", "a_1_0"):
        write_bin(tmp_path / "in" / f"{name}.bin", bytes(64))
    command = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r"]
    aispipe("--model", sim(outputs=outputs), *command)
    assert len(list((tmp_path / "out" / "r").iterdir())) == 36


def test_output_is_a_file(place, sim, tmp_path):
    (tmp_path / "file").write_text("keep me")
    run = aispipe("--model", sim(), "--input", place.inputs, "--output", tmp_path / "file", status=None)
    assert_one_error(run, REFUSED, "--output", "file", "directory")
    assert (tmp_path / "file").read_text() == "keep me"


def test_unwritable_output(place, sim, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    with without_privileges() as how:
        command = ["--model", sim(), "--input", place.inputs, "--output", tmp_path / "closed"]
        run = aispipe(*command, status=None, **how)
    assert_one_error(run, REFUSED, "--output", "closed", "Permission denied")


def test_output_that_cannot_be_cut(place, sim):
    model = sim(inputs=[models.sim_tensor("x", shape=(4, 16))], outputs=[models.sim_tensor("y", shape=(6, 5))])
    refused(place, run_on(place, model), r"\by\b", r"\(6, 5\)", "axis 0|axis.*0", r"\b4\b", r"\b6\b")
    refused(place, run_on(place, model, "-oba", "1"), r"\(6, 5\)", "axis.*1", r"\b5\b")
    refused(place, run_on(place, model, "-oba", "2"), r"\(6, 5\)", "axis.*2")


def test_results_of_an_earlier_run_are_replaced_file_by_file(place, sim):
    write_bin(place.output / "r" / "unrelated.txt", b"not ours")
    run = run_on(place, sim())
    assert run.status == 0
    wanted = {f"s{n}_0.bin": complement(a.tobytes()) for n, a in enumerate(place.arrays)}
    assert tree(place.output / "r") == {**wanted, "unrelated.txt": b"not ours"}
    assert summary_of(place.output, "r")["pipeline"]["samples"] == 4


def test_readers_of_old_results_see_old_or_new_never_half(place, tmp_path, sim):
    """Results of 1 MB are replaced again and again, and read all the while."""
    big = models.sim_tensor("y", "uint8", (1 << 20,))
    old, new = np.zeros(1 << 20, np.uint8), np.ones(1 << 20, np.uint8)
    write_bin(tmp_path / "one" / "s.bin", old)
    write_bin(tmp_path / "two" / "s.bin", new)
    model = sim(inputs=[big], outputs=[big])
    allowed = {complement(old.tobytes()), complement(new.tobytes())}
    output = tmp_path / "big"
    result = output / "r" / "s_0.bin"
    command = ["--model", model, "--output", output, "--output_dirname", "r"]
    aispipe(*command, "--input", tmp_path / "one")
    for source in ("two", "one", "two"):
        process = harness.start(*command, "--input", tmp_path / source)
        while process.alive():
            assert result.read_bytes() in allowed
        assert process.wait().status == 0
    assert result.read_bytes() == complement(new.tobytes())


def test_full_disk(place, sim, tmp_path):
    """A file system of 256 KiB for results of 1 MiB together."""
    big = models.sim_tensor("y", "uint8", (1 << 16,))
    generator = np.random.default_rng(4)
    arrays = [generator.integers(0, 256, 1 << 16).astype(np.uint8) for _ in range(16)]
    for n, array in enumerate(arrays):
        write_bin(tmp_path / "big" / f"s{n}.bin", array)
    with small_disk(tmp_path / "disk", 256) as disk:
        command = ["--input", tmp_path / "big", "--output", disk, "--output_dirname", "r", "--save_threads", "2"]
        run = aispipe("--model", sim(inputs=[big], outputs=[big]), *command, status=None)
        assert_one_error(run, FAILED, "save", r"s\d+_0\.bin", "No space left", "free")
        assert temporaries(disk) == []
        files = tree(disk / "r")
        assert 0 < len(files) < 16
        for name, data in files.items():
            assert data == complement(arrays[int(name[1:-6])].tobytes())


def test_disk_too_full_for_the_summary(tmp_path, sim):
    for n in range(2000):
        write_bin(tmp_path / "in" / f"s{n}.bin", b"")
    empty = [models.sim_tensor("x", shape=(0,))]
    model = sim(inputs=empty, outputs=[models.sim_tensor("y", shape=(0,))])
    with small_disk(tmp_path / "disk", 64) as disk:
        command = ["--input", tmp_path / "in", "--output", disk, "--output_dirname", "r"]
        run = aispipe("--model", model, *command, status=None)
        assert_one_error(run, FAILED, "No space left")
        assert temporaries(disk) == []
        assert not (disk / "r_summary.json").exists()


# --- numbers and other options --------------------------------------------------------------------------

NUMERIC = {
    "--threads": ("0", "1025"),
    "--load_threads": ("0", "1025"),
    "--save_threads": ("0", "1025"),
    "--inflight": ("0", "1048577"),
    "--loop": ("0", "4294967296"),
    "--warmup_count": (None, "4294967296"),
    "--batchsize": ("0", "4294967296"),
    "--limit": ("0", "18446744073709551616"),
    "--seed": (None, "18446744073709551616"),
    "--device": (None, "256"),
    "--output_batchsize_axis": (None, "32"),
}
NO_NUMBERS = ["", " ", "text", "1x", "x1", "1.5", "1e3", "0x10", "-1", "+1", " 1", "1 ", "٣", "1,2", "nan", "9" * 40]


@pytest.mark.parametrize("option", NUMERIC)
def test_numeric_options(place, sim, option):
    model = sim()
    too_small, too_large = NUMERIC[option]
    texts = [v for v in NO_NUMBERS if v != "1,2" or option != "--device"]
    for value in texts + [v for v in (too_small, too_large) if v is not None]:
        run = run_on(place, model, f"{option}={value}")
        refused(place, run, option, "whole number")
        shown = value if value.isascii() else ""
        assert f"'{shown}" in run.errors[0], run


@pytest.mark.parametrize("value", ["0", "100000"])
def test_threads(place, sim, value):
    refused(place, run_on(place, sim(), "--threads", value), "--threads", f"'{value}'", "1.1024")


@pytest.mark.parametrize(
    "value",
    ["", "0", "-1", "many", "1048577", "load", "load=", "load=0", "=4", "load=x", "load=4,load=5", "load=4,", ",load=4",
     "load=4,,h2d=3", "rest=3", "load=4;h2d=3", "load = 4", "4,4", "load=99999999999999999999", "load==4"],
)
def test_queue_depth_nonsense(place, sim, value):
    run = run_on(place, sim(), f"--queue_depth={value}")
    refused(place, run, "--queue_depth", "load=8,h2d=4,compute=4,d2h=8,save=8")


@pytest.mark.parametrize("option", ["--debug", "--display_all_summary", "-das", "--pipeline", "--compress"])
@pytest.mark.parametrize("value", ["2", "", "on", "maybe", "truee", "-1"])
def test_bad_booleans(place, sim, option, value):
    refused(place, run_on(place, sim(), f"{option}={value}"), option, "1 true t yes y")


@pytest.mark.parametrize(
    "option, value, accepted",
    [
        ("--outfmt", "PNG", "BIN, NPY or TXT"),
        ("--outfmt", "", "BIN, NPY or TXT"),
        ("--run_mode", "fast", "array, files, tensor or full"),
        ("-rm", "arrays", "array, files, tensor or full"),
        ("--pure_data_type", "ones", "zero or random"),
        ("--backend", "cuda", "auto, acl, openvino, sim or trtexec"),
        ("--progress", "yes", "auto, always or never"),
    ],
)
def test_bad_choices(place, sim, option, value, accepted):
    refused(place, run_on(place, sim(), option, value), option, f"'{value}'", accepted)


@pytest.mark.parametrize("value", ["/abs", "..", "a/../b", "../x", "a/..", "", ".", "/"])
def test_bad_output_dirname(place, sim, value):
    run = aispipe("--model", sim(), "--output", place.output, f"--output_dirname={value}", status=None)
    refused(place, run, "--output_dirname", r"\.\.", "relative")


@pytest.mark.parametrize("option", [["--output_dirname", "r"], ["--compress"], ["-od", "r"]])
def test_options_that_need_an_output(sim, option):
    assert_one_error(aispipe("--model", sim(), *option, status=None), REFUSED, "--output")


@pytest.mark.parametrize("value", ["", "NO_EQUALS", "=1", "="])
def test_bad_engine_option(place, sim, value):
    refused(place, run_on(place, sim(), f"--engine_option={value}"), "--engine_option", "KEY=VALUE")


def test_engine_option_key_twice(place, sim):
    run = run_on(place, sim(), "--engine_option", "A=1", "--engine_option", "A=2")
    refused(place, run, "--engine_option", "A=1", "A=2", "twice")


@pytest.mark.parametrize(
    "options",
    [
        ["--threads", "2", "--threads", "2"],
        ["--debug", "1", "--debug=0"],
        ["-das", "1", "--display_all_summary", "1"],
        ["--warmup-count", "1", "--warmup_count", "1"],
        ["-om", "other.onnx"],
    ],
)
def test_repeated_options(place, sim, options):
    refused(place, run_on(place, sim(), *options), "twice")


@pytest.mark.parametrize(
    "option", ["--bogus", "--thread", "-x", "--dymbatches", "--quantise", "--", "-", "--threads_", "--THREADS"]
)
def test_unknown_options(place, sim, option):
    refused(place, run_on(place, sim(), option, "1"), option.rstrip("_") if option != "-" else "'-'", "--help")


def test_unknown_option_with_a_value_of_its_own(place, sim):
    refused(place, run_on(place, sim(), "--bogus=12"), "--bogus", "--help")


def test_unknown_option_that_is_nearly_known(place, sim):
    refused(place, run_on(place, sim(), "--treads", "2"), "--treads", "--threads")


def test_stray_words(place, sim):
    refused(place, run_on(place, sim(), "stray"), "'stray'")


@pytest.mark.parametrize("option", ["--threads", "--model", "--outfmt", "--queue_depth", "--output_dirname"])
def test_value_missing(sim, option):
    before = [] if option == "--model" else ["--model", sim()]
    assert_one_error(aispipe(*before, option, status=None), REFUSED, option, "needs a value")
    assert_one_error(aispipe(option, "--debug", *before, status=None), REFUSED, option, "needs a value")


def test_no_options_at_all():
    assert_one_error(aispipe(status=None), REFUSED, "--model")


def test_control_characters_do_not_reach_the_terminal(place, sim):
    run = run_on(place, sim(), "--bad\n[INFO] all is well\x1b[2J")
    assert_one_error(run, REFUSED, "--bad")
    assert "\x1b" not in run.stderr and len(run.stderr.splitlines()) == 1


def test_line_about_a_very_long_value_is_readable(place, sim):
    run = run_on(place, sim(), "--threads", "7" * 100_000)
    assert_one_error(run, REFUSED, "--threads", "whole number")
    assert len(run.stderr) < 1000


def test_memory_that_cannot_be_had(place, sim):
    """Two petabytes for one sample: refused in words, not by the kernel."""
    huge = [models.sim_tensor("x", "float64", (1 << 48,))]
    model = sim(inputs=huge, outputs=huge)
    run = aispipe("--model", model, "--output", place.output, "--output_dirname", "r", status=None)
    assert_one_error(run, (REFUSED, FAILED), "memory", "MiB|GiB|bytes")
    assert tree(place.output) == place.before


def test_too_many_batches_in_flight_for_the_memory(place, sim):
    """A thousand batches of two gigabytes each, of files that take no room on disk."""
    big = [models.sim_tensor("x", "uint8", (1 << 30,))]
    for n in range(1000):
        write_bin(place.inputs / f"s{n}.bin", b"")
        os.truncate(place.inputs / f"s{n}.bin", 1 << 30)
    model = sim(inputs=big, outputs=big)
    refused(place, run_on(place, model, "--inflight", "1000000"), "1000 batches in flight", "memory", "--inflight")
    refused(place, run_on(place, model, "--run_mode", "full"), "1000 batches in flight", "memory", "--run_mode")


# --- privileges and disks -------------------------------------------------------------------------------

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


@contextmanager
def without_privileges():
    """Arguments for a run that permissions bind, also when the tests are root's: a superuser without the two
    capabilities that make it one for files."""
    if os.geteuid() != 0:
        yield {}
        return
    libc = ctypes.CDLL(None, use_errno=True)

    def drop():
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                os._exit(98)

    yield {"before_exec": drop}


@contextmanager
def small_disk(directory, kib):
    """A file system in memory of `kib` KiB, mounted there for a while."""
    directory.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(directory), b"tmpfs", 0, f"size={kib}k,mode=755".encode()) != 0:
        pytest.skip(f"cannot mount a small file system: {os.strerror(ctypes.get_errno())}")
    try:
        yield directory
    finally:
        assert libc.umount2(os.fsencode(directory), 2) == 0
