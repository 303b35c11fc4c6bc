# SPDX-License-Identifier: MIT
"""--auto_tune against the best setting that never changes, on the six scenarios of scenarios.py.

For each scenario: every setting of load threads, save threads and batches in flight once, with the same --threads;
then the best few of them, the defaults and --auto_tune in turn. Only these rounds count, so that the best does not owe
its place to luck. The figure for --auto_tune is of the whole run, with all that it tries on its way.

    python bench/auto_tune.py [--times 10] [--rounds 5] [--only load,save] [--program build/aispipe]
"""

import argparse
import dataclasses
import itertools
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import scenarios

GRID = {"load_threads": (1, 2, 4, 8), "save_threads": (1, 2, 4), "inflight": (0, 4, 16, 64)}
# Scenarios, and how many compute threads each is measured with.
CASES = (("load", 1), ("h2d", 1), ("compute1", 1), ("compute4", 4), ("save", 1), ("bursty", 1), ("bursty", 2))
FINALISTS = 3


def search(run, grid):
    """Every setting once; the best few."""
    rates = {}
    for values in itertools.product(*grid.values()):
        rates[values] = run(scenarios.words(dict(zip(grid, values))))
    order = sorted(rates, key=rates.get, reverse=True)
    return [scenarios.words(dict(zip(grid, values))) for values in order[:FINALISTS]]


def measure(run, candidates, rounds):
    """Rates by name, each candidate once a round."""
    rates = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, options in candidates.items():
            rates[name].append(run(options))
    return rates


def case(program, scenario, threads, rounds, root):
    prepared = scenarios.make(scenario, root)
    fixed = ["--threads", threads]

    def run(options):
        return scenarios.run(program, prepared, fixed + list(options))

    finalists = search(run, GRID)
    candidates = {"auto_tune": ["--auto_tune", "1"], "defaults": []}
    candidates.update({" ".join(options) or "the defaults": options for options in finalists})
    rates = measure(run, candidates, rounds)
    shutil.rmtree(root)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    best = max((name for name in middle if name != "auto_tune"), key=middle.get)
    tuned = middle["auto_tune"]
    spread = (max(rates["auto_tune"]) - min(rates["auto_tune"])) / tuned
    print(f"{scenario.name:9} {threads:7} {middle['defaults']:9.1f} {middle[best]:9.1f} {tuned:9.1f} "
          f"{tuned / middle[best]:8.3f} {tuned / middle['defaults']:8.3f} {100 * spread:6.1f} %  {best}", flush=True)
    return tuned / middle[best]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="build/aispipe")
    parser.add_argument("--times", type=float, default=10, help="the scenarios' samples, so many times")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="names of scenarios, joined by ','")
    parser.add_argument("--root", default="/dev/shm", help="where datasets and results go")
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else [name for name, _ in CASES]
    print(f"{'scenario':9} {'threads':>7} {'defaults':>9} {'best':>9} {'auto_tune':>9} {'of best':>8} {'of dflt':>8} "
          f"{'spread':>8}  the best is", flush=True)
    worst = []
    with tempfile.TemporaryDirectory(dir=arguments.root) as root:
        for name, threads in CASES:
            if name not in only:
                continue
            scenario = scenarios.BY_NAME[name]
            scenario = dataclasses.replace(scenario, samples=int(scenario.samples * arguments.times))
            worst.append(case(arguments.program, scenario, threads, arguments.rounds, Path(root) / name))
    print(f"worst: {min(worst):.3f} of the best")
    return 0 if min(worst) >= 0.97 else 1


if __name__ == "__main__":
    sys.exit(main())
