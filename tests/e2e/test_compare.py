# SPDX-License-Identifier: MIT
"""`aispipe compare`: its figures are numpy's, what does not match is said, and the exit status is fit for CI."""

from __future__ import annotations

import json
import os
import subprocess

import models
import numpy as np
import pytest
from harness import PROGRAM, aispipe, assert_one_error, environment, float_files, write_bin, write_npy

VALUES = np.random.default_rng(3).standard_normal((4, 300))
FIGURES = ("cosine", "max_abs_error", "max_rel_error", "mean_abs_error")


def reference(a, b) -> dict:
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    off = np.abs(a - b)
    return {
        "cosine": a @ b / np.sqrt((a @ a) * (b @ b)),
        "max_abs_error": off.max(),
        "max_rel_error": (off[b != 0] / np.abs(b[b != 0])).max(),
        "mean_abs_error": off.mean(),
    }


def compare(*arguments, status=0) -> dict:
    """The JSON object; a mismatch also has its one error line."""
    run = aispipe("compare", *arguments, "--json", status=status)
    if status == 1:
        assert_one_error(run, 1, "do not match")
    return json.loads(run.stdout)


def compare_arrays(tmp_path, a, b, *options, status=0) -> dict:
    pair = (write_npy(tmp_path / "a.npy", a), write_npy(tmp_path / "b.npy", b))
    return compare(*pair, *options, status=status)["files"][0]


@pytest.mark.parametrize("scale", [1e-3, 1, 3])
def test_figures_are_those_of_numpy(tmp_path, scale):
    """Also where the two differ in length: dividing by one vector's norm twice would not give this cosine."""
    noisy = (2.5 * VALUES + scale * np.random.default_rng(4).standard_normal(VALUES.shape)).astype(np.float32)
    reference_values = VALUES.astype(np.float32)
    found = compare_arrays(tmp_path, noisy, reference_values, "--min_cosine", "0")
    for key, value in reference(noisy, reference_values).items():
        assert found[key] == pytest.approx(value, rel=1e-12), key
    assert found["values"] == VALUES.size and found["verdict"] == "match"


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
                                   "uint64", "bool"])  # fmt: skip
def test_every_type(tmp_path, dtype):
    a, b = ((np.abs(v) * 20).astype(dtype) for v in (VALUES, VALUES + 0.05))
    found = compare_arrays(tmp_path, a, b, "--min_cosine=0")
    for key, value in reference(a, b).items():
        assert found[key] == pytest.approx(value, rel=1e-12), key
    assert found["dtype"] == found["reference_dtype"] == dtype


def test_other_type_byte_order_and_layout(tmp_path):
    """Values are compared, not bytes."""
    found = compare_arrays(tmp_path, VALUES.astype(np.float16), np.asfortranarray(VALUES.astype(">f4")))
    assert (found["dtype"], found["reference_dtype"]) == ("float16", "float32")
    for key, value in reference(VALUES.astype(np.float16), VALUES.astype(np.float32)).items():
        assert found[key] == pytest.approx(value, rel=1e-12), key


def test_bfloat16_by_name(tmp_path):
    values = VALUES.astype(np.float32)
    rounded = values.view(np.uint32) & np.uint32(0xFFFF0000)
    write_bin(tmp_path / "a.bin", (rounded >> 16).astype(np.uint16))
    write_bin(tmp_path / "b.txt", (" ".join(map(repr, map(float, values.ravel()))) + "\n").encode())
    found = compare(tmp_path / "a.bin", tmp_path / "b.txt", "--dtype", "bfloat16")["files"][0]
    assert found["max_abs_error"] == pytest.approx(np.abs(rounded.view(np.float32) - values).max(), rel=1e-12)


def test_huge_values_do_not_overflow(tmp_path):
    found = compare_arrays(tmp_path, VALUES * 1e200, VALUES * 2e200)
    assert found["cosine"] == pytest.approx(1, rel=1e-12) and found["max_rel_error"] == pytest.approx(0.5)


def test_special_vectors(tmp_path):
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    assert compare_arrays(tmp_path, zero, zero)["cosine"] == 1
    assert compare_arrays(tmp_path, zero, one, status=1)["cosine"] == 0
    assert compare_arrays(tmp_path, -one, one, status=1)["cosine"] == -1
    assert compare_arrays(tmp_path, np.float32(3), np.float32(3))["values"] == 1
    assert compare_arrays(tmp_path, one[:0], one[:0])["values"] == 0
    # No error is relative to nothing.
    found = compare_arrays(tmp_path, np.float32([1, 0.25]), np.float32([1, 0]), "--min_cosine=0")
    assert found["max_rel_error"] == 0 and found["max_abs_error"] == 0.25


