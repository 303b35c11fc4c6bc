# SPDX-License-Identifier: MIT
"""Times of a run, and the performance summary that is made of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from aclruntime._files import whole_file

PERCENTILE = 99


class ListInfo:
    """What there is to say of a list of times, ms."""

    def __init__(self) -> None:
        self.min = 0.0
        self.max = 0.0
        self.mean = 0.0
        self.median = 0.0
        self.percentile = 0.0


class Summary:
    """Collects times, in ms, and what was read and written; `report` prints and saves them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self.h2d_latency_list: list[float] = []
        self.d2h_latency_list: list[float] = []
        self.npu_compute_time_list: list[float] = []
        self.npu_compute_time_interval_list: list[Sequence[float]] = []
        """[start, end] of each execution, in place of the list above where executions overlap."""
        self._batchsizes: list[float] = []
        self.infodict: dict[str, Any] = {"filesinfo": {}}
        """What becomes the summary file."""

    # --- what happened ----------------------------------------------------------------------------------------------

    def add_batchsize(self, n: float) -> None:
        """Samples of one execution. The mean of all takes the place of the `batchsize` of `report`."""
        self._batchsizes.append(n)

    def add_args(self, args: Sequence[str]) -> None:
        """What the program was started with."""
        self.infodict["args"] = list(args)

    def add_sample_id_infiles(self, sample_id: int, infiles: Sequence[str]) -> None:
        """The files that a sample was read from. The first call for a sample counts."""
        files = self._files(sample_id)
        if not files["infiles"]:
            files["infiles"].extend(infiles)

    def append_sample_id_outfile(self, sample_id: int, outfile: str) -> None:
        """One more file that a sample's results were written to."""
        self._files(sample_id)["outfiles"].append(outfile)

    def _files(self, sample_id: int) -> dict[str, list[str]]:
        return self.infodict["filesinfo"].setdefault(sample_id, {"infiles": [], "outfiles": []})

    # --- figures ----------------------------------------------------------------------------------------------------

    @staticmethod
    def merge_intervals(intervals: Sequence[Sequence[float]]) -> list[list[float]]:
        """The union of [start, end] intervals: disjoint ones, in order."""
        merged: list[list[float]] = []
        for start, end in sorted(map(tuple, intervals)):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        return merged

    @staticmethod
    def get_list_info(work_list: Sequence[Any], percentile_scale: float, merge: bool = False) -> ListInfo:
        """`min`, `max`, `mean`, `median`, `percentile` of times, all 0 for an empty list.

        merge: the list holds [start, end] pairs. The mean is then the length of their union divided by their number, so
        that throughput stays true where executions overlap; the others are of the single durations.
        """
        info = ListInfo()
        if len(work_list) == 0:
            return info
        times = [end - start for start, end in work_list] if merge else work_list
        info.min, info.max = float(np.min(times)), float(np.max(times))
        info.mean, info.median = float(np.mean(times)), float(np.median(times))
        info.percentile = float(np.percentile(times, percentile_scale))
        if merge:
            union = Summary.merge_intervals(work_list)
            info.mean = float(sum(end - start for start, end in union) / len(work_list))
        return info

    # --- the report -------------------------------------------------------------------------------------------------

    def report(
        self,
        batchsize: float,
        output_prefix: str | None,
        display_all_summary: bool = False,
        multi_threads: bool = False,
    ) -> None:
        """Prints the summary, and writes it to `<output_prefix>_summary.json`.

        batchsize            samples of one execution
        output_prefix        None: no file
        display_all_summary  also the transfers
        multi_threads        times are in `npu_compute_time_interval_list`
        """
        if self._batchsizes:
            batchsize = float(np.mean(self._batchsizes))
        overlapping = multi_threads or not self.npu_compute_time_list
        times = self.npu_compute_time_interval_list if overlapping else self.npu_compute_time_list
        compute = self.get_list_info(times, PERCENTILE, overlapping)
        h2d = self.get_list_info(self.h2d_latency_list, PERCENTILE)
        d2h = self.get_list_info(self.d2h_latency_list, PERCENTILE)
        throughput = 1000 * batchsize / compute.mean if compute.mean else 0.0
        lines = [_line("NPU_compute_time", compute)]
        if display_all_summary:
            lines = [_line("H2D_latency", h2d), *lines, _line("D2H_latency", d2h)]
        print("[INFO] -----------------Performance Summary------------------")
        for line in lines:
            print(f"[INFO] {line}")
        formula = f"1000*batchsize.mean({_whole(batchsize)})/NPU_compute_time.mean({compute.mean})"
        print(f"[INFO] throughput {formula}: {throughput}")
        print("[INFO] ------------------------------------------------------", flush=True)
        self.infodict["NPU_compute_time"] = _entry(compute, times)
        self.infodict["H2D_latency"] = _entry(h2d, self.h2d_latency_list)
        self.infodict["D2H_latency"] = _entry(d2h, self.d2h_latency_list)
        self.infodict["npu_compute_time_list"] = list(times)
        self.infodict["throughput"] = throughput
        self.infodict["pid"] = os.getpid()
        if output_prefix is not None:
            _write(f"{output_prefix}_summary.json", self.infodict)


def _whole(number: float) -> float:
    """Without a fraction where it has none."""
    return int(number) if number == int(number) else number


def _line(name: str, info: ListInfo) -> str:
    return (
        f"{name} (ms): min = {info.min}, max = {info.max}, mean = {info.mean}, median = {info.median}, "
        f"percentile({PERCENTILE}%) = {info.percentile}"
    )


def _entry(info: ListInfo, times: Sequence[Any]) -> dict[str, float]:
    return {
        "min": info.min,
        "max": info.max,
        "mean": info.mean,
        "median": info.median,
        f"percentile({PERCENTILE}%)": info.percentile,
        "count": len(times),
    }


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)


def _write(path: str, contents: dict) -> None:
    with whole_file(path) as file:
        file.write(json.dumps(contents, default=_plain).encode("ascii"))


summary = Summary()
"""The one of this process, which programs fill."""
