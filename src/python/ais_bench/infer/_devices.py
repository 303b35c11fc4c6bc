# SPDX-License-Identifier: MIT
"""Work on several devices side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from aclruntime._errors import ArgumentTypeError


class DeviceTimes(dict):
    """{id: [ms, …]}. It can be read as the dictionary it is, or be called to get one, since programs do either."""

    def __call__(self) -> dict[int, list[float]]:
        return dict(self)


class DeviceError(RuntimeError):
    """A device failed; `device_id` says which one, `__cause__` holds the failure."""

    def __init__(self, device_id: int, reason: BaseException) -> None:
        super().__init__(f"device {device_id}: {reason}")
        self.device_id = device_id


def run_side_by_side(entries: Any, work: Callable[[int, Any], Any]) -> tuple[dict[int, list], DeviceTimes]:
    """`work(id, entry)` for each entry of {id: [entry, …]}, each in a thread of its own. Gives {id: [result, …]} and how
    long each took, ms. When all have ended, the first failure, in the order given, is raised."""
    if not isinstance(entries, Mapping):
        raise ArgumentTypeError(f"a dict with a list of feeds for each device is wanted, not {type(entries)}")
    jobs = [(device_id, entry) for device_id, listed in entries.items() for entry in _checked(device_id, listed)]
    results: list[Any] = [None] * len(jobs)
    failures: list[BaseException | None] = [None] * len(jobs)
    times = [0.0] * len(jobs)

    def do(index: int, device_id: int, entry: Any) -> None:
        start = time.perf_counter()
        try:
            results[index] = work(device_id, entry)
        except BaseException as error:  # noqa: B036 - it is raised in the caller's thread
            failures[index] = error
        times[index] = (time.perf_counter() - start) * 1000

    threads = [threading.Thread(target=do, args=(i, *job), name=f"device {job[0]}") for i, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (device_id, _), failure in zip(jobs, failures):
        if failure is not None:
            raise DeviceError(device_id, failure) from failure
    return _by_device(entries, jobs, results), DeviceTimes(_by_device(entries, jobs, times))


def _checked(device_id: Any, listed: Any) -> list:
    if not isinstance(listed, (list, tuple)):
        raise ArgumentTypeError(f"device {device_id}: a list of feeds is wanted, not {type(listed)}")
    return list(listed)


def _by_device(entries: Mapping, jobs: list, values: list) -> dict[int, list]:
    gathered: dict[int, list] = {device_id: [] for device_id in entries}
    for (device_id, _), value in zip(jobs, values):
        gathered[device_id].append(value)
    return gathered
