# SPDX-License-Identifier: MIT
"""What may be fed, what may not, and that tensors mind where they are."""

from compat import (  # noqa: F401
    close, each_engine, made, no_complaints, nothing_left, opened, save, wanted,
)

import ctypes
import gc
import weakref

import aclruntime
import models
import numpy as np
import pytest


class TorchLike:
    """As much of a torch tensor as this machine, which has no torch, can check against: memory, and what it is."""

    def __init__(self, array, dtype, device="cpu", shape=None, contiguous=True):
        self.array = array
        self.dtype = f"torch.{dtype}"
        self.device = device
        self.shape = array.shape if shape is None else shape
        self._contiguous = contiguous

    def data_ptr(self):
        assert self._contiguous, "the memory of a view has gaps"
        return self.array.ctypes.data

    def element_size(self):
        return self.array.itemsize

    def is_contiguous(self):
        return self._contiguous

    def contiguous(self):
        return self if self._contiguous else TorchLike(np.ascontiguousarray(self.array), self.dtype[6:], self.device)

    def numpy(self):
        raise TypeError(f"Got unsupported ScalarType {self.dtype}")


@each_engine
def test_bytes_decide(opened, engine):
    session = opened(engine)
    x, w = made((2, 6))
    want = wanted("static", [x, w])
    for same in (
        x.reshape(12), x.reshape(3, 4), x.view(np.uint8), x.view(np.int32), x.view(np.float16), x.view(np.complex64).view(np.int64),
        np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1].copy()[::-1], x.astype(">f4"), x.view(np.matrix),
        np.frombuffer(bytearray(x.tobytes()), np.uint8), np.frombuffer(x.tobytes(), np.float32), aclruntime.Tensor(x),
        aclruntime.Tensor(x).to_device(0), aclruntime.BaseTensor(x.ctypes.data, x.nbytes), np.ma.asarray(x),
    ):
        close(session.infer([same, w]), want)
        close(session.infer((same, w)), want)
        close(session.run([same, w], True), want)
    read_only = x.copy()
    read_only.flags.writeable = False
    close(session.infer([read_only, w]), want)
    close(session.infer(iter([x, w])), want)
    unaligned = np.frombuffer(bytearray(1 + x.nbytes), np.uint8)[1:]
    unaligned[...] = x.view(np.uint8).reshape(-1)
    close(session.infer([unaligned, w]), want)


@each_engine
@pytest.mark.parametrize("kind", ["float32", "int32", "uint8", "bfloat16", "bool", "int64", "float16"])
def test_torch_tensors(opened, engine, kind):
    session = opened(engine)
    x, w = made((2, 6))
    raw_bytes = x.view({"bfloat16": np.uint16, "bool": np.uint8}.get(kind, kind))
    close(session.infer([TorchLike(raw_bytes, kind), w]), wanted("static", [x, w]))
    spread = np.repeat(raw_bytes, 2, axis=1)[:, ::2]
    close(session.infer([TorchLike(spread, kind, contiguous=False), w]), wanted("static", [x, w]))
    with pytest.raises(RuntimeError, match="cuda:0"):
        session.infer([TorchLike(raw_bytes, kind, "cuda:0"), w])
    with pytest.raises(RuntimeError, match="complex64"):
        session.infer([TorchLike(x, "complex64"), w])


@each_engine
@pytest.mark.parametrize("mode", ["dymbatch", "dymhw", "dymdims", "dymshape"])
def test_torch_tensors_bring_their_shape(opened, engine, mode):
    session = opened(engine, mode)
    shape = {"dymbatch": (4, 6), "dymhw": (1, 3, 6, 10), "dymdims": (3, 5), "dymshape": (3, 5)}[mode]
    x, w = made(shape)
    close(session.infer([TorchLike(x, "float32"), w], mode), wanted(mode, [x, w]))


@each_engine
def test_anything_with_dlpack(opened, engine):
    class Pack:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def __dlpack__(self, **how):
            return self.array.__dlpack__(**how)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    session = opened(engine)
    x, w = made((2, 6))
    close(session.infer([Pack(x), w]), wanted("static", [x, w]))


@each_engine
def test_anything_with_numpy(opened, engine):
    class Eager:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def numpy(self):
            return self.array

    session = opened(engine)
    x, w = made((2, 6))
    close(session.infer([Eager(x), w]), wanted("static", [x, w]))
    with pytest.raises(RuntimeError):
        session.infer([Eager(np.array([None])), w])


