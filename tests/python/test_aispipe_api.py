# SPDX-License-Identifier: MIT
"""Docstrings, the reference made from them, and the declarations of the extension agree with what there is."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from aispipe import _native

import aispipe

ROOT = Path(__file__).resolve().parents[2]


def test_reference_is_up_to_date():
    made = subprocess.run([sys.executable, str(ROOT / "tools" / "python_api.py")], stdout=subprocess.PIPE, check=True)
    assert made.stdout.decode() == (ROOT / "docs" / "python-api.md").read_text(), \
        "run tools/python_api.py >docs/python-api.md"


@pytest.mark.parametrize("name", aispipe.__all__)
def test_everything_public_has_a_docstring(name):
    thing = getattr(aispipe, name)
    assert inspect.getdoc(thing)
    for member, value in vars(thing).items():
        if not member.startswith("_") and (callable(value) or isinstance(value, property)):
            assert inspect.getdoc(value), f"{name}.{member}"


def test_declarations_of_the_extension():
    """Every name of _native.pyi is there, and every public name of the extension is declared."""
    tree = ast.parse((Path(aispipe.__file__).parent / "_native.pyi").read_text())
    declared = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            declared[node.name] = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            declared[node.name] = set()
        elif isinstance(node, ast.AnnAssign):
            declared[node.target.id] = set()
    actual = {name for name in vars(_native) if not name.startswith("_")}
    assert set(declared) - actual == set() and actual - set(declared) <= {"Memory"}
    for name, methods in declared.items():
        for method in methods:
            assert hasattr(getattr(_native, name), method), f"{name}.{method}"
    for name in ("Session", "Stream", "Tensor"):
        own = {member for member in vars(getattr(_native, name)) if not member.startswith("_")}
        assert own <= declared[name], f"{name} has undeclared {own - declared[name]}"
