# SPDX-License-Identifier: MIT
"""One case in one place: the rounds, and what comes out of them."""

import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .check import Reference
from .contestants import CONTESTANTS, Failed, Track


@dataclass
class Place:
    name: str  # "memory" or "disk"
    directory: str
    system: str  # the file system's type


def file_system(path):
    """The type of the file system that holds `path`, as the kernel calls it."""
    best = ("", "?")
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            point, kind = line.split()[1:3]
            inside = os.path.realpath(path) + "/"
            if inside.startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def order(names, round_):
    """Everybody starts next to everybody else in time: forwards, backwards, and from another place each time."""
    turned = names[round_ // 2 % len(names):] + names[:round_ // 2 % len(names)]
    return turned[::-1] if round_ % 2 else turned


def ensure_room(case, place, files):
    """Inputs, the reference's results and one contestant's."""
    need = 3 * files * case.bytes + case.model_bytes + (4 << 20)
    free = shutil.disk_usage(place.directory).free
    if free < need:
        raise Failed(f"{case.title}: {place.directory} has {free >> 20} MiB free, {need >> 20} are needed; "
                     "give fewer --files or another --dir")


class Race:
    def __init__(self, case, place, args):
        self.case, self.place, self.args = case, place, args
        self.files = args.files or (case.quick_files if args.quick else case.files)
        self.threads = args.threads or min(case.threads, args.cores)
        self.names = ["aispipe", *case.contestants]
        self.laps = {name: [] for name in self.names}

    def run(self):
        ensure_room(self.case, self.place, self.files)
        with tempfile.TemporaryDirectory(prefix="aispipe-compare-", dir=self.place.directory) as root:
            model, inputs = self.case.prepare(root, self.files)
            args = self.args
            self.track = Track(args.aispipe, args.options, model, inputs, self.files, self.threads, args.cores,
                               args.seconds, args.quick)
            self.reference = Reference(self.case, inputs)
            for round_ in range(args.rounds):
                print(f"{self.case.title}, {self.place.name}: round {round_ + 1} of {args.rounds}", file=sys.stderr)
                self.round(Path(root), round_)
        return self

    def round(self, root, round_):
        # The first round begins with another engine than ours, whose results are what the others must have.
        first = ["ort-loop"] + [name for name in self.names if name != "ort-loop"]
        for name in first if round_ == 0 else order(self.names, round_):
            results = root / f"{name}-{round_}"
            if self.place.name == "disk":
                os.sync()  # nobody pays for what the one before has left in the page cache
            lap = CONTESTANTS[name].start(self.track, results)
            self.laps[name].append(lap)
            if lap.results:
                self.reference.compare(CONTESTANTS[name].name, lap, round_ == 0)
                if self.reference.directory != lap.results:
                    shutil.rmtree(lap.results)

    def rates(self, name):
        return [lap.rate for lap in self.laps[name]]

    def median(self, name):
        return statistics.median(self.rates(name))

    def ratios(self, name):
        """aispipe / rival within each round."""
        return [ours / theirs for ours, theirs in zip(self.rates("aispipe"), self.rates(name))]

    def best(self, names):
        return max(names, key=self.median)

    def figures(self):
        """Everything, as JSON."""
        contestants = []
        for name in self.names:
            rates, ratios = self.rates(name), self.ratios(name)
            contestants.append({
                "id": name, "name": CONTESTANTS[name].name, "note": CONTESTANTS[name].note, "rates": rates,
                "median": self.median(name), "least": min(rates), "most": max(rates),
                "ratio": statistics.median(ratios), "ratio_least": min(ratios), "ratio_most": max(ratios),
                "whole_s": statistics.median(lap.whole for lap in self.laps[name])})
        targets = []
        for target in self.case.targets:
            rival = self.best(target.rivals)
            ratio = statistics.median(self.ratios(rival))
            targets.append({"what": target.what, "rival": CONTESTANTS[rival].name, "least": target.least, "ratio": ratio,
                            "met": ratio >= target.least})
        return {"bench": "compare", "case": self.case.name, "title": self.case.title, "where": self.place.name,
                "directory": self.place.directory, "file_system": self.place.system, "files": self.files,
                "bytes": self.case.bytes, "threads": self.threads, "cores": self.args.cores,
                "rounds": self.args.rounds, "contestants": contestants, "targets": targets}