@each_engine
def test_unknown_types(opened, engine):
    session = opened(engine)
    _, w = made((2, 6))
    for feed in ([1.0] * 12, (1,), "x", b"0" * 48, bytearray(48), 1, 1.5, None, object(), {}, memoryview(b"0" * 48), int):
        for call in (session.infer, session.run, lambda f: session.infer_iteration(f, [0, -1], 3)):
            with pytest.raises(RuntimeError, match="type:.*invalid"):
                call([feed, w])
    assert str(pytest.raises(RuntimeError, session.infer, [[1], w]).value) == "type:<class 'list'> invalid"


@each_engine
def test_arrays_that_are_no_numbers(opened, engine):
    session = opened(engine)
    x, w = made((2, 6))
    for feed in (
        np.array([None] * 6), np.array(["a" * 3] * 4), np.zeros(6, np.complex64), np.zeros(3, np.complex128),
        np.zeros(6, "M8[s]"), np.zeros(6, "m8[s]"), np.zeros(6, [("a", "i4"), ("b", "f4")]), np.str_("abcdefghijkl"),
        np.datetime64("2020"), np.bytes_(b"0" * 48), np.complex64(1),
    ):
        for call in (session.infer, lambda f: session.infer(f, "static", 100000, False), session.run):
            with pytest.raises(RuntimeError):
                call([feed, w])
        with pytest.raises(RuntimeError):
            aclruntime.Tensor(feed)
    close(session.infer([x, w]), wanted("static", [x, w]))


@each_engine
def test_sizes_and_numbers(opened, engine):
    session = opened(engine)
    x, w = made((2, 6))
    for wrong in (x[:1], np.zeros(0, np.float32), np.zeros((2, 7), np.float32), np.float32(1), aclruntime.Tensor(x[:1])):
        with pytest.raises(RuntimeError, match=rf"48.*\b{wrong.nbytes}\b"):
            session.infer([wrong, w])
    for feeds in ([], [x], [x, w, w], [x] * 200):
        with pytest.raises(RuntimeError, match=rf"2 inputs.*{len(feeds)}"):
            session.infer(feeds)
        with pytest.raises(RuntimeError):
            session.run(feeds)
    for feeds in (None, 7, "xw", b"xw", object()):
        with pytest.raises(RuntimeError):
            session.infer(feeds)
    by_name = {"w": w, "x": x}
    close(session.run(by_name, True), wanted("static", [x, w]))
    with pytest.raises(RuntimeError, match="no input q"):
        session.run({"x": x, "q": w})
    with pytest.raises(RuntimeError, match="input w"):
        session.run({"x": x})


def test_a_result_stays_when_everything_else_goes(opened):
    session = opened("openvino")
    feeds = made((2, 6))
    outputs = session.infer(feeds)
    kept = [o.copy() for o in outputs]
    for seed in range(20):
        session.infer(made((2, 6), seed))
    session.free_resource()
    del session
    gc.collect()
    close(outputs, kept)


def test_every_scalar_type_has_a_tensor():
    for kind in "float32 float16 int8 int32 uint8 int16 uint16 uint32 int64 uint64 double bool".split():
        tensor = aclruntime.Tensor(np.ones((), "float64" if kind == "double" else kind))
        assert tensor.shape == [] and tensor.dtype is getattr(aclruntime, kind) and tensor.dtype.name == kind
        assert tensor.device == -1 and tensor.type is aclruntime.memory_host
        assert np.array(tensor).shape == () and np.array(tensor) == 1


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 4), np.int8), np.array(7, np.uint16),
                                   np.arange(12, dtype=np.int64)[::2], np.ones((2, 2), bool)])
def test_a_tensor_copies(array):
    tensor = aclruntime.Tensor(array)
    assert tensor.shape == list(array.shape) and isinstance(tensor.shape, list)
    view = np.array(tensor, copy=False)
    np.testing.assert_array_equal(view, array)
    assert view.dtype == array.dtype
    if array.size:
        before = array.flat[0]
        view.flat[0] = not before
        assert array.flat[0] == before, "the array was not copied"
        assert np.array(tensor).flat[0] == view.flat[0], "the buffer is not the tensor's own"
    assert memoryview(tensor).nbytes == array.nbytes


def test_buffers_of_other_kinds():
    for buffer in (b"abcd", bytearray(b"abcd"), memoryview(b"abcd"), (ctypes.c_uint8 * 4)(97, 98, 99, 100)):
        assert bytes(memoryview(aclruntime.Tensor(buffer)).cast("B")) == b"abcd"
    for wrong in ([1, 2], 7, "text", None, object(), {}):
        with pytest.raises(RuntimeError):
            aclruntime.Tensor(wrong)
    with pytest.raises(TypeError):
        aclruntime.Tensor()


