# SPDX-License-Identifier: MIT
"""Runs on the simulated Ascend device: its models, its settings, and what it reports afterwards."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import harness
import pytest
from harness import ROOT

SIMATC = os.environ.get("AISPIPE_SIMATC", str(ROOT / "build" / "simulator" / "simatc"))
LIBRARY = os.environ.get("AISPIPE_ACL_SIMULATOR", str(ROOT / "build" / "simulator" / "libascendcl.so"))
# Names the file for complaints. conftest.py sets it for every test, and looks at all files in its directory.
REPORT = "AISPIPE_ACLSIM_REPORT"

needed = pytest.mark.skipif(
    not (os.access(SIMATC, os.X_OK) and os.path.isfile(LIBRARY)),
    reason="the simulated Ascend device was not built (it needs OpenVINO)",
)


def convert(onnx: Path, om: Path, *options) -> Path:
    """Makes an offline model. `options`: simatc's."""
    om.parent.mkdir(parents=True, exist_ok=True)
    command = [SIMATC, f"--model={onnx}", "--framework=5", f"--output={om.with_suffix('')}"]
    made = subprocess.run(
        command + ["--soc_version=Ascend310P3", *options], capture_output=True, text=True, env=harness.environment()
    )
    assert made.returncode == 0 and om.exists(), f"{command} {options}\n{made.stdout}{made.stderr}"
    return om


class Device:
    """A simulated machine. Every run on it must leave no complaint behind: misuse, or what was not released.
    `directory`: for what it writes; in the same test every machine has its own, of another name."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.runs = 0

    def environment(self, fault=None, **settings) -> dict:
        self.report = Path(os.environ[REPORT]).with_name(f"{self.directory.name}{self.runs}")
        self.counts = self.directory / f"calls{self.runs}"
        self.runs += 1
        result = {
            "AISPIPE_ACL_LIB": LIBRARY,
            REPORT: str(self.report),
            "AISPIPE_ACLSIM_CALLS": str(self.counts),
        }
        if fault:
            result["AISPIPE_ACLSIM_FAULTS"] = fault
        result.update({f"AISPIPE_ACLSIM_{k.upper()}": str(v) for k, v in settings.items()})
        return result

    def complaints(self) -> str:
        return self.report.read_text() if self.report.exists() else ""

    def calls(self) -> dict:
        """How often the last run called each function."""
        return {k: int(v) for k, v in (line.split() for line in self.counts.read_text().splitlines())}

    def run(self, *arguments, status=0, fault=None, settings=None, **how) -> harness.Run:
        env = self.environment(fault, **(settings or {}))
        env.update(how.pop("env", {}))
        run = harness.aispipe(*arguments, status=status, env=env, **how)
        assert self.complaints() == "", f"{self.complaints()}{run}"
        return run
