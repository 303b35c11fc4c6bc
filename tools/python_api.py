#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints docs/python-api.md from the docstrings of the package `aispipe`.

    PYTHONPATH=build/src/python .venv/bin/python tools/python_api.py >docs/python-api.md
"""

import inspect
import re

import aispipe

HEAD = """# Python: classes and methods

Made from the docstrings by `tools/python_api.py`; change them there. [python.md](python.md) is the introduction.
"""

# Methods that come from the extension are described where it is declared.
TENSOR = ["shape", "dtype", "dtype_code", "nbytes", "device", "address", "to_device", "to_host", "view", "numpy", "free",
          "empty", "borrow"]


def text_of(thing):
    doc = inspect.getdoc(thing) or ""
    return re.sub(r"\A.*\n--\n\n", "", doc)


def as_markdown(doc):
    """Google-style sections become headings in bold, their entries a list."""
    lines = []
    for line in doc.splitlines():
        heading = re.fullmatch(r"(Parameters|Attributes|Returns|Raises):", line)
        entry = re.fullmatch(r"    (\w+): (.*)", line)
        if heading:
            lines += [f"*{heading[1]}:*", ""]
        elif entry:
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        else:
            lines.append(line if not line.startswith("    ") else "  " + line.strip())
    return "\n".join(lines).replace("``", "`")


def signature_of(name, thing):
    if isinstance(thing, property) or inspect.isgetsetdescriptor(thing):
        return f"`{name}`"
    try:
        parameters = [str(p.replace(annotation=inspect.Parameter.empty)).replace("<class 'inspect._empty'>", "")
                      for p in inspect.signature(thing).parameters.values() if p.name not in ("self", "type")]
    except (TypeError, ValueError):
        return f"`{name}`"
    keyword = [i for i, p in enumerate(inspect.signature(thing).parameters.values())
               if p.kind is inspect.Parameter.KEYWORD_ONLY]
    if keyword:
        offset = keyword[0] - (len(inspect.signature(thing).parameters) - len(parameters))
        parameters.insert(offset, "*")
    return f"`{name}({', '.join(parameters)})`"


def members(cls):
    """Public attributes with a docstring, in the order of the source; those of the extension after them."""
    own = [name for name, value in vars(cls).items() if not name.startswith("_") and inspect.getdoc(value)]
    if issubclass(cls, aispipe.Session):
        base = cls.__mro__[1]
        own += [name for name in vars(base) if not name.startswith("_") and name not in vars(cls)
                and name not in ("follows_feeds", "execute", "find_input", "find_output", "info", "set_aipp", "follow_feeds")]
    return TENSOR if cls is aispipe.Tensor else own


def describe(cls):
    init = cls.__init__ if "__init__" in vars(cls) and cls is not aispipe.Tensor else None
    heading = signature_of(cls.__name__, init) if init else f"`{cls.__name__}`"
    yield f"## {heading}\n"
    yield as_markdown(text_of(cls)) + "\n"
    if issubclass(cls, tuple):
        return
    for name in members(cls):
        thing = inspect.getattr_static(cls, name)
        yield f"### {signature_of(name, getattr(thing, '__func__', thing))}\n"
        yield as_markdown(text_of(thing)) + "\n"


def main():
    print(HEAD)
    for cls in (aispipe.Session, aispipe.Pipeline, aispipe.Results, aispipe.Tensor, aispipe.Port, aispipe.Error,
                aispipe.InvalidError, aispipe.ClosedError):
        if issubclass(cls, Exception):
            bases = ", ".join(f"`{base.__name__}`" for base in cls.__bases__)
            print(f"## `{cls.__name__}`\n\n{text_of(cls)} A subclass of {bases}.\n")
        else:
            print("\n".join(describe(cls)))


if __name__ == "__main__":
    main()
