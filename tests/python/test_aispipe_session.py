# SPDX-License-Identifier: MIT
"""aispipe.Session: values, names, shapes, statistics, life and end."""

import gc
import logging
import os
import pickle
import threading
import weakref
from pathlib import Path

import models
import numpy
import pytest

import aispipe


@pytest.fixture(scope="module")
def relu(tmp_path_factory):
    return models.relu(tmp_path_factory.mktemp("session") / "relu.onnx")


@pytest.fixture
def session(relu):
    with aispipe.Session(relu) as opened:
        yield opened


def ramp(*shape, dtype="float32"):
    return (numpy.arange(numpy.prod(shape), dtype="float64") - 7).reshape(shape).astype(dtype)


def test_call_equals_onnx_runtime(session, relu):
    x = ramp(1, 16)
    y = session(x)
    assert type(y) is numpy.ndarray and y.dtype == numpy.float32 and y.flags.writeable and y.flags.c_contiguous
    numpy.testing.assert_array_equal(y, models.reference(relu, x=x)[0])


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"])
def test_every_dtype_goes_through(tmp_path, dtype):
    path = models.twice(tmp_path / "twice.onnx", dtype)
    x = ramp(2, 3).astype(dtype)
    with aispipe.Session(path) as session:
        assert session.inputs[0].dtype == dtype and session.inputs[0].shape == (2, 3)
        y = session(x)
    assert y.dtype == dtype
    numpy.testing.assert_array_equal(y, models.reference(path, x=x)[0])


def test_several_outputs_are_a_list_and_a_dict(tmp_path):
    path = models.two_by_two(tmp_path / "two.onnx")
    a, b = numpy.array([1, 2, 3], "int32"), numpy.array([5, 7, 9], "int32")
    with aispipe.Session(path) as session:
        total, product = session(a, b)
        assert total.tolist() == [6, 9, 12] and product.tolist() == [5, 14, 27]
        results = session.run({"b": b, "a": a - 10})
        assert list(results) == ["sum", "product"]
        expected = models.reference(path, a=a - 10, b=b)
        for got, wanted in zip(results.values(), expected):
            numpy.testing.assert_array_equal(got, wanted)
        assert list(session.run({"a": a, "b": b}, ["product"])) == ["product"]
        with pytest.raises(ValueError, match="'nothing'"):
            session.run({"a": a, "b": b}, ["nothing"])
        with pytest.raises(ValueError, match=r"missing \['b'\], unknown \['c'\]"):
            session.run({"a": a, "c": b})
        with pytest.raises(TypeError, match="dict"):
            session.run([a, b])


def test_results_are_not_overwritten_by_later_calls(session):
    kept = [session(numpy.full((1, 16), i, "float32")) for i in range(200)]
    assert [y[0, 3] for y in kept] == list(range(200))


def test_results_outlive_the_session(relu):
    session = aispipe.Session(relu)
    y = session(ramp(1, 16))
    view = y[0, 8:]
    session.close()
    del session, y
    gc.collect()
    assert view.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_contiguous_inputs_are_read_in_place(session):
    x = ramp(1, 16)
    x.flags.writeable = False
    assert session(x)[0, 15] == 8
    assert session(ramp(1, 32)[:, ::2])[0].tolist() == numpy.maximum(ramp(1, 32)[:, ::2], 0)[0].tolist()
    assert session(numpy.asfortranarray(x))[0, 15] == 8
    assert session(ramp(1, 16, dtype=">f4"))[0, 15] == 8
    assert session(memoryview(x))[0, 15] == 8


def test_open_dimensions_follow_the_feeds_until_they_are_set(tmp_path):
    path = models.relu(tmp_path / "open.onnx", (None, None))
    with aispipe.Session(path) as session:
        assert session.inputs[0].shape == (-1, -1)
        for shape in ((1, 4), (3, 5), (1, 4), (7, 2)):
            x = ramp(*shape)
            numpy.testing.assert_array_equal(session(x), models.reference(path, x=x)[0])
        session.set_shape(shape={"x": (2, 3)})
        assert session(ramp(2, 3)).shape == (2, 3)
        with pytest.raises(ValueError, match=r"takes the shape \(2, 3\), got \(3, 3\)"):
            session(ramp(3, 3))
        session.set_shape(dims={"x": (4, 4)})
        assert session(ramp(4, 4)).shape == (4, 4)
        session.set_shape()
        assert session(ramp(3, 3)).shape == (3, 3)
        with pytest.raises(ValueError, match="one of"):
            session.set_shape(batch=1, shape={"x": (1, 1)})
        with pytest.raises(TypeError):
            session.set_shape(shape=[1, 2])


def test_batch_and_image_size(tmp_path):
    path = models.relu(tmp_path / "image.onnx", (None, 3, None, None))
    with aispipe.Session(path) as session:
        session.set_shape(shape={"x": (1, 3, 4, 6)})
        assert session(ramp(1, 3, 4, 6)).shape == (1, 3, 4, 6)
    path = models.relu(tmp_path / "batch.onnx", (None, 3))
    with aispipe.Session(path) as session:
        session.set_shape(batch=5)
        assert session(ramp(5, 3)).shape == (5, 3)
    path = models.relu(tmp_path / "hw.onnx", (1, 3, None, None))
    with aispipe.Session(path) as session:
        session.set_shape(hw=(4, 6))
        assert session(ramp(1, 3, 4, 6)).shape == (1, 3, 4, 6)


