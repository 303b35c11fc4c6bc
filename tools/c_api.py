#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints docs/c-api.md from the comments of the public headers, in the order in which they build on one another.

    python3 tools/c_api.py >docs/c-api.md
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADERS = ["aispipe", "tensor", "infer", "stream", "files", "summary", "devices", "acl_json", "backend"]

HEAD = """# C: types and functions

Made from the comments of the headers in `include/aispipe/` by `tools/c_api.py`; change them there. [c.md](c.md) and
[streams.md](streams.md) are the introductions.
"""

# What stands at the left edge: the title of a part, a comment for what follows it, a declaration, anything else.
TITLE = re.compile(r"/\* -{20,} (.+?) \*/\n")
COMMENT = re.compile(r"/\*\*(.*?)\*/\n", re.S)
DECLARATION = re.compile(r"(#define [^\n]*|(?:struct|enum) \w+ \{(?:[^\n]*\};|.*?\n\};)|(?:AISPIPE_API|typedef|struct) [^{]*?;)"
                         r"(?: /\*\*<.*?\*/)?\n", re.S)
OTHER = re.compile(r"/\*.*?\*/\n|[^\n]*\n", re.S)
# What is the compiler's business only.
MACHINERY = re.compile(r"^(#(if|ifdef|ifndef|endif|else|include|define AISPIPE_(API|PRINTF|\w+_H)).*|extern \"C\" \{|\})$",
                       re.M)


def text_of(doc):
    """The comment as Markdown: bare of its stars; what is indented in it stays so, as an example."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in doc.strip().splitlines()]
    text = "\n".join(lines).strip()
    text = re.sub(r"^@file \S+\s*", "", text)
    return re.sub(r"^@return ", "Returns ", text, flags=re.M)


def declarations_at(text, at):
    """Those that follow one another without an empty line or a comment, and where they end."""
    found = []
    while (match := DECLARATION.match(text, at)) is not None:
        found.append(match[0].rstrip())
        at = match.end()
    return found, at


def name_of(declaration):
    declaration = declaration.replace("AISPIPE_API ", "")
    for pattern in (r"^#define (\w+)", r"^((?:struct|enum) \w+) \{", r"^typedef .*?\(\*(\w+)\)", r"(\w+)\(",
                    r"^(struct \w+);"):
        match = re.search(pattern, declaration)
        if match:
            return match[1]
    return declaration.split()[-1].rstrip(";")


def entry(declarations, doc):
    names = ", ".join(f"`{name_of(one)}`" for one in declarations)
    code = "\n".join(declarations).replace("AISPIPE_API ", "")
    return f"#### {names}\n\n" + (f"{doc}\n\n" if doc else "") + f"```c\n{code}\n```\n"


def describe(header):
    text = (ROOT / "include" / "aispipe" / f"{header}.h").read_text(encoding="utf-8")
    text = MACHINERY.sub("", text)
    yield f"## `aispipe/{header}.h`\n"
    at = 0
    while at < len(text):
        doc = ""
        if (title := TITLE.match(text, at)) is not None:
            yield f"### {title[1][0].upper()}{title[1][1:]}\n"
            at = title.end()
            continue
        if (comment := COMMENT.match(text, at)) is not None:
            doc = text_of(comment[1])
            at = comment.end()
            if "@file" in comment[1]:
                yield doc + "\n"
                continue
        declarations, at = declarations_at(text, at)
        if declarations:
            yield entry(declarations, doc)
        elif not doc:
            at = OTHER.match(text, at).end()


def main():
    print(HEAD)
    for header in HEADERS:
        print("\n".join(describe(header)))


if __name__ == "__main__":
    main()
