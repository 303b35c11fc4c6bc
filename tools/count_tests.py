# SPDX-License-Identifier: MIT
"""Counts single tests in the log of a Meson test run.

    python3 tools/count_tests.py BUILD/meson-logs/testlog.json

prints "PASSED FAILED SKIPPED". A Meson test counts as what is in it:
- its command holds --junitxml=FILE (pytest): the test cases in FILE, when this run wrote it;
- its output is TAP (cmocka): the test points;
- otherwise: one test.
A Meson test that failed counts as at least one failure, whatever is in it. No log: "0 0 0".
"""

import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

PASSED, FAILED, SKIPPED = range(3)
TAP_POINT = re.compile(r"^(not )?ok\b(.*)$", re.MULTILINE)
TAP_DIRECTIVE = re.compile(r"#\s*(SKIP|TODO)", re.IGNORECASE)
GOOD_RESULTS = ("OK", "EXPECTEDFAIL")


def junit_file(entry):
    """The file named by --junitxml in the command, if this run wrote it."""
    for word in entry.get("command") or []:
        if word.startswith("--junitxml="):
            path = word.split("=", 1)[1]
            # A second of slack for file systems with coarse times.
            if os.path.exists(path) and os.stat(path).st_mtime >= (entry.get("starttime") or 0) - 1:
                return path
    return None


def count_junit(path):
    counts = [0, 0, 0]
    for case in ElementTree.parse(path).iter("testcase"):
        parts = {child.tag for child in case}
        if parts & {"failure", "error"}:
            counts[FAILED] += 1
        elif "skipped" in parts:
            counts[SKIPPED] += 1
        else:
            counts[PASSED] += 1
    return counts


def count_tap(text):
    counts = [0, 0, 0]
    for bad, rest in TAP_POINT.findall(text):
        if TAP_DIRECTIVE.search(rest):
            counts[SKIPPED] += 1
        else:
            counts[FAILED if bad else PASSED] += 1
    return counts


def count_entry(entry):
    """The counts of one Meson test."""
    result = entry.get("result")
    counts = [0, 0, 0]
    path = junit_file(entry)
    if path:
        try:
            counts = count_junit(path)
        except ElementTree.ParseError:
            pass
    elif TAP_POINT.search(entry.get("stdout") or ""):
        counts = count_tap(entry["stdout"])

    if result in GOOD_RESULTS:
        if not any(counts):
            counts[PASSED] = 1
    elif result == "SKIP":
        if not any(counts):
            counts[SKIPPED] = 1
    elif not counts[FAILED]:
        # It was killed, or failed outside of any test case.
        counts[FAILED] = 1
    return counts


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    totals = [0, 0, 0]
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            for line in log:
                if line.strip():
                    totals = [a + b for a, b in zip(totals, count_entry(json.loads(line)))]
    except FileNotFoundError:
        pass
    print(*totals)


if __name__ == "__main__":
    main()