@each_engine
def test_a_tensor_moves(opened, engine):
    opened(engine)
    x = made((2, 6))[0]
    tensor = aclruntime.Tensor(x)
    seen = np.asarray(tensor)
    assert str(tensor).splitlines() == ["<Tensor>", "shape:\t(2, 6)", "dtype:\tfloat32", "device:\t-1"]
    assert tensor.to_device(0) is tensor
    assert (tensor.device, tensor.type) == (0, aclruntime.memory_device)
    assert str(tensor).endswith("device:\t0")
    np.testing.assert_array_equal(seen, x)  # the memory that was there stays
    for look in (memoryview, np.array, np.asarray, bytes):
        with pytest.raises((RuntimeError, BufferError)):
            look(tensor)
    assert tensor.to_device(0) is tensor and tensor.to_host() is tensor
    assert (tensor.device, tensor.type) == (-1, aclruntime.memory_host)
    np.testing.assert_array_equal(np.array(tensor), x)
    assert tensor.to_dvpp(0).device == 0
    assert tensor.to_host().to_host().device == -1
    np.testing.assert_array_equal(np.array(tensor), x)
    for device in (-2, 4711, "0", None, 1.5):
        with pytest.raises(RuntimeError):
            tensor.to_device(device)
    np.testing.assert_array_equal(np.array(tensor), x)


@each_engine
def test_a_tensor_of_another_device(opened, engine):
    opened(engine, device=1)
    first = opened(engine)
    x, w = made((2, 6))
    there = aclruntime.Tensor(x).to_device(1)
    assert there.device == 1
    with pytest.raises(RuntimeError, match="device 1"):
        first.infer([there, w])
    there.to_device(0)
    assert there.device == 0
    close(first.infer([there, w]), wanted("static", [x, w]))


def test_batch():
    a, b = (aclruntime.Tensor(np.full((1, 3), k, np.int16)) for k in (1, 2))
    joined = aclruntime.batch([a, b])
    assert joined.shape == [2, 1, 3] and joined.dtype is aclruntime.int16
    assert np.array(joined).tolist() == [[[1, 1, 1]], [[2, 2, 2]]]
    joined = aclruntime.batch([a.to_device(0), b], keep_dims=True)
    assert joined.shape == [2, 3] and np.array(joined).tolist() == [[1, 1, 1], [2, 2, 2]] and a.device == 0
    scalar = aclruntime.Tensor(np.float32(3))
    assert np.array(aclruntime.batch([scalar, scalar])).tolist() == [3, 3]
    empty = aclruntime.Tensor(np.zeros((0, 2), np.int8))
    assert aclruntime.batch([empty, empty]).shape == [2, 0, 2]
    other = aclruntime.Tensor(np.zeros((1, 3), np.int8))
    for wrong in ([], [a, other], [a, scalar], a, [a, 1], None):
        with pytest.raises(RuntimeError):
            aclruntime.batch(wrong)
    with pytest.raises(RuntimeError):
        aclruntime.batch([scalar, scalar], True)


def test_base_tensors():
    x = made((2, 6))[0]
    base = aclruntime.BaseTensor(x.ctypes.data, x.nbytes)
    assert (base.buf, base.size) == (x.ctypes.data, 48)
    for wrong in ((0, 48), (-1, 4), (x.ctypes.data, -1), ("0", 4), (x.ctypes.data, None), (1.5, 2)):
        with pytest.raises(RuntimeError):
            aclruntime.BaseTensor(*wrong)


def test_tensors_are_freed():
    tensor = aclruntime.Tensor(np.zeros(1 << 20, np.uint8))
    seen, gone = np.asarray(tensor), weakref.ref(tensor)
    tensor.to_device(0)
    del tensor
    gc.collect()
    assert gone() is not None and seen.sum() == 0, "an array that looks at it keeps it"
    del seen
    gc.collect()
    assert gone() is None


def test_enumerations():
    numbers = dict(float32=0, float16=1, int8=2, int32=3, uint8=4, int16=6, uint16=7, uint32=8, int64=9, uint64=10,
                   double=11, bool=12)
    for name, value in numbers.items():
        member = getattr(aclruntime, name)
        assert member is getattr(aclruntime.dtype, name)
        assert (member.name, member.value, int(member), str(member)) == (name, value, value, f"dtype.{name}")
    for name, value in dict(memory_host=0, memory_device=1, memory_dvpp=2).items():
        assert getattr(aclruntime, name).value == value and str(getattr(aclruntime.type, name)) == f"type.{name}"


def test_a_model_of_half_precision(opened):
    path = save("narrow", [models.cast("x", "y", "float32")], [("x", [2, 3])], ["y"], dtype="float16", out_dtype="float32")
    session = opened("openvino", path=str(path))
    assert session.get_inputs()[0].datatype is aclruntime.float16
    half = np.arange(6, dtype=np.float16).reshape(2, 3)
    np.testing.assert_array_equal(session.infer([half])[0], half.astype(np.float32))
