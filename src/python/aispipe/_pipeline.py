# SPDX-License-Identifier: MIT
"""Pipeline: many executions, loading ahead."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from . import _native
from ._session import Session


class Pipeline:
    """Runs a session over many inputs: they are loaded ahead while the model computes.

    What an iterable gives is pushed into a pipeline of threads (load, transfer, compute, transfer back) that runs
    without the interpreter lock, and results are taken out at the other end. At most `capacity` + `inflight` items
    are inside at a time, so memory does not grow with the dataset, and a consumer that is slow holds up the rest.

    As a context manager it ends, on leaving, the work that nobody waits for; so does `close`. The session stays open.

    Parameters:
        session: an open `Session`; while results are iterated over, it can do nothing else
        threads: compute threads, at most as many as the session was opened with; None: as many
        inflight: items between loading and their result, 0: chosen by their size
        capacity: items that wait before it, 0: as many
    """

    def __init__(self, session: Session, *, threads: int | None = None, inflight: int = 0, capacity: int = 0) -> None:
        if not isinstance(session, Session):
            raise TypeError(f"a pipeline needs an aispipe.Session, not {type(session)}")
        threads = session.threads if threads is None else threads
        if not 1 <= threads <= session.threads:
            raise _native.InvalidError(f"threads is {threads}, and the session was opened for {session.threads}")
        if inflight < 0 or capacity < 0:
            raise _native.InvalidError("inflight and capacity must not be negative")
        self._session = session
        self._options = {"threads": threads, "inflight": inflight, "capacity": capacity}
        self._stats: dict[str, Any] = {}
        self._stream: _native.Stream | None = None
        self._last: Callable[[], Iterator[Any] | None] = lambda: None

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the work of results that nobody has taken. The session stays open, the pipeline can be used again."""
        running = self._last()
        if running is not None:
            running.close()

    def map(self, items: Iterable[Any], *, ordered: bool = True,
            progress: Callable[..., Any] | None = None) -> Results:
        """Executes the model on every item.

        Parameters:
            items: each is an array, where the model has one input; else a tuple or list of arrays in the model's
                order, or a dict by name. What it holds is copied when it is taken, and may be changed afterwards.
            ordered: results come in the order of the items; False: as they are completed, as (number, result)
            progress: something like ``tqdm.tqdm``: called as progress(total=…), its update(1) and close() are used

        Returns:
            an iterator of results, as ``session(x)`` gives them. len() works where `items` has one. Closing it, or
            leaving a ``for`` over it by an exception, ends the work that nobody waits for.

        Raises, while iterating, the errors of ``session(x)``, and whatever `items` raises.
        """
        total = len(items) if hasattr(items, "__len__") else None
        running = self._iterate(iter(items), ordered, progress, total)
        self._last = weakref.ref(running)
        return Results(running, total)

    def stats(self) -> dict[str, Any]:
        """Figures of the run that is under way, else of the one that ended last: samples, wall_ms, samples_per_second,
        bottleneck, and for each stage threads, busy, wait_input, wait_output (fractions of the time), service_mean_ms,
        service_p99_ms, queue_mean, queue_peak."""
        stream = self._stream
        if stream is not None:
            return stream.stats()
        return dict(self._stats)

    def _iterate(self, items: Iterator[Any], ordered: bool, progress: Any, total: int | None) -> Iterator[Any]:
        session = self._session
        follows = session.follows_feeds
        feeds = map(self._feeds, items)
        stream = bar = None
        single = len(session._output_names) == 1
        try:
            if follows:
                first = next(feeds, None)
                if first is None:
                    return
                self._settle_shape(first)
                feeds = chain((first,), feeds)
            stream = self._stream = _native.Stream(session, ordered=ordered, strict=True, **self._options)
            bar = progress(total=total) if progress else None
            push, poll = stream.push, stream.poll
            for feed in feeds:
                while not push(feed, False):
                    number, outputs = next(stream)
                    yield _result(number, outputs, single, ordered)
                    if bar is not None:
                        bar.update(1)
                ready = poll()
                if ready is not None:
                    yield _result(*ready, single, ordered)
                    if bar is not None:
                        bar.update(1)
            stream.finish()
            for number, outputs in stream:
                yield _result(number, outputs, single, ordered)
                if bar is not None:
                    bar.update(1)
        finally:
            if stream is not None:
                if not session.closed:
                    self._stats = stream.stats()
                self._stream = None
                stream.close()
            if follows:
                session.follow_feeds()
            if bar is not None:
                bar.close()

    def _feeds(self, item: Any) -> Any:
        """An item as a tuple or list of feeds."""
        if isinstance(item, (tuple, list)):
            return item
        if isinstance(item, Mapping):
            names = self._session._input_names
            if set(item) != set(names):
                raise _native.InvalidError(f"the model takes the inputs {names}, an item has {list(item)}")
            return [item[name] for name in names]
        return (item,)

    def _settle_shape(self, first: Any) -> None:
        """A pipeline has one shape: where nobody chose it, that of the first item."""
        names = self._session._input_names
        if len(first) != len(names):
            raise _native.InvalidError(f"the model takes {len(names)} inputs, an item has {len(first)}")
        shapes = [_native.Tensor(feed, False).shape for feed in first]
        self._session.set_shape(shape=dict(zip(names, shapes)))


def _result(number: int, outputs: list[Any], single: bool, ordered: bool) -> Any:
    result = outputs[0] if single else outputs
    return result if ordered else (number, result)


class Results(Iterator[Any]):
    """Results of `Pipeline.map`, in order unless asked otherwise."""

    def __init__(self, results: Iterator[Any], total: int | None) -> None:
        self._results = results
        self._total = total

    def __iter__(self) -> Iterator[Any]:
        return self._results

    def __next__(self) -> Any:
        return next(self._results)

    def __len__(self) -> int:
        """How many there will be, where the iterable has a length."""
        if self._total is None:
            raise TypeError("the iterable that is mapped has no length")
        return self._total

    def close(self) -> None:
        """Ends the work that nobody waits for."""
        self._results.close()
