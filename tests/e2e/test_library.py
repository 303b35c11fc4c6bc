# SPDX-License-Identifier: MIT
"""The library as others get it: installed, found by pkg-config, with nothing but its public interface."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import models
from harness import ROOT, SANITIZED, SANITIZER, environment

BUILD = Path(os.environ.get("AISPIPE_BUILD", ROOT / "build"))
CC = shlex.split(os.environ.get("AISPIPE_CC", "cc"))
HEADERS = sorted((ROOT / "include" / "aispipe").glob("*.h"))
EXAMPLES = sorted((ROOT / "examples" / "c").glob("*.c"))

# What keeps no state, and is linked into the program and the library alike: src/meson.build, `base`. clock.h is a
# header alone.
BASE = {
    "acl_home.h", "clock.h", "cores.h", "difference.h", "io/fd_io.h", "io/natural_order.h", "io/npy.h", "io/result_file.h",
    "json_text.h", "json_writer.h", "log.h", "numbers.h", "process.h", "shape.h", "student_t.h",
}  # fmt: skip


def run(command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=120, check=False, **more)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout!r}\n{done.stderr.decode()}"
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Installs the build; gives the environment in which pkg-config and the loader find it."""
    meson = os.environ.get("AISPIPE_MESON") or shutil.which("meson")
    root = tmp_path_factory.mktemp("root")
    run([meson, "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root])
    found = list(root.rglob("aispipe.pc"))
    assert len(found) == 1
    libraries = found[0].parent.parent
    return environment(
        {
            "PKG_CONFIG_PATH": str(found[0].parent),
            "PKG_CONFIG_SYSROOT_DIR": str(root),
            "LD_LIBRARY_PATH": str(libraries),
            "LIBRARIES": str(libraries),
        }
    )


def flags(env, *options) -> list:
    return shlex.split(run(["pkg-config", *options, "aispipe"], env=env).stdout.decode())


@pytest.fixture(scope="module")
def programs(installed, tmp_path_factory) -> dict:
    """The examples, compiled as their readers would."""
    directory = tmp_path_factory.mktemp("programs")
    return {source.stem: compile_example(source, installed, directory) for source in EXAMPLES}


def compile_example(source: Path, env, directory: Path) -> Path:
    program = directory / source.stem
    sanitize = [f"-fsanitize={SANITIZER}"] if SANITIZED else []
    command = [*CC, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", *sanitize, "-o", program, source]
    run(command + flags(env, "--cflags", "--libs"), env=env)
    return program


def reference(case, path, samples) -> list:
    """ONNX Runtime's outputs of each sample."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return [session.run([o.name for o in case.outputs], dict(zip(names, arrays))) for arrays in samples]


def random_samples(case, n) -> list:
    rng = np.random.default_rng(11)
    return [[rng.uniform(-1, 1, t.shape).astype(t.dtype) for t in case.inputs] for _ in range(n)]


def test_every_example_is_tested():
    assert {e.stem for e in EXAMPLES} == {"infer", "stream", "files"}


@pytest.mark.parametrize("maker", [models.conv_net, models.sum_and_product], ids=lambda m: m.__name__)
def test_the_stream_example_agrees_with_onnx_runtime(installed, programs, onnx_model, maker):
    case, path = onnx_model(maker)
    samples = random_samples(case, 300)
    program = programs["stream"]
    data = b"".join(array.tobytes() for arrays in samples for array in arrays)
    done = run([program, path], input=data, env=installed)
    assert b"300 results" in done.stderr
    got = np.frombuffer(done.stdout, np.float32)
    wanted = np.concatenate([o.ravel() for outputs in reference(case, path, samples) for o in outputs])
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    # Half a sample is not one.
    cut = subprocess.run([program, path], input=data[:-4], env=installed, capture_output=True, timeout=60, check=False)
    assert cut.returncode == 1 and b"the last sample has" in cut.stderr


def test_the_files_example_agrees_with_onnx_runtime(tmp_path, installed, programs, onnx_model):
    case, path = onnx_model(models.sum_and_product)
    samples = random_samples(case, 12)
    for i, tensor in enumerate(case.inputs):
        (tmp_path / tensor.name).mkdir()
        for n, arrays in enumerate(samples):
            np.save(tmp_path / tensor.name / f"s{n}.npy", arrays[i])
    (tmp_path / "out").mkdir()
    inputs = ",".join(str(tmp_path / t.name) for t in case.inputs)
    done = run([programs["files"], path, inputs, tmp_path / "out"], env=installed)
    assert b"throughput 1000*batchsize.mean(" in done.stdout
    for n, outputs in enumerate(reference(case, path, samples)):
        for k, wanted in enumerate(outputs):
            np.testing.assert_allclose(np.load(tmp_path / "out" / f"s{n}_{k}.npy"), wanted, rtol=1e-5)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["pipeline"]["samples"] == 12
    assert summary["filesinfo"]["10"] == {
        "infiles": [f"{tmp_path}/{t.name}/s10.npy" for t in case.inputs],
        "outfiles": [f"{tmp_path}/out/s10_{k}.npy" for k in range(2)],
    }
    assert not [f for f in os.listdir(tmp_path / "out") if f.endswith(".tmp")]


def test_the_infer_example_agrees_with_onnx_runtime(tmp_path, installed, programs, onnx_model):
    case, path = onnx_model(models.sum_and_product)
    arrays = random_samples(case, 1)[0]
    for tensor, array in zip(case.inputs, arrays):
        (tmp_path / tensor.name).write_bytes(array.tobytes())
    inputs = [tmp_path / t.name for t in case.inputs]
    done = run([programs["infer"], path, *inputs], env=installed)
    wanted = np.concatenate([o.ravel() for o in reference(case, path, [arrays])[0]])
    np.testing.assert_allclose(np.frombuffer(done.stdout, np.float32), wanted, rtol=1e-5)
    inputs[0].write_bytes(b"short")
    short = subprocess.run([programs["infer"], path, *inputs], env=installed, capture_output=True, timeout=60, check=False)
    assert short.returncode == 1 and b"5" in short.stderr


def test_a_missing_model_is_one_line(installed, programs):
    for name, program in programs.items():
        arguments = {"stream": [], "files": ["x", "y"], "infer": ["x"]}[name]
        arguments = ["no.onnx", *arguments]
        done = subprocess.run([program, *arguments], env=installed, capture_output=True, timeout=60, check=False)
        lines = [line for line in done.stderr.decode().splitlines() if "no.onnx" in line]
        assert done.returncode == 1 and len(lines) == 1, done


# --- what is installed ------------------------------------------------------------------------------------------------


def declared() -> set:
    """Functions that the public headers mark for export."""
    text = "".join(re.sub(r"/\*.*?\*/", "", h.read_text(), flags=re.S) for h in HEADERS)
    return set(re.findall(r"^AISPIPE_API\b[^;]*?\b(aispipe_\w+)\(", text, re.M))


def test_the_library_exports_what_the_headers_declare(installed):
    library = Path(installed["LIBRARIES"]) / "libaispipe.so"
    lines = run(["nm", "-D", "--defined-only", library]).stdout.decode().splitlines()
    exported = {line.split()[-1] for line in lines}
    if SANITIZED:
        exported = {name for name in exported if not re.match(r"_*(asan|odr_asan|tsan|ubsan|sanitizer)", name)}
    assert exported == declared()
    assert len(exported) > 50


def test_the_reference_is_of_these_headers():
    made = run([sys.executable, ROOT / "tools" / "c_api.py"]).stdout.decode()
    assert made == (ROOT / "docs" / "c-api.md").read_text(), "run tools/c_api.py >docs/c-api.md"
    headings = "".join(line for line in made.splitlines() if line.startswith("#### "))
    assert [name for name in declared() if f"`{name}`" not in headings] == []


def test_the_library_is_versioned(installed):
    libraries = Path(installed["LIBRARIES"])
    version = run([BUILD / "aispipe", "--version"], env=installed).stdout.decode().split()[1]
    soname = f"libaispipe.so.{version.split('.')[0]}"
    assert os.readlink(libraries / "libaispipe.so") == soname
    assert os.readlink(libraries / soname) == f"libaispipe.so.{version}"
    dynamic = run(["readelf", "-d", libraries / "libaispipe.so"]).stdout.decode()
    assert f"soname: [{soname}]" in dynamic
    assert run(["pkg-config", "--modversion", "aispipe"], env=installed).stdout.decode().strip() == version


def test_all_public_headers_are_installed_and_stand_alone(tmp_path, installed):
    include = flags(installed, "--cflags")
    there = {p.name for p in (Path(include[0].removeprefix("-I")) / "aispipe").iterdir()}
    assert there == {h.name for h in HEADERS}
    compilers = [[*CC, "-std=c99", "-x", "c"]]
    if shutil.which("c++"):
        compilers.append(["c++", "-std=c++11", "-x", "c++"])
    for compiler in compilers:
        for header in HEADERS:
            source = tmp_path / "one.c"
            source.write_text(f"#include <aispipe/{header.name}>\nint main(void) {{ return 0; }}\n")
            run([*compiler, "-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror", *include, source])


# --- the program needs nothing else -----------------------------------------------------------------------------------


def test_the_program_includes_only_what_is_public():
    for source in sorted((ROOT / "src" / "cli").glob("*.[ch]")):
        for header in re.findall(r'#include "([^"]+)"', source.read_text()):
            assert header.startswith("cli/") or (ROOT / "include" / header).exists() or header in BASE, (
                f"{source.name} includes {header}, which is neither public nor one of the utilities without state"
            )


def test_the_program_runs_on_the_shared_library(tmp_path):
    """The same objects, linked with libaispipe.so instead of what it is made of: that it links is half of the test."""
    program = BUILD / "aispipe-on-library"
    needed = run(["readelf", "-d", program]).stdout.decode()
    assert "[libaispipe.so." in needed
    model = models.sim_model(tmp_path / "m.sim.json")
    (tmp_path / "in").mkdir()
    array = np.arange(16, dtype=np.float32).reshape(1, 16)
    np.save(tmp_path / "in" / "a.npy", array)
    out = ["--output", tmp_path, "--output_dirname", "out", "--outfmt", "BIN", "--progress", "never"]
    run([program, "--model", model, "--input", tmp_path / "in", *out], env=environment())
    assert (tmp_path / "out" / "a_0.bin").read_bytes() == models.sim_expected([array], [64])[0]
