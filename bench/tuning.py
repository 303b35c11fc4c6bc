# SPDX-License-Identifier: MIT
"""Do `aispipe tune` and `--auto_tune 1` find what an exhaustive search finds? Six runs on the simulated device.

    .venv/bin/python bench/tuning.py [--aispipe PATH] [--scenario NAME] [--times N] [--budget SECONDS] [--rounds N] [--json]

For each scenario (bench/scenarios.py) every combination of a grid is run on a part of its samples, the best of
them again on all of them, several times; `aispipe tune` searches by itself. Then, over N times as many samples,
the defaults, the best of the grid, tune's file and --auto_tune (where the program knows it) take turns, after a
round that is thrown away. Ratios are made within a round. A run is as fast as the program says, from end to end of its pipeline.

tune is held against the best of the grid; what the grid lacks it may find all the same. --auto_tune leaves the
compute threads as they are: it begins with as many as the scenario says, and is held against the same best and
against the same beginning without it.
"""

import argparse
import dataclasses
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scenarios

TARGET = 0.97  # of the best of the grid
PART = 3  # the grid is run on this part of the scenario's samples
AGAIN = 6  # so many of the best are run on all of them
NOISE = 0.02  # two medians of the same thing may differ by this much


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aispipe", default="build/aispipe", help="the program (default build/aispipe)")
    parser.add_argument("--scenario", choices=tuple(scenarios.BY_NAME), help="only this one")
    parser.add_argument("--times", type=int, default=4, help="samples in the final rounds, as a multiple of the scenario's (default 4)")
    parser.add_argument("--budget", type=int, default=60, help="seconds for `aispipe tune`, for each scenario")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dir", default=None, help="where the files are made (default /dev/shm or $TMPDIR)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args()


def knows_auto_tune(program):
    return "--auto_tune" in subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


def exhaustive(program, prepared, samples):
    """The fastest settings of the grid, and how many there are."""
    scenario = prepared.scenario
    grid = [dict(zip(scenario.grid, values)) for values in itertools.product(*scenario.grid.values())]
    part = ["--limit", str(samples // PART)]
    whole = ["--limit", str(samples)]
    scenarios.run(program, prepared, whole)  # brings memory and caches into their usual state
    rates = [scenarios.run(program, prepared, part + scenarios.words(settings)) for settings in grid]
    best = sorted(range(len(grid)), key=lambda i: -rates[i])[:AGAIN]
    again = {i: [] for i in best}
    for _ in range(3):
        for i in best:
            again[i].append(scenarios.run(program, prepared, whole + scenarios.words(grid[i])))
    winner = max(best, key=lambda i: statistics.median(again[i]))
    return grid[winner], len(grid)


def tune(program, prepared, budget):
    """The file that `aispipe tune` writes, and how long it took."""
    path = prepared.root / "tuned.json"
    command = [program, "tune", *prepared.job, *prepared.scenario.fixed, *prepared.scenario.tune, "--budget",
               str(budget), "--config_out", str(path)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=3 * budget + 60)
    return path, time.perf_counter() - start


def compare(program, prepared, best, tuned, rounds, auto):
    """Samples a second of each rival, a list with an entry a round. They take turns, each round in another order."""
    fixed = list(prepared.scenario.fixed)
    begin = list(prepared.scenario.auto)
    rivals = {"defaults": fixed, "exhaustive": scenarios.words(best), "tune": [*fixed, "--config", str(tuned)]}
    if auto:
        rivals["auto"] = [*fixed, *begin, "--auto_tune", "1"]
        if begin:
            rivals["auto_off"] = [*fixed, *begin]
    names = list(rivals)
    rates = {name: [] for name in names}
    for round_ in range(-1, rounds):
        shift = (round_ + 1) % len(names)
        for name in names[shift:] + names[:shift]:
            rate = scenarios.run(program, prepared, rivals[name])
            if round_ >= 0:
                rates[name].append(rate)
    return rates


def ratio(rates, a, b):
    """Median, least and most of a / b within a round."""
    values = sorted(x / y for x, y in zip(rates[a], rates[b]))
    return {"median": statistics.median(values), "least": values[0], "most": values[-1]}


def measure(arguments, scenario, root, auto):
    program = arguments.aispipe
    # An adapting run wants some seconds to pay back what it tries; the grid does with less.
    longer = dataclasses.replace(scenario, samples=scenario.samples * arguments.times)
    prepared = scenarios.make(longer, root / scenario.name)
    start = time.perf_counter()
    best, points = exhaustive(program, prepared, scenario.samples)
    grid_s = time.perf_counter() - start
    tuned, tune_s = tune(program, prepared, arguments.budget)
    rates = compare(program, prepared, best, tuned, arguments.rounds, auto)
    row = {"bench": "tuning", "scenario": scenario.name, "what": scenario.what, "grid": points, "grid_s": grid_s,
           "best": {key: value for key, value in best.items() if value}, "tuned": json.loads(tuned.read_text()),
           "tune_s": tune_s, "rates": rates}
    row["tune_to_best"] = ratio(rates, "tune", "exhaustive")
    row["tune_to_defaults"] = ratio(rates, "tune", "defaults")
    if auto:
        row["auto_to_best"] = ratio(rates, "auto", "exhaustive")
        row["auto_to_defaults"] = ratio(rates, "auto", "auto_off" if scenario.auto else "defaults")
    return row


def settings_words(settings):
    return " ".join(f"{key}={value}" for key, value in settings.items()) or "the defaults"


def print_row(row):
    print(f"\n{row['scenario']}: {row['what']}")
    print(f"  {'best of the grid':22} {settings_words(row['best'])}    ({row['grid']} points, {row['grid_s']:.0f} s)")
    print(f"  {'tune':22} {settings_words(row['tuned'])}    ({row['tune_s']:.0f} s)")
    for name, values in row["rates"].items():
        print(f"  {name:22} {statistics.median(values):10.1f} samples/s  ({min(values):.1f} ... {max(values):.1f})")
    for key, target in (("tune_to_best", TARGET), ("tune_to_defaults", 1 - NOISE), ("auto_to_best", TARGET),
                        ("auto_to_defaults", 1 - NOISE)):
        if key in row:
            r = row[key]
            print(f"  {key.replace('_', ' '):22} {r['median']:10.3f} x  ({r['least']:.3f} ... {r['most']:.3f})  "
                  f"(target: at least {target:g}{'' if r['median'] >= target else ', missed'})")
    sys.stdout.flush()


def main():
    arguments = parse_arguments()
    directory = arguments.dir or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    auto = knows_auto_tune(arguments.aispipe)
    chosen = [scenarios.BY_NAME[arguments.scenario]] if arguments.scenario else scenarios.ALL
    with tempfile.TemporaryDirectory(prefix="aispipe-bench-", dir=directory) as root:
        if not arguments.json:
            print(f"{arguments.rounds} rounds in {Path(root).parent}; medians (least ... most)"
                  + ("" if auto else "; this program has no --auto_tune"))
        for scenario in chosen:
            row = measure(arguments, scenario, Path(root), auto)
            if arguments.json:
                print(json.dumps(row), flush=True)
            else:
                print_row(row)


if __name__ == "__main__":
    main()
