# SPDX-License-Identifier: MIT
"""aispipe.Tensor: memory that NumPy, DLPack and the buffer protocol share."""

import gc
import weakref

import numpy
import pytest
from aispipe import _native

import aispipe

CODES = {"float32": 0, "float16": 1, "int8": 2, "int32": 3, "uint8": 4, "int16": 6, "uint16": 7, "uint32": 8,
         "int64": 9, "uint64": 10, "float64": 11, "bool": 12}


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_round_trip(dtype, shape):
    array = numpy.arange(numpy.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    tensor = aispipe.Tensor(array)
    assert tensor.shape == shape and tensor.dtype == array.dtype and tensor.dtype_code == CODES[dtype]
    assert tensor.nbytes == array.nbytes and tensor.device == -1
    for back in (tensor.numpy(), numpy.asarray(tensor), numpy.array(memoryview(tensor)), numpy.from_dlpack(tensor)):
        assert back.dtype == array.dtype and back.shape == shape
        numpy.testing.assert_array_equal(back, array)


def test_what_a_tensor_is_made_from():
    array = numpy.arange(6, dtype="int16").reshape(2, 3)
    assert aispipe.Tensor(array.T).numpy().tolist() == array.T.tolist()
    assert aispipe.Tensor(b"abc").shape == (3,)
    assert aispipe.Tensor(numpy.float32(2.5)).numpy() == 2.5
    assert aispipe.Tensor(memoryview(array)).dtype == "int16"
    assert aispipe.Tensor(array[::-1]).numpy().tolist() == array[::-1].tolist()
    assert aispipe.Tensor(aispipe.Tensor(array)).numpy().tolist() == array.tolist()

    class Interface:
        __array_interface__ = array.__array_interface__

    class Converts:
        def __array__(self, dtype=None, copy=None):
            return array

    assert aispipe.Tensor(Interface()).numpy().tolist() == array.tolist()
    assert aispipe.Tensor(Converts()).numpy().tolist() == array.tolist()
    for bad in (None, 3, "text", [1, 2], array.astype(object), array.astype("complex64"), array.astype("M8[s]"),
                array.astype("S4"), numpy.zeros(2, [("a", "i4"), ("b", "f4")]), numpy.zeros(2, "longdouble")):
        with pytest.raises(TypeError):
            aispipe.Tensor(bad)


def test_copy_and_borrow():
    array = numpy.arange(4, dtype="float32")
    copy, borrowed = aispipe.Tensor(array), aispipe.Tensor(array, copy=False)
    array[0] = 9
    assert copy.numpy()[0] == 0 and borrowed.numpy()[0] == 9
    assert borrowed.address == array.ctypes.data
    alive = weakref.ref(array)
    del array
    gc.collect()
    assert alive() is not None and borrowed.numpy().tolist() == [9, 1, 2, 3]
    del borrowed
    gc.collect()
    assert alive() is None


def test_memory_lives_as_long_as_the_array():
    tensor = aispipe.Tensor(numpy.arange(1000.0))
    views = [tensor.numpy()[500:], numpy.asarray(tensor)[500:], numpy.from_dlpack(tensor)[500:],
             numpy.frombuffer(tensor)[500:]]
    del tensor
    gc.collect()
    for _ in range(10):
        aispipe.Tensor(numpy.zeros(1000))
    assert all(view[0] == 500 for view in views)


def test_free():
    tensor = aispipe.Tensor(numpy.arange(3))
    array = tensor.numpy()
    tensor.free()
    tensor.free()
    assert array.tolist() == [0, 1, 2] and "freed" in repr(tensor)
    for use in (tensor.numpy, tensor.to_host, lambda: tensor.shape, lambda: tensor.to_device(0),
                lambda: tensor.__dlpack__(), lambda: aispipe.Tensor(tensor), lambda: tensor.view(0, (3,))):
        with pytest.raises(aispipe.ClosedError, match="freed"):
            use()
    with pytest.raises((aispipe.ClosedError, TypeError)):
        memoryview(tensor)
    looked_at = aispipe.Tensor(numpy.arange(3))
    view = memoryview(looked_at)
    with pytest.raises(BufferError, match="freed"):
        looked_at.free()
    assert view[2] == 2


def test_views_and_classes():
    class Own(aispipe.Tensor):
        pass

    tensor = Own(numpy.arange(6, dtype="int32"))
    view = tensor.view(CODES["int16"], (3, 4))
    assert type(view) is Own and view.shape == (3, 4) and view.address == tensor.address
    with pytest.raises(ValueError):
        tensor.view(CODES["int16"], (3, 5))
    with pytest.raises(TypeError, match="99"):
        tensor.view(99, (3,))
    assert type(tensor.to_device(0).to_host()) is Own
    empty = Own.empty(CODES["float32"], [2, 2])
    assert type(empty) is Own and empty.nbytes == 16
    for shape in ([-1], [2 ** 62, 2 ** 62], [1] * 40):
        with pytest.raises((ValueError, RuntimeError)):
            Own.empty(0, shape)


def test_borrowed_address():
    array = numpy.arange(5, dtype="uint8")
    tensor = aispipe.Tensor.borrow(array.ctypes.data, 5, array)
    array[4] = 77
    assert tensor.numpy().tolist() == [0, 1, 2, 3, 77]
    with pytest.raises(ValueError):
        aispipe.Tensor.borrow(0, 5)
    with pytest.raises(ValueError):
        aispipe.Tensor.borrow(array.ctypes.data, -5)


def test_there_and_back():
    tensor = aispipe.Tensor(numpy.arange(3, dtype="float32"))
    there = tensor.to_device(0)
    assert there.device == 0 and there.to_host().device == -1
    assert there.to_host().numpy().tolist() == [0, 1, 2]
    assert there.to_device(0).device == 0
    with pytest.raises(aispipe.Error):
        tensor.to_device(-7)
    with pytest.raises(aispipe.Error):
        tensor.to_device(0, "abacus")


def test_bfloat16():
    bits = numpy.array([0x3F80, 0x4040], "uint16")  # 1, 3
    tensor = aispipe.Tensor(bits).view(27, (2,))
    assert tensor.dtype == "V2" and repr(tensor) == "<aispipe.Tensor bfloat16 (2,) on the host>"
    assert tensor.numpy().view("uint16").tolist() == bits.tolist()
    assert aispipe.Tensor(tensor.numpy()).dtype_code == 27
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = numpy.array([1, 3], ml_dtypes.bfloat16)
    assert aispipe.Tensor(array).dtype_code == 27
    assert aispipe.Tensor(array).numpy().view("uint16").tolist() == bits.tolist()
    assert aispipe.Tensor(array[::-1]).numpy().view("uint16").tolist() == bits[::-1].tolist()


class Foreign:
    """What torch looks like to us: DLPack and nothing else."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.at = array, device
        self.device = "cuda:0" if device[0] == 2 else "cpu"
        self.asked = 0

    def __dlpack_device__(self):
        return self.at

    def __dlpack__(self, **_):
        self.asked += 1
        return self.array.__dlpack__()


def test_tensors_of_other_packages():
    array = numpy.arange(24, dtype="float32").reshape(2, 3, 4)
    for view in (array, array.transpose(2, 0, 1), array[:, ::2], array[::-1], array[:, :0], array[0, 0, 0:1]):
        assert aispipe.Tensor(Foreign(view)).numpy().tolist() == view.tolist()
        assert aispipe.Tensor(Foreign(view), copy=False).numpy().tolist() == view.tolist()
    with pytest.raises(ValueError, match=r"device cuda:0.*\.cpu\(\)"):
        aispipe.Tensor(Foreign(array, (2, 0)))
    with pytest.raises(TypeError, match="complex"):
        aispipe.Tensor(Foreign(array.astype("complex64")))


def test_torch():
    torch = pytest.importorskip("torch")
    values = torch.arange(6).reshape(2, 3)
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool):
        tensor = aispipe.Tensor(values.to(dtype).T)
        assert tensor.shape == (3, 2)
    assert aispipe.Tensor(values.float().requires_grad_()).numpy().tolist() == values.tolist()


def test_transfers_are_timed():
    _native.transfers_record(True)
    try:
        _native.transfers_reset()
        aispipe.Tensor(numpy.arange(3)).to_device(0).to_host()
        assert all(time >= 0 for time in _native.transfers(_native.H2D) + _native.transfers(_native.D2H))
        _native.transfers_reset()
        assert _native.transfers(_native.H2D) == []
        with pytest.raises(ValueError):
            _native.transfers(5)
    finally:
        _native.transfers_record(False)
