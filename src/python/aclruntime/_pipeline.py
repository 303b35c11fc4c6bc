# SPDX-License-Identifier: MIT
"""Many executions: some threads take one item each through all its steps.

A session executes one at a time, so the steps of different items overlap: while one executes, the next one is read and
transferred, and the results of the one before are fetched and saved. The lock of the interpreter is free meanwhile.
Further sessions are further executions at a time.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

S = TypeVar("S")

WORKERS = 3
"""For each session: one that gets ready, one that executes, one that saves."""


def each(sessions: Sequence[S], items: Iterable[Any], work: Callable[[S, Any], Any]) -> Iterator[Any]:
    """What `work(session, item)` gives for each item, in order. Of several failures the first item's is raised, when
    what had begun has ended; no further item is begun then."""
    mine = threading.local()
    turns = itertools.cycle(sessions)

    def begin() -> None:
        mine.session = next(turns)

    def do(item: Any) -> Any:
        return work(mine.session, item)

    workers = WORKERS * len(sessions)
    begun: deque[Future] = deque()
    with ThreadPoolExecutor(workers, "aispipe", begin) as pool:
        try:
            for item in items:
                begun.append(pool.submit(do, item))
                if len(begun) > 2 * workers:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