def test_device_tensors_go_round(session):
    first = session.on_device(ramp(1, 16))[0]
    assert isinstance(first, aispipe.Tensor) and first.device == 0 and first.shape == (1, 16)
    assert session(first).tolist() == numpy.maximum(ramp(1, 16), 0).tolist()
    assert session(aispipe.Tensor(ramp(1, 16)).to_device(0))[0, 15] == 8


def test_statistics(session):
    assert session.stats()["executions"] == 0
    session.record()
    for _ in range(5):
        session(ramp(1, 16))
    stats = session.stats()
    assert stats["executions"] == 5 and 0 < stats["min_ms"] <= stats["max_ms"] <= stats["compute_ms"]
    intervals = session.intervals()
    assert len(intervals) == 5 and all(0 <= start <= end for start, end in intervals)
    assert sorted(intervals) == intervals
    session.reset_stats()
    assert session.stats()["executions"] == 0 and session.intervals() == []


def test_engine_options_reach_the_engine(relu):
    with pytest.raises(aispipe.Error, match="NO_SUCH_OPTION"):
        aispipe.Session(relu, engine_options={"NO_SUCH_OPTION": 1})
    with aispipe.Session(relu, engine_options={"NUM_STREAMS": 1}) as session:
        assert session(ramp(1, 16))[0, 15] == 8


def test_pipelines_stay_on_the_cores_of_the_session(relu):
    core = max(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    seen = {}
    with aispipe.Session(relu, affinity=str(core)) as session:
        for _ in aispipe.Pipeline(session, inflight=2, capacity=1).map(ramp(1, 16) for _ in range(50)):
            for task in Path("/proc/self/task").iterdir():
                try:
                    name = (task / "comm").read_text().strip()
                    if name.startswith("aispipe-"):
                        seen.setdefault(name, []).append(os.sched_getaffinity(int(task.name)))
                except (FileNotFoundError, ProcessLookupError):
                    pass
    # During an execution OpenVINO moves its thread to where the process's other threads may be, too.
    assert {core} in seen.pop("aispipe-comp0")
    assert {"aispipe-load0", "aispipe-h2d0", "aispipe-d2h0", "aispipe-save0"} <= set(seen)
    assert all(cores == {core} for found in seen.values() for cores in found), seen
    assert os.sched_getaffinity(0) == before, "the caller's thread was left on the session's cores"
    for wrong in ("", "x", "8191", f"{core};{core}"):
        with pytest.raises(ValueError, match="affinity '"):
            aispipe.Session(relu, affinity=wrong)
    assert os.sched_getaffinity(0) == before


def test_errors_say_what_is_wrong(tmp_path, relu):
    with pytest.raises(RuntimeError, match="missing.onnx"):
        aispipe.Session(tmp_path / "missing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(aispipe.Error, match="broken.onnx") as caught:
        aispipe.Session(tmp_path / "broken.onnx")
    assert caught.value.code < 0
    with pytest.raises(ValueError, match="backend"):
        aispipe.Session(relu, backend="abacus")
    with pytest.raises(ValueError, match="threads"):
        aispipe.Session(relu, threads=0)
    with pytest.raises(TypeError):
        aispipe.Session(3)


def test_messages_of_the_library_go_to_logging(relu, caplog):
    with caplog.at_level(logging.DEBUG, "aispipe"):
        aispipe.Session(relu).close()
    assert any(record.name == "aispipe" for record in caplog.records)


def test_closed_session(relu):
    session = aispipe.Session(relu)
    assert not session.closed
    session.close()
    session.close()
    assert session.closed and "closed" in repr(session)
    for use in (lambda: session(ramp(1, 16)), lambda: session.inputs, session.stats, lambda: session.set_shape(batch=1),
                lambda: session.run({"x": ramp(1, 16)}), lambda: list(aispipe.Pipeline(session).map([1]))):
        with pytest.raises(aispipe.ClosedError, match="closed"):
            use()


def test_dropped_session_goes(relu):
    session = aispipe.Session(relu)
    session.myself = session  # a cycle
    alive = weakref.ref(session)
    del session
    gc.collect()
    assert alive() is None


def test_no_pickle(session):
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(session)


def test_threads_share_a_session(relu):
    session = aispipe.Session(relu, threads=2)
    wrong = []

    def work(number):
        x = numpy.full((1, 16), number, "float32")
        for step in range(300):
            x[0, 0] = step
            y = session(x)
            if y[0, 0] != step or y[0, 1] != number:
                wrong.append((number, step, y))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert session.stats()["executions"] == 2400


def test_close_while_threads_call(relu):
    session = aispipe.Session(relu)
    ended = []

    def work():
        try:
            while True:
                session(ramp(1, 16))
        except aispipe.ClosedError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while session.stats()["executions"] < 50:
        pass
    session.close()
    for thread in threads:
        thread.join(20)
    assert len(ended) == 4
