# SPDX-License-Identifier: MIT
"""`aispipe convert`: the files of a device's exception callback become what numpy.save would have written."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest
from harness import aispipe, assert_one_error, npy_bytes, temporaries

DTYPES = {0: "float32", 1: "float16", 2: "int8", 3: "int32", 4: "uint8", 6: "int16", 7: "uint16", 8: "uint32",
          9: "int64", 10: "uint64", 11: "float64", 12: "bool"}  # fmt: skip
SHAPES = [(), (1,), (7,), (2, 3), (1, 3, 5, 4), (2, 0, 3)]


def name_of(dtype, shape, index=0, side="input", number=0, form=2) -> str:
    text = "x".join(map(str, shape))
    return f"exception_cb_index_{index}_{side}_{number}_format_{form}_dtype_{dtype}_shape_{text}.bin"


def make(directory, dtype, shape, **how):
    """Writes such a file. Returns its path, and the array that is in it."""
    kind = np.dtype(DTYPES[dtype])
    generator = np.random.default_rng(dtype)
    array = np.asarray(generator.integers(0, 2 if kind == np.bool_ else 100, shape)).astype(kind)
    path = directory / name_of(dtype, shape, **how)
    directory.mkdir(parents=True, exist_ok=True)
    path.write_bytes(array.tobytes())
    return path, array


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_and_shape(tmp_path, dtype):
    made = [make(tmp_path / "dump", dtype, shape, index=i) for i, shape in enumerate(SHAPES)]
    run = aispipe("convert", tmp_path / "dump")
    for path, array in made:
        assert path.with_suffix(".npy").read_bytes() == npy_bytes(array), path
        assert f"[INFO] converted {path}" in run.lines
        assert path.exists()
    assert len(list((tmp_path / "dump").iterdir())) == 2 * len(made)
    assert run.stderr == ""


def test_bfloat16(tmp_path):
    """NumPy has none; its bytes are kept, as those who add the type to NumPy keep them."""
    path = tmp_path / name_of(27, (3,))
    path.write_bytes(b"abcdef")
    aispipe("convert", path)
    loaded = np.load(path.with_suffix(".npy"))
    assert loaded.dtype == np.dtype("V2") and loaded.tobytes() == b"abcdef"


def test_large_file(tmp_path):
    """More than is copied at a time."""
    array = np.random.default_rng(1).integers(0, 255, (5, 1 << 20)).astype(np.uint8)
    path = tmp_path / name_of(4, array.shape)
    path.write_bytes(array.tobytes())
    aispipe("convert", path)
    assert np.array_equal(np.load(path.with_suffix(".npy")), array)


def test_one_file_however_it_is_named(tmp_path):
    path, array = make(tmp_path / "dump", 0, (2, 2))
    for argument, cwd in ((path, None), (path.name, path.parent), (f"./{path.name}", path.parent),
                          (f"dump/{path.name}", tmp_path), (f"{tmp_path}//dump//{path.name}", None)):  # fmt: skip
        aispipe("convert", argument, cwd=cwd)
        assert path.with_suffix(".npy").read_bytes() == npy_bytes(array)
        path.with_suffix(".npy").unlink()


def test_output_directory(tmp_path):
    path, array = make(tmp_path / "dump", 0, (2, 2), side="output", number=3)
    for i, arguments in enumerate([("convert", path), ("convert", tmp_path / "dump")]):
        out = tmp_path / f"out{i}"
        aispipe(*arguments, "--output", out)
        target = out / path.with_suffix(".npy").name
        assert target.read_bytes() == npy_bytes(array)
        assert stat.S_IMODE(target.stat().st_mode) == 0o640 and stat.S_IMODE(out.stat().st_mode) == 0o750
        assert [p.name for p in out.iterdir()] == [target.name]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_older_result_is_replaced(tmp_path):
    path, array = make(tmp_path, 3, (4,))
    path.with_suffix(".npy").write_text("older")
    aispipe("convert", path)
    assert path.with_suffix(".npy").read_bytes() == npy_bytes(array)


def test_other_files_are_passed_over(tmp_path):
    path, _ = make(tmp_path, 0, (1,))
    (tmp_path / "other.bin").write_text("x")
    (tmp_path / "exception.txt").write_text("x")
    aispipe("convert", tmp_path)
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".npy"] == [path.with_suffix(".npy").name]


def test_what_can_be_converted_is(tmp_path):
    """One file is too short, one too long, one of a type without a .npy: three lines, and the rest is there."""
    good = [make(tmp_path, 0, (4,), index=i)[0] for i in (1, 10)]
    short, _ = make(tmp_path, 0, (4,), index=2)
    short.write_bytes(short.read_bytes()[:-1])
    long, _ = make(tmp_path, 0, (), index=3)
    long.write_bytes(long.read_bytes() + b"x")
    text = tmp_path / name_of(13, (1,), index=4)
    text.write_text("x")
    run = aispipe("convert", tmp_path, status=1)
    assert len(run.errors) == 3, run
    for error, words in zip(run.errors, [(short.name, "15 bytes", "float32 (4,)", "16"),
                                         (long.name, "5 bytes", "float32 ()", "4"), (text.name, "dtype 13")]):  # fmt: skip
        assert all(word in error for word in words), run
    assert sorted(p.name for p in tmp_path.glob("*.npy")) == sorted(p.with_suffix(".npy").name for p in good)
    assert not temporaries(tmp_path)


@pytest.mark.parametrize("name, words", [
    ("x.bin", "index"),
    ("exception_cb_index_0_input_0_format_2_dtype_0_shape_1x?.bin", "shape"),
    ("exception_cb_index_0_input_0_format_2_dtype_0_shape_-1.bin", "dimension 0"),
])  # fmt: skip
def test_bad_names(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"abcd")
    assert_one_error(aispipe("convert", tmp_path / name, status=1), 1, words, name.replace("?", "."))
    assert not list(tmp_path.glob("*.npy"))


def test_refused(tmp_path):
    assert_one_error(aispipe("convert", tmp_path / "nowhere", status=2), 2, "nowhere", "No such file")
    (tmp_path / "empty").mkdir()
    assert_one_error(aispipe("convert", tmp_path / "empty", status=2), 2, "nothing to convert", "exception_cb_index_")
    path, _ = make(tmp_path, 0, (1,))
    assert_one_error(aispipe("convert", path, "-o", path, status=2), 2, "--output", "Not a directory")
    assert_one_error(aispipe("convert", path, "-o", tmp_path / "a" / "b", status=2), 2, "--output", "No such file")
    assert_one_error(aispipe("convert", "x" * 5000, status=2), 2, "too long")


def test_not_a_regular_file(tmp_path):
    """A FIFO of that name is refused, not waited for."""
    path = tmp_path / name_of(0, (1,))
    os.mkfifo(path)
    assert_one_error(aispipe("convert", path, status=1), 1, "not a regular file")


def test_disk_full(tmp_path, faults):
    path, _ = make(tmp_path / "dump", 0, (4,))
    run = aispipe("convert", path, env=faults.environment("write:1:ENOSPC", path=tmp_path / "dump"), status=1)
    assert_one_error(run, 1, "No space left", path.name)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_commands_in_general():
    assert_one_error(aispipe("convret", "x", status=2), 2, "no command 'convret'", "convert, devices")
    assert_one_error(aispipe("convert", status=2), 2, "PATH is missing")
    main = aispipe("--help").stdout
    for command in ("convert", "devices"):
        text = aispipe(command, "--help").stdout
        assert text.startswith(f"Usage: aispipe {command}") and "--help" in text
        assert aispipe(command, "--bogus", "-h").stdout == text
        assert f"\n  {command}" in main