def test_not_a_number(tmp_path):
    same = np.float32([1, np.nan, np.inf, -np.inf, 2])
    found = compare_arrays(tmp_path, same, same)
    assert found["verdict"] == "match" and found["values"] == 5
    for other in ([1, 0, np.inf, -np.inf, 2], [1, np.nan, -np.inf, -np.inf, 2], [np.nan, np.nan, np.inf, -np.inf, 2]):
        for a, b in ((same, np.float32(other)), (np.float32(other), same)):
            found = compare_arrays(tmp_path, a, b, status=1)
            assert found["verdict"] == "mismatch" and "1 values are NaN or infinite" in found["reason"]


@pytest.mark.parametrize("option, key", [("--max_abs", "max_abs_error"), ("--max-rel", "max_rel_error"),
                                         ("--mean_abs", "mean_abs_error")])  # fmt: skip
def test_upper_thresholds(tmp_path, option, key):
    value = compare_arrays(tmp_path, VALUES + 0.001, VALUES)[key]
    compare_arrays(tmp_path, VALUES + 0.001, VALUES, option, repr(value))
    found = compare_arrays(tmp_path, VALUES + 0.001, VALUES, option, repr(value * 0.999), status=1)
    assert found["verdict"] == "mismatch" and f"{key} {value!r} is above" in found["reason"]


def test_cosine_threshold(tmp_path):
    other = VALUES + np.random.default_rng(5).standard_normal(VALUES.shape)
    value = compare_arrays(tmp_path, other, VALUES, status=1)["cosine"]
    assert value < 0.999
    compare_arrays(tmp_path, other, VALUES, "--min_cosine", repr(value))
    found = compare_arrays(tmp_path, other, VALUES, "--min_cosine", repr(value + 1e-9), status=1)
    assert "cosine" in found["reason"]


def test_shapes(tmp_path):
    found = compare_arrays(tmp_path, VALUES, VALUES.T, status=1)
    assert found["reason"] == "its shape is (4, 300), the reference's (300, 4)" and "cosine" not in found
    write_bin(tmp_path / "a.bin", VALUES[:3].astype(np.float32))
    write_npy(tmp_path / "b.npy", VALUES.astype(np.float32))
    found = compare(tmp_path / "a.bin", tmp_path / "b.npy", status=1)["files"][0]
    assert found["reason"] == "it holds 900 values, the reference 1200"
    write_bin(tmp_path / "a.bin", b"abcde")
    found = compare(tmp_path / "a.bin", tmp_path / "b.npy", status=1)["files"][0]
    assert "5 bytes of A are no whole number of float32 values" in found["reason"]


def test_directories(tmp_path, zstd):
    a, b = tmp_path / "a", tmp_path / "b"
    for i, values in enumerate(VALUES.astype(np.float32)):
        write_npy(b / f"s{i}_0.npy", values)
        write_bin(a / f"s{i}_0.bin", values + np.float32(i * 1e-4))
    write_bin(a / "s2_0.bin.zst", zstd.compress((a / "s2_0.bin").read_bytes()))
    (a / "s2_0.bin").unlink()
    write_npy(a / "device1_0" / "x.npy", VALUES)
    write_npy(b / "device1_0" / "x.npy", VALUES)
    write_npy(a / "extra.npy", VALUES)
    write_npy(b / "lacking_2.npy", VALUES)
    write_npy(b / "lacking_10.npy", VALUES)
    write_bin(a / "notes.json", b"{}")
    found = compare(a, b, status=1)
    names = [file["name"] for file in found["files"]]
    assert names == ["device1_0/x.npy", "extra.npy", "lacking_2.npy", "lacking_10.npy", "s0_0.bin", "s1_0.bin",
                     "s2_0.bin.zst", "s3_0.bin"]  # fmt: skip
    verdicts = {file["name"]: file for file in found["files"]}
    assert verdicts["extra.npy"]["reason"] == "it is only in A"
    assert verdicts["lacking_2.npy"]["reason"] == "it is only in B"
    overall = found["overall"]
    counts = {k: overall[k] for k in ("files", "match", "mismatch", "only_in_a", "only_in_b", "verdict")}
    assert counts == {"files": 8, "match": 5, "mismatch": 3, "only_in_a": 1, "only_in_b": 2, "verdict": "mismatch"}
    compared = [file for file in found["files"] if "cosine" in file]
    assert overall["cosine"] == min(file["cosine"] for file in compared)
    assert overall["max_abs_error"] == max(file["max_abs_error"] for file in compared)
    values = sum(file["values"] for file in compared)
    mean = sum(file["mean_abs_error"] * file["values"] for file in compared) / values
    assert overall["values"] == values and overall["mean_abs_error"] == pytest.approx(mean, rel=1e-9)


