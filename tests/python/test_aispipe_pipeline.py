# SPDX-License-Identifier: MIT
"""aispipe.Pipeline: order, back-pressure, ends of every kind."""

import gc
import itertools
import threading
import time

import models
import numpy
import pytest
from aispipe import _native

import aispipe


@pytest.fixture(scope="module")
def relu(tmp_path_factory):
    return models.relu(tmp_path_factory.mktemp("pipeline") / "relu.onnx")


@pytest.fixture
def session(relu):
    with aispipe.Session(relu, threads=2) as opened:
        yield opened


def numbered(n):
    for number in range(n):
        yield numpy.full((1, 16), number, "float32")


@pytest.mark.parametrize("options", [{}, {"threads": 1}, {"inflight": 1, "capacity": 1}, {"inflight": 3}])
def test_results_come_in_order(session, options):
    results = list(aispipe.Pipeline(session, **options).map(numbered(500)))
    assert [y[0, 5] for y in results] == list(range(500))
    assert all(type(y) is numpy.ndarray and y.shape == (1, 16) and y.dtype == "float32" for y in results)


def test_results_equal_single_calls(session):
    items = list(numpy.random.default_rng(3).standard_normal((50, 1, 16)).astype("float32"))
    alone = [session(x) for x in items]
    for got, wanted in zip(aispipe.Pipeline(session).map(items), alone):
        numpy.testing.assert_array_equal(got, wanted)


def test_as_completed_names_the_item(session):
    pairs = list(aispipe.Pipeline(session).map(numbered(300), ordered=False))
    assert sorted(number for number, _ in pairs) == list(range(300))
    assert all(y[0, 0] == number for number, y in pairs)


def test_items_with_several_inputs(tmp_path):
    path = models.two_by_two(tmp_path / "two.onnx")
    a, b = numpy.array([1, 2, 3], "int32"), numpy.array([5, 7, 9], "int32")
    with aispipe.Session(path) as session:
        pipeline = aispipe.Pipeline(session)
        for item in ((a, b), [a, b], {"b": b, "a": a}):
            (total, product), = pipeline.map([item])
            assert total.tolist() == [6, 9, 12] and product.tolist() == [5, 14, 27]
        with pytest.raises(ValueError, match=r"\['a', 'b'\]"):
            list(pipeline.map([{"a": a}]))
        with pytest.raises(ValueError, match="takes 2 inputs, got 1"):
            list(pipeline.map([a]))


def test_item_may_be_changed_once_it_is_taken(session):
    def reused():
        x = numpy.empty((1, 16), "float32")
        for number in range(200):
            x[:] = number
            yield x

    assert [y[0, 0] for y in aispipe.Pipeline(session).map(reused())] == list(range(200))


def test_open_shape_is_that_of_the_first_item(tmp_path):
    path = models.relu(tmp_path / "open.onnx", (None, None))
    with aispipe.Session(path) as session:
        pipeline = aispipe.Pipeline(session)
        assert list(pipeline.map([])) == []
        assert [y.shape for y in pipeline.map(itertools.repeat(numpy.ones((2, 3), "float32"), 4))] == [(2, 3)] * 4
        assert next(pipeline.map([numpy.ones((5, 1), "float32")])).shape == (5, 1)
        gc.collect()
        with pytest.raises(ValueError, match=r"takes the shape \(2, 3\), got \(1, 1\)"):
            list(pipeline.map([numpy.ones((2, 3), "float32"), numpy.ones((1, 1), "float32")]))
        assert session(numpy.ones((4, 4), "float32")).shape == (4, 4)


def test_stream_needs_a_shape(tmp_path):
    """Where dimensions are open, and where those that were set last were refused: an error, not a crash."""
    with aispipe.Session(models.relu(tmp_path / "open.onnx", (None, 3))) as session:
        with pytest.raises(aispipe.Error, match="dimension 0 of input 'x' is unknown"):
            _native.Stream(session)
        with pytest.raises(aispipe.Error):
            session.set_shape(shape={"x": (1, 4)})
        with pytest.raises(aispipe.Error):
            _native.Stream(session)
        session.set_shape(batch=2)
        stream = _native.Stream(session)
        assert stream.push([numpy.ones((2, 3), "float32")])
        assert next(stream)[1][0].shape == (2, 3)


def test_memory_is_bounded(session):
    """A consumer that does not consume holds up the producer."""
    taken = []

    def items():
        for x in numbered(100000):
            taken.append(None)
            yield x

    results = iter(aispipe.Pipeline(session, inflight=4, capacity=4).map(items()))
    for _ in range(3):
        next(results)
    time.sleep(0.05)
    assert len(taken) <= 3 + 4 + 4 + 3
    results.close()


@pytest.mark.parametrize("taken", [0, 1, 40])
def test_closing_the_generator_cancels(session, taken):
    results = aispipe.Pipeline(session).map(numbered(10 ** 9))
    for _ in range(taken):
        next(results)
    results.close()
    assert session(numpy.ones((1, 16), "float32"))[0, 0] == 1  # free again


