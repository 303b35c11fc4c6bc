# SPDX-License-Identifier: MIT
"""MultiDeviceSession: threads of one process, results in order, and a device that fails."""

from compat import (  # noqa: F401
    DEVICES, close, each_engine, each_mode, loop, made, model, no_complaints, nothing_left, pairs, shapes, wanted,
)

import threading

import numpy as np
import pytest
from ais_bench.infer.interface import MultiDeviceSession


def feeds_of(mode, spread=(2, 1)):
    shape = shapes(mode)[0]
    return {device: [made(shape, 10 * device + k) for k in range(n)] for device, n in zip((1, 0), spread)}


@each_engine
@each_mode
def test_infer(engine, mode):
    session = MultiDeviceSession(model(engine, mode))
    feeds = feeds_of(mode)
    outputs = session.infer(feeds, mode)
    assert list(outputs) == [1, 0]
    for device, entries in feeds.items():
        for got, entry in pairs(outputs[device], entries):
            close(got, wanted(mode, entry))
    times = session.summary()
    assert type(times) is dict and list(times) == [1, 0]
    assert [len(times[1]), len(times[0])] == [2, 1] and all(t > 0 for t in times[1] + times[0])
    assert session.summary == times and session.summary[1] == times[1] and list(session.summary.items())


@each_engine
@each_mode
def test_infer_pipeline(engine, mode):
    session = MultiDeviceSession(model(engine, mode), loop=2)
    shape = shapes(mode)[0]
    feeds = {0: [[made(shape, k) for k in range(3)], [made(shape, 9)]], 1: [[made(shape, 5)] * 2]}
    outputs = session.infer_pipeline(feeds, mode)
    for device, entries in feeds.items():
        for results, sets in pairs(outputs[device], entries):
            for got, entry in pairs(results, sets):
                close(got, wanted(mode, entry))


@each_engine
@each_mode
def test_infer_iteration(engine, mode):
    session = MultiDeviceSession(model(engine, mode))
    feeds = feeds_of(mode)
    outputs = session.infer_iteration(feeds, [0, -1], 4, mode)
    for device, entries in feeds.items():
        for got, entry in pairs(outputs[device], entries):
            close(got, loop(*entry, [0, -1], 4))


@each_engine
def test_one_fails(engine):
    session = MultiDeviceSession(model(engine, "static"))
    good = made((2, 6))
    for wrong in ([good[0]], [good[0], np.zeros(3)], [good[0], "w"], None):
        with pytest.raises(RuntimeError, match="device 1"):
            session.infer({0: [good, good], 1: [wrong], })
    close(session.infer({0: [good]})[0][0], wanted("static", good))
    assert threading.active_count() == 1
    for wrong in (None, [good], {0: good[0]}, {0: None}, {300: [good]}, {-1: [good]}, {"0": [good]}, {None: [good]}):
        with pytest.raises(RuntimeError):
            session.infer(wrong)
    assert session.infer({}) == {} and session.summary() == {}
    assert session.infer({0: []}) == {0: []} and session.summary() == {0: []}
    if engine == "acl":
        with pytest.raises(RuntimeError, match=f"device {DEVICES}"):
            session.infer({0: [good], DEVICES: [good]})


def test_nothing_is_loaded_before_a_call():
    session = MultiDeviceSession("/no/such/model.onnx", None, False, 1)
    assert (session.model_path, session.acl_json_path, session.debug, session.loop) == ("/no/such/model.onnx", None, False, 1)
    assert session.summary() == {}
    with pytest.raises(RuntimeError, match="/no/such/model.onnx"):
        session.infer({0: [[]]})