def test_lines(tmp_path):
    write_npy(tmp_path / "a" / "x.npy", VALUES.astype(np.float32))
    write_npy(tmp_path / "b" / "x.npy", VALUES)
    run = aispipe("compare", tmp_path / "a", tmp_path / "b")
    assert len(run.lines) == 3 and run.stderr == ""
    assert run.lines[0].startswith("[INFO] x.npy: match; cosine:") and "float32 against float64" in run.lines[0]
    assert run.lines[1] == "[INFO] overall: match; files:1 match:1 mismatch:0 only_in_A:0 only_in_B:0"
    assert run.lines[2].startswith("[INFO] overall: least cosine:")
    write_npy(tmp_path / "a" / "x.npy", VALUES + 9)
    run = aispipe("compare", tmp_path / "a", tmp_path / "b", status=1)
    assert_one_error(run, 1, "1 of 1 results do not match")
    assert "[INFO] x.npy: mismatch: cosine " in run.stdout and " is below 0.999; cosine:" in run.stdout


def test_what_a_run_wrote(tmp_path, sim):
    """The formats of one run, the text's six decimals included."""
    tensors = {k: [models.sim_tensor(n, shape=[1, 16])] for k, n in (("inputs", "x"), ("outputs", "y"))}
    float_files(tmp_path / "in", 3)
    model = sim(**tensors)
    for form in ("BIN", "NPY", "TXT"):
        aispipe("--model", model, "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", form,
                "--outfmt", form)  # fmt: skip
    out = tmp_path / "out"
    assert compare(out / "BIN", out / "NPY", "--max_abs=0")["overall"]["match"] == 3
    found = compare(out / "TXT", out / "NPY", "--max_abs=1e-6", "--min_cosine=0")
    assert found["overall"]["match"] == 3


@pytest.mark.parametrize("name, data, reason", [
    ("x.npy", b"\x93NUMPY\x01", "cut off"),
    ("x.npy", b"nonsense" * 9, "npy"),
    ("x.txt", b"1.0 two 3.0", "word 2 is no number"),
    ("x.txt", b"1.0 \0", "not text"),
    ("x.bin.zst", b"nonsense", "x.bin.zst"),
])  # fmt: skip
def test_files_that_are_broken(tmp_path, name, data, reason):
    write_bin(tmp_path / "a" / name, data)
    write_npy(tmp_path / "b" / "x.npy", VALUES)
    write_npy(tmp_path / "a" / "y.npy", VALUES)
    write_npy(tmp_path / "b" / "y.npy", VALUES)
    found = compare(tmp_path / "a", tmp_path / "b", status=1)
    assert reason in found["files"][0]["reason"]
    assert found["files"][1]["verdict"] == "match"


def test_nothing_that_can_be_compared_has_no_figures(tmp_path):
    write_npy(tmp_path / "a" / "x.npy", VALUES)
    write_npy(tmp_path / "b" / "y.npy", VALUES)
    assert "cosine" not in compare(tmp_path / "a", tmp_path / "b", status=1)["overall"]
    assert "cosine" not in aispipe("compare", tmp_path / "a", tmp_path / "b", status=1).stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_output_that_cannot_be_written(tmp_path, options):
    """CI must not take a full disk for a match; a reader that goes away is no failure."""
    one = write_npy(tmp_path / "x.npy", VALUES)
    command = [PROGRAM, "compare", one, one, *options]
    with open("/dev/full", "w") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
    assert run.returncode == 1 and "cannot write to standard output" in run.stderr
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment())
    os.close(writer)
    assert run.returncode == 0 and run.stderr == ""


def test_refusals(tmp_path):
    one = write_npy(tmp_path / "a" / "x.npy", VALUES)
    write_bin(tmp_path / "a" / "x.bin", VALUES)
    (tmp_path / "empty").mkdir()
    (tmp_path / "none").mkdir()
    for arguments, needle in (
        ((one, tmp_path / "nowhere.npy"), "nowhere.npy.*No such file"),
        ((one, tmp_path / "a"), "two files or two directories"),
        ((tmp_path / "empty", tmp_path / "none"), "holds a result"),
        ((tmp_path / "a", tmp_path / "a"), "the same result"),
        ((__file__, one), "does not end as a result's does"),
        ((one,), "compare"),
        ((one, one, "--max_abs", "-1"), "max_abs.*a number, 0 or more"),
        ((one, one, "--max_abs", "nan"), "max_abs.*a number, 0 or more"),
        ((one, one, "--min_cosine", "0x1"), "min_cosine.*a number, 0 or more"),
        ((one, one, "--dtype", "complex64"), "dtype.*float32"),
    ):
        run = aispipe("compare", *arguments, status=2)
        assert_one_error(run, 2, needle)
        assert run.stdout == "", run
