# SPDX-License-Identifier: MIT
"""aispipe against what people would use instead: each case in memory and on disk, rivals in turn, a table and a plot."""

import argparse
import json
import os
import sys
from pathlib import Path

from . import report
from .cases import CASES
from .contestants import Failed
from .track import Place, Race, file_system

ROOT = Path(__file__).resolve().parents[2]
MEMORY = "/dev/shm"


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parse_arguments():
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="bench/compare", description=__doc__)
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], help="this case; may be repeated")
    parser.add_argument("--where", choices=("memory", "disk"), help="only there (default both)")
    parser.add_argument("--dir", default=os.environ.get("TMPDIR") or "/var/tmp", help="on disk (default $TMPDIR or /var/tmp)")
    parser.add_argument("--rounds", type=positive, help="default 5, with --quick 1")
    parser.add_argument("--files", type=positive, help="in each case (default: each case's own)")
    parser.add_argument("--threads", type=positive, help="executions at a time (default 2; copy: 1, there is nothing to compute)")
    parser.add_argument("--seconds", type=positive, default=4, help="how long benchmark_app measures (default 4)")
    parser.add_argument("--quick", action="store_true", help="few files, one round: shows that it works, figures mean nothing")
    parser.add_argument("--aispipe", default=str(ROOT / "build" / "aispipe"), help="the program (default build/aispipe)")
    parser.add_argument("--plot", metavar="FILE", default=str(ROOT / "build" / "compare.png"),
                        help="where the plot goes (default build/compare.png in the clone; '' draws none)")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object a line, for each case and place")
    shape.add_argument("--markdown", action="store_true", help="tables for docs/performance.md")
    parser.add_argument("options", nargs="*", help="after --: further options for aispipe")
    args = parser.parse_args()
    args.cores = cores
    args.rounds = args.rounds or (1 if args.quick else 5)
    return args


def places(args):
    """Where to race; what cannot be is an error, because half a comparison looks like a whole one."""
    wanted = [args.where] if args.where else ["memory", "disk"]
    found = []
    for name in wanted:
        directory = MEMORY if name == "memory" else args.dir
        if not os.access(directory, os.W_OK):
            raise Failed(f"cannot write to {directory}; " + ("--where disk leaves memory out" if name == "memory"
                                                             else "--dir names another directory"))
        kind = file_system(directory)
        if name == "disk" and kind in ("tmpfs", "ramfs"):
            raise Failed(f"{directory} is in memory ({kind}); --dir names a directory on a disk, --where memory leaves disks out")
        found.append(Place(name, directory, kind))
    return found


def command_line(args):
    words = sys.argv[1:]
    return " ".join(["bench/compare", *words])


def show(figures, args, facts):
    if args.json:
        print(json.dumps({**figures, "machine": facts}), flush=True)
    else:
        print(report.markdown(figures) if args.markdown else report.text(figures), flush=True)


def race(args):
    facts = report.machine()
    if not args.json:
        print(f"`{command_line(args)}`; {report.machine_line(facts)}.\n\n{report.NOTES}\n", flush=True)
    raced = []
    for case in CASES:
        if args.only and case.name not in args.only:
            continue
        for place in places(args):
            raced.append(Race(case, place, args).run().figures())
            show(raced[-1], args, facts)
    if args.plot:
        from .plot import draw  # half a second, not before it is needed

        os.makedirs(os.path.dirname(os.path.abspath(args.plot)), exist_ok=True)
        draw(args.plot, raced, report.machine_line(facts))
        print(f"plot: {args.plot}", file=sys.stderr)


def main():
    args = parse_arguments()
    try:
        race(args)
    except Failed as failure:
        sys.exit(f"compare: {failure}")


if __name__ == "__main__":
    main()
