# SPDX-License-Identifier: MIT
"""Programs of ours that stand in for vendors' tools, put in front of PATH. Each records how it was started."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

RECORD = """#!{python}
import json, os, sys, time
with open({record!r}, "a") as file:
    file.write(json.dumps({{"argv": sys.argv, "cwd": os.getcwd(), "environment": dict(os.environ)}}) + "\\n")
"""


class Program:
    """A stand-in called `name`, whose Python `body` runs after it has recorded its start."""

    def __init__(self, directory: Path, name: str, body: str):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.path = directory / name
        self.record = directory / f"{name}.record"
        self.path.write_text(RECORD.format(python=sys.executable, record=str(self.record)) + body)
        self.path.chmod(0o755)

    @property
    def environment(self) -> dict:
        return {"PATH": f"{self.directory}:{os.environ['PATH']}"}

    @property
    def starts(self) -> list:
        if not self.record.exists():
            return []
        return [json.loads(line) for line in self.record.read_text().splitlines()]