def test_leaving_the_loop_cancels(session):
    for y in aispipe.Pipeline(session).map(numbered(10 ** 9)):
        if y[0, 0] == 20:
            break
    del y
    gc.collect()
    assert session(numpy.ones((1, 16), "float32"))[0, 0] == 1


def test_context_manager_ends_what_runs(session):
    taken = []

    def watched():
        for x in numbered(10**9):
            taken.append(1)
            yield x

    with aispipe.Pipeline(session) as pipeline:
        results = pipeline.map(watched())
        assert next(results)[0, 0] == 0 and next(results)[0, 0] == 1
        assert pipeline.stats()["samples"] >= 2
    seen = len(taken)
    assert list(results) == [] and len(taken) == seen
    assert session(numpy.zeros((1, 16), "float32")).shape == (1, 16), "the session can be called again"
    assert len(list(pipeline.map(numbered(3)))) == 3
    assert pipeline.stats()["samples"] == 3


def test_failure_of_the_iterable_comes_through(session):
    def items():
        yield from numbered(30)
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        list(aispipe.Pipeline(session).map(items()))
    assert session(numpy.ones((1, 16), "float32"))[0, 0] == 1


def test_wrong_item_comes_through(session):
    good = numpy.ones((1, 16), "float32")
    for bad, error in ((good.astype("float64"), TypeError), (good[:, :3], ValueError), (None, TypeError)):
        with pytest.raises(error, match="input 0 'x'"):
            list(aispipe.Pipeline(session).map([good] * 5 + [bad] + [good] * 5))


def test_one_run_at_a_time(session):
    running = iter(aispipe.Pipeline(session).map(numbered(1000)))
    next(running)
    with pytest.raises(ValueError, match="stream already"):
        next(iter(aispipe.Pipeline(session).map(numbered(3))))
    with pytest.raises(aispipe.Error):
        session(numpy.ones((1, 16), "float32"))
    assert sum(1 for _ in running) == 999


def test_closing_the_session_ends_the_run(relu):
    session = aispipe.Session(relu)
    running = iter(aispipe.Pipeline(session).map(numbered(10 ** 9)))
    next(running)
    session.close()
    with pytest.raises(aispipe.ClosedError):
        for _ in running:
            pass


def test_length_and_progress(session):
    class Bar:
        def __init__(self, total):
            self.total, self.n, self.closed = total, 0, False
            bars.append(self)

        def update(self, n):
            self.n += n

        def close(self):
            self.closed = True

    bars = []
    pipeline = aispipe.Pipeline(session)
    items = list(numbered(25))
    assert len(pipeline.map(items)) == 25
    with pytest.raises(TypeError):
        len(pipeline.map(iter(items)))
    list(pipeline.map(items, progress=Bar))
    list(pipeline.map(iter(items), progress=Bar))
    assert [(bar.total, bar.n, bar.closed) for bar in bars] == [(25, 25, True), (None, 25, True)]
    tqdm = pytest.importorskip("tqdm")
    assert len(list(tqdm.tqdm(pipeline.map(items), disable=None))) == 25


def test_statistics(session):
    pipeline = aispipe.Pipeline(session)
    assert pipeline.stats() == {}
    list(pipeline.map(numbered(64)))
    stats = pipeline.stats()
    assert stats["samples"] == 64 and stats["wall_ms"] > 0 and stats["bottleneck"] in stats["stages"]
    assert list(stats["stages"]) == ["load", "h2d", "compute", "d2h", "save"]
    assert stats["stages"]["compute"]["threads"] == 2


def test_arguments(session):
    for options in ({"threads": 3}, {"threads": 0}, {"inflight": -1}, {"capacity": -1}):
        with pytest.raises(ValueError):
            aispipe.Pipeline(session, **options)
    with pytest.raises(TypeError, match="Session"):
        aispipe.Pipeline("model.onnx")
    with pytest.raises(TypeError):
        aispipe.Pipeline(session).map(3)


def test_stream_from_two_threads(session):
    """One thread pushes, another takes: the extension's own interface."""
    stream = _native.Stream(session, inflight=2, capacity=2)

    def push():
        for x in numbered(400):
            assert stream.push([x])
        stream.finish()

    pusher = threading.Thread(target=push)
    pusher.start()
    assert [(number, outputs[0][0, 0]) for number, outputs in stream] == [(n, n) for n in range(400)]
    pusher.join()
    assert stream.done and stream.poll() is None
    stream.close()
    with pytest.raises(aispipe.ClosedError):
        stream.push([numpy.ones((1, 16), "float32")])


def test_close_wakes_a_waiting_thread(session):
    stream = _native.Stream(session)
    ended = threading.Event()

    def take():
        try:
            for _ in stream:
                pass
        except aispipe.ClosedError:
            pass
        ended.set()

    taker = threading.Thread(target=take)
    taker.start()
    time.sleep(0.05)
    stream.close()
    taker.join(20)
    assert ended.is_set()
