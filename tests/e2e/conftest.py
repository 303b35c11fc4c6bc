# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests. The program under test is $AISPIPE, or build/aispipe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import ascend  # noqa: E402
import harness  # noqa: E402
import models  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "plain_only: too slow or without meaning in a sanitizer build")
    config.addinivalue_line("markers", "misuse: breaks a rule of the Ascend runtime on purpose, and must be told off")


def pytest_collection_modifyitems(items):
    if not harness.SANITIZED:
        return
    skip = pytest.mark.skip(reason=f"measures time or memory, which the {harness.SANITIZER} sanitizer changes")
    for item in items:
        if "plain_only" in item.keywords:
            item.add_marker(skip)


def pytest_report_header():
    return f"program: {harness.PROGRAM}, sanitizer: {harness.SANITIZER}"


@pytest.fixture(scope="session", autouse=True)
def program():
    if not os.access(harness.PROGRAM, os.X_OK):
        pytest.exit(f"{harness.PROGRAM} is not there: build it first, or set AISPIPE", returncode=2)


@pytest.fixture(scope="session", autouse=True)
def ascend_reports(tmp_path_factory):
    """Where the simulated Ascend runtime complains of misuse and leaks: all programs that tests start inherit it."""
    directory = tmp_path_factory.mktemp("ascend_reports")
    os.environ[ascend.REPORT] = str(directory / "report")
    yield directory
    del os.environ[ascend.REPORT]


@pytest.fixture(autouse=True)
def no_ascend_complaint(request, ascend_reports):
    """No test passes whose programs misused the simulated Ascend runtime, or left something behind in it. It need not
    remember to look; one that does so on purpose says so by the marker `misuse`."""
    yield
    complaints = ""
    for report in sorted(ascend_reports.iterdir()):
        complaints += report.read_text()
        report.unlink()
    if request.node.get_closest_marker("misuse"):
        assert complaints, "a test that is marked as misuse, but nothing was reported"
    else:
        assert not complaints, f"the simulated Ascend runtime reports:\n{complaints}"


@pytest.fixture(scope="session")
def session_path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def memory_path(tmp_path):
    """A directory on a file system in memory where there is one with room, otherwise an ordinary one."""
    shm = Path("/dev/shm")
    wanted = (12 if os.environ.get("AISPIPE_MILLION") == "1" else 4) << 30
    if not os.access(shm, os.W_OK) or shutil.disk_usage(shm).free < wanted:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="aispipe-test-", dir=shm) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def zstd():
    return harness.Zstd()


@pytest.fixture(scope="session")
def faults_library(session_path) -> Path:
    """The library that injects faults: the one the build made, or one compiled here."""
    built = os.environ.get("AISPIPE_FAULTS")
    if built:
        return Path(built)
    library = session_path / "libfaults.so"
    source = harness.ROOT / "tests" / "faults" / "faults.c"
    command = ["cc", "-std=gnu11", "-O1", "-g", "-shared", "-fPIC", str(source), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return library


@pytest.fixture
def faults(faults_library, tmp_path) -> harness.Faults:
    directory = tmp_path / "faults"
    directory.mkdir()
    return harness.Faults(faults_library, directory)


@pytest.fixture
def device(tmp_path):
    """A simulated machine with an Ascend device."""
    directory = tmp_path / "device"
    directory.mkdir()
    return ascend.Device(directory)


@pytest.fixture
def sim(tmp_path):
    """Makes a model of the simulated device: sim(h2d={...}, compute={...}, inputs=[...], …) → path."""

    def make(name="model", **how):
        return models.sim_model(tmp_path / "models" / f"{name}.sim.json", **how)

    return make


@pytest.fixture(scope="session")
def onnx_model(session_path):
    """Makes every ONNX model once: onnx_model(maker) → (case, path)."""
    made = {}
    directory = session_path / "models"
    directory.mkdir()

    def make(maker):
        if maker not in made:
            case = maker()
            made[maker] = (case, case.save(directory))
        return made[maker]

    return make
