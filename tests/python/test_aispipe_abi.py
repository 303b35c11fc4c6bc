# SPDX-License-Identifier: MIT
"""The extension is one file for every CPython from 3.9 on, and the command is the program."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import models
import numpy
import pytest
from aispipe import _native

import aispipe



def test_name_says_abi3():
    assert Path(_native.__file__).name == "_native.abi3.so"


def test_symbols_are_those_of_the_limited_api_of_3_9():
    pytest.importorskip("abi3audit")
    done = subprocess.run([sys.executable, "-m", "abi3audit", "--strict", "--assume-minimum-abi3", "3.9", "--report",
                           _native.__file__], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_no_libpython_and_no_public_symbol_but_the_module():
    dynamic = subprocess.run(["readelf", "-d", _native.__file__], stdout=subprocess.PIPE, check=True).stdout.decode()
    assert "libpython" not in dynamic and "$ORIGIN/../openvino/libs" in dynamic
    symbols = subprocess.run(["nm", "-D", "--defined-only", _native.__file__], stdout=subprocess.PIPE, check=True)
    names = {line.split()[-1] for line in symbols.stdout.decode().splitlines()}
    assert "PyInit__native" in names
    assert not [name for name in names if name.startswith(("feed_", "session_", "py_", "tensor_"))]


def test_version_is_the_program_s():
    said = subprocess.run([sys.executable, "-m", "aispipe", "--version"], stdout=subprocess.PIPE, check=True).stdout
    assert said.decode().split()[1] == aispipe.__version__


def test_importing_the_command_imports_no_numpy():
    code = "import sys, aispipe.__main__; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_of_the_package():
    assert set(aispipe.__all__) <= set(dir(aispipe))
    with pytest.raises(AttributeError, match="nothing"):
        aispipe.nothing
    namespace = {}
    exec("from aispipe import *", namespace)
    assert namespace["Session"] is aispipe.Session


def test_command_is_the_program(tmp_path):
    path = models.relu(tmp_path / "relu.onnx")
    (tmp_path / "in").mkdir()
    numpy.save(tmp_path / "in" / "a.npy", numpy.full((1, 16), -3, "float32"))
    arguments = ["--model", path, "--input", tmp_path / "in", "--output", tmp_path, "--output_dirname", "out", "--outfmt",
                 "NPY"]
    command = [sys.executable, "-m", "aispipe", *map(str, arguments)]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert not numpy.load(tmp_path / "out" / "a_0.npy").any()
    refused = subprocess.run([sys.executable, "-m", "aispipe", "--model", "none.onnx"], stderr=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, check=False)
    assert refused.returncode == 2 and b"none.onnx" in refused.stderr


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_reach_the_program(tmp_path, number, status):
    path = models.relu(tmp_path / "relu.onnx")
    process = subprocess.Popen([sys.executable, "-m", "aispipe", "--model", str(path), "--loop", "1000000000"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell may ignore it
    for line in process.stdout:
        if re.search(rb"warm up \d+ done", line):
            break
    time.sleep(0.05)
    process.send_signal(number)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == status, out
    assert b"Performance Summary" in out
