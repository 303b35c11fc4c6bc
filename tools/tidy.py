# SPDX-License-Identifier: MIT
"""Runs clang-tidy over the C files of a build directory, several at a time.

    python3 tools/tidy.py [--jobs N] CLANG-TIDY BUILD

Only files of this clone are looked at, each once, and the headers of this clone that they include. A finding in
a header is printed once. Exit status: 0 without findings, 1 with findings, 2 when clang-tidy could not run.
The checks are those in .clang-tidy. The path-sensitive ones (clang-analyzer-*) take most of the time and look at
the code that users run only; what is under tests/ runs under the sanitizers instead.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# clang-tidy names a file as the compiler was given it: relative to the build directory, or absolute.
FINDING = re.compile(r"^([^\s:][^:\n]*):(\d+):(\d+): (warning|error): ", re.MULTILINE)


def our_files(build):
    """The C files of the compilation database that lie in the clone and outside any build directory."""
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        commands = json.load(file)
    files = set()
    for command in commands:
        path = pathlib.Path(os.path.normpath(os.path.join(command["directory"], command["file"])))
        if path.suffix == ".c" and ROOT in path.parents:
            if not path.relative_to(ROOT).parts[0].startswith((".", "build")):
                files.add(path)
    return sorted(files, key=lambda path: (-path.stat().st_size, path))


def our_findings(build, text):
    """The findings in clang-tidy's output that are about the clone, each with its file named relative to the clone."""
    starts = list(FINDING.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    findings = []
    for match, end in zip(starts, ends):
        path = pathlib.Path(os.path.normpath(build / match.group(1)))
        # One that is told about a system header (its declaration differs from our definition) is not about our code.
        if ROOT in path.parents:
            findings.append(str(path.relative_to(ROOT)) + text[match.end(1) : end].rstrip())
    return findings


def run_one(tidy, build, path):
    """(findings, complaint): the text of each finding, and why clang-tidy itself failed, or ''."""
    ours = "^%s/(include|src|stages|simulator|tests|bench|tools|examples)/" % re.escape(str(ROOT))
    command = [tidy, "-p", str(build), "--quiet", "--header-filter=" + ours]
    # The database is the compiler's of this build, which may know warnings that Clang does not.
    command += ["--extra-arg=-Wno-unknown-warning-option"]
    if path.relative_to(ROOT).parts[0] == "tests":
        command += ["--checks=-clang-analyzer-*"]
    done = subprocess.run(command + [str(path)], capture_output=True, text=True, errors="replace", cwd=ROOT)
    findings = our_findings(build, done.stdout)
    complaint = ""
    if done.returncode != 0 and not findings:
        complaint = "%s: status %d\n%s%s" % (path, done.returncode, done.stdout, done.stderr)
    return findings, complaint


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("tidy", metavar="CLANG-TIDY")
    parser.add_argument("build", metavar="BUILD", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()

    try:
        files = our_files(arguments.build)
    except (OSError, ValueError) as error:
        print("tidy.py: %s" % error, file=sys.stderr)
        return 2
    if not files:
        print("tidy.py: %s names no C file of %s" % (arguments.build, ROOT), file=sys.stderr)
        return 2

    tidy = os.path.abspath(arguments.tidy) if os.sep in arguments.tidy else arguments.tidy
    seen = set()
    broken = False
    with concurrent.futures.ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        try:
            for findings, complaint in pool.map(lambda path: run_one(tidy, arguments.build, path), files):
                for finding in findings:
                    # The first line names file, place and check; the notes below it may differ by includer.
                    if finding.split("\n", 1)[0] not in seen:
                        seen.add(finding.split("\n", 1)[0])
                        print(finding, flush=True)
                if complaint:
                    broken = True
                    print(complaint.rstrip(), file=sys.stderr)
        except OSError as error:
            print("tidy.py: %s: %s" % (tidy, error), file=sys.stderr)
            return 2
    print("%d files, %d findings" % (len(files), len(seen)))
    return 2 if broken else 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
