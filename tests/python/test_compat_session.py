# SPDX-License-Identifier: MIT
"""InferSession: every way of executing, in every mode, on both engines, against ONNX Runtime and numpy."""

from compat import (  # noqa: F401
    close, each_engine, each_mode, loop, made, model, models, no_complaints, nothing_left, opened, pairs, reference,
    set_shape, shapes, static_model, wanted,
)

import aclruntime
import numpy as np
import pytest
from ais_bench.infer.interface import MemorySummary


@each_engine
@each_mode
def test_infer(opened, engine, mode):
    session = opened(engine, mode)
    for seed, shape in enumerate(shapes(mode) + shapes(mode)[::-1]):
        feeds = made(shape, seed)
        outputs = session.infer(feeds, mode)
        assert all(type(o) is np.ndarray and o.shape == shape for o in outputs)
        close(outputs, wanted(mode, feeds))


@each_engine
@each_mode
def test_device_tensors_come_out_and_go_in(opened, engine, mode):
    session = opened(engine, mode)
    feeds = made(shapes(mode)[-1])
    first = session.infer(feeds, mode, out_array=False)
    assert all(type(t) is aclruntime.Tensor and t.device == 0 for t in first)
    second = session.infer(first, mode, 100000, False)
    want = wanted(mode, wanted(mode, feeds))
    assert session.convert_tensors_to_host(second) is second and all(t.device == -1 for t in second)
    close(session.convert_tensors_to_arrays(second), want)
    close(session.infer([first[0], feeds[1]], mode), wanted(mode, [wanted(mode, feeds)[0], feeds[1]]))
    with pytest.raises(RuntimeError, match="on device 0"):
        session.convert_tensors_to_arrays(first)


@each_engine
@each_mode
def test_run_in_the_shape_that_is_set(opened, engine, mode):
    session = opened(engine, mode)
    for shape in shapes(mode):
        feeds = made(shape)
        set_shape(session, mode, shape)
        assert [d.realsize for d in session.get_inputs()] == [feeds[0].nbytes] * 2
        close(session.run(feeds, out_array=True), wanted(mode, feeds))
        tensors = [session.create_tensor_from_arrays_to_device(f) for f in feeds]
        assert [t.device for t in tensors] == [0, 0]
        outputs = session.run(tensors)
        assert [type(o) for o in outputs] == [aclruntime.Tensor] * 2 and outputs[0].device == 0
        session.convert_tensors_to_host(outputs)
        close(session.convert_tensors_to_arrays(outputs), wanted(mode, feeds))


@each_engine
@each_mode
def test_infer_pipeline(opened, engine, mode):
    session = opened(engine, mode)
    shape = shapes(mode)[0]
    sets = [made(shape, seed) for seed in range(20)]
    for got, feeds in pairs(session.infer_pipeline(sets, mode), sets):
        close(got, wanted(mode, feeds))
    assert session.infer_pipeline([], mode) == []
    assert len(session.summary().exec_time_list) == 20


@each_engine
@pytest.mark.parametrize("mode", ["dymbatch", "dymhw", "dymdims", "dymshape"])
def test_infer_pipeline_of_several_shapes(opened, engine, mode):
    session = opened(engine, mode)
    sets = [made(shapes(mode)[k % 2], k) for k in range(6)]
    if mode in ("dymbatch", "dymhw"):
        with pytest.raises(RuntimeError, match="differ in shape"):
            session.infer_pipeline(sets, mode)
        return
    for got, feeds in pairs(session.infer_pipeline(sets, mode), sets):
        close(got, wanted(mode, feeds))


@each_engine
@each_mode
@pytest.mark.parametrize("sources", [[0, -1], [1, 0], [-1, 1], [-1, -1]])
def test_infer_iteration(opened, engine, mode, sources):
    session = opened(engine, mode)
    x, w = made(shapes(mode)[-1])
    for times in (1, 2, 3, 8):
        for copies in (True, False):
            outputs = session.infer_iteration([x, w], sources, times, mode, mem_copy=copies)
            close(outputs, loop(x, w, sources, times))


@each_engine
def test_a_thousand_iterations(opened, engine):
    x, w = made((2, 6))
    for sources in ([0, -1], [1, 0]):
        outputs = opened(engine).infer_iteration([x, w], sources, 1000)
        close(outputs, loop(x, w, sources, 1000))


@each_engine
@each_mode
def test_inner_runs(opened, engine, mode):
    session = opened(engine, mode)
    x, w = made(shapes(mode)[0])
    assert session.first_inner_run([x, w], mode) == []
    assert session.inner_run([0, -1]) == []
    outputs = session.inner_run([0, -1], get_outputs=True, mem_copy=False)
    assert [t.device for t in outputs] == [0, 0]
    session.convert_tensors_to_host(outputs)  # the session's own stay where they are
    close(session.convert_tensors_to_arrays(outputs), loop(x, w, [0, -1], 3))
    MemorySummary.reset()
    outputs = session.inner_run([1, 0], True)
    assert MemorySummary.get_h2d_time_list() == [], "what was returned moved the session's own"
    session.convert_tensors_to_host(outputs)
    inputs = [loop(x, w, [0, -1], 3)[k] for k in (1, 0)]
    close(session.convert_tensors_to_arrays(outputs), loop(*inputs, [], 1))


@each_engine
def test_wrong_in_out_lists(opened, engine):
    session = opened(engine)
    x, w = made((2, 6))
    for sources in (None, [], [0], [0, 1, 0]):
        with pytest.raises(RuntimeError, match="in_out_list"):
            session.infer_iteration([x, w], sources, 3)
    for sources in ([0, 2], [-2, 0], [0, "y"], [0, None], "01", 7):
        with pytest.raises(RuntimeError, match="in_out_list"):
            session.infer_iteration([x, w], sources, 3)
    for times in (0, -1, 1.5, "2", None, True):
        with pytest.raises(RuntimeError, match="iteration_times"):
            session.infer_iteration([x, w], [0, -1], times)
    with pytest.raises(RuntimeError, match="first_inner_run"):
        session.inner_run([0, -1])


@each_engine
@each_mode
def test_descriptions(opened, engine, mode):
    session = opened(engine, mode)
    fixed = mode == "static"
    for desc, name in pairs(session.get_inputs(), "xw"):
        assert (desc.name, desc.datatype) == (name, aclruntime.dtype.float32)
        assert isinstance(desc.shape, list) and isinstance(desc.format, int)
        assert desc.shape == [2, 6] if fixed else -1 in desc.shape
        assert desc.realsize == (48 if fixed else desc.realsize)
    assert [d.name.split(":")[-1] for d in session.get_outputs()] == ["y", "z"]
    assert session.outputs_names == [d.name for d in session.outtensors_desc]
    assert session.intensors_desc[0].name == "x"
    most = session.get_max_dym_batchsize()
    assert most == (4 if (engine, mode) == ("acl", "dymbatch") else 0)
    lines = str(session.session).splitlines()
    assert lines[:3] == ["<Model>", "device:\t0", "input:"]
    if fixed:
        assert lines[3:6] == ["  #0    x  (2, 6)  float32  48  48", "  #1    w  (2, 6)  float32  48  48", "output:"]


@each_engine
def test_attributes(opened, engine):
    path = model(engine, "static")
    session = opened(engine, path=path, loop=3)
    assert (session.device_id, session.model_path, session.loop) == (0, path, 3)
    assert (session.acl_json_path, session.debug) == (None, False)
    assert session.options.loop == 3 and session.session.options() is session.options
    session.infer(made((2, 6)))
    assert len(session.summary().exec_time_list) == 3
    assert session.set_loop_count(1) == 0
    session.infer(made((2, 6)))
    assert len(session.sumary().exec_time_list) == 4
    assert session.reset_summaryinfo() == 0 and session.summary().exec_time_list == []
    for loop_count in (0, -1, 1.5, None, "3"):
        with pytest.raises(RuntimeError, match="loop"):
            session.set_loop_count(loop_count)


@each_engine
def test_times(opened, engine):
    session = opened(engine)
    for _ in range(10):
        session.infer(made((2, 6)))
    times = session.summary().exec_time_list
    assert len(times) == 10
    assert all(isinstance(start, float) and 0 <= start <= end for start, end in times)
    assert times == sorted(times) and times[-1][1] - times[0][0] < 60000


@each_engine
@pytest.mark.parametrize("sizes", [100000, [4096, 8192], (4096, 8192), np.int64(4096)])
def test_custom_sizes(opened, engine, sizes):
    session = opened(engine, "dymshape")
    feeds = made((3, 5))
    close(session.infer(feeds, "dymshape", sizes), wanted("dymshape", feeds))


@each_engine
def test_wrong_custom_sizes(opened, engine):
    session = opened(engine, "dymshape")
    for sizes in ([4096], [4096] * 3, "4096", 4096.0, None, [4096, "1"], [4096, -1]):
        with pytest.raises(RuntimeError, match="custom_sizes"):
            session.infer(made((3, 5)), "dymshape", sizes)


@each_engine
def test_wrong_modes(opened, engine):
    session = opened(engine)
    feeds = made((2, 6))
    for mode in ("dynamic", "", None, 3, "STATIC"):
        with pytest.raises(RuntimeError, match="static.*dymbatch.*dymhw.*dymdims.*dymshape"):
            session.infer(feeds, mode)
    for mode in ("dymbatch", "dymhw"):
        with pytest.raises(RuntimeError, match=mode):
            session.infer(feeds, mode)
    close(session.infer(feeds), wanted("static", feeds))


@each_engine
def test_static_is_no_mode_of_a_dynamic_model(opened, engine):
    session = opened(engine, "dymbatch")
    with pytest.raises(RuntimeError):
        session.infer(made((2, 6)))
    close(session.infer(made((2, 6)), "dymbatch"), wanted("dymbatch", made((2, 6))))


@each_engine
def test_dymbatch_refuses_what_does_not_agree(opened, engine):
    session = opened(engine, "dymbatch")
    x, w = made((2, 6))
    with pytest.raises(RuntimeError, match="4, 2 is wanted"):
        session.infer([x, made((4, 6))[1]], "dymbatch")
    with pytest.raises(RuntimeError, match="5, 6 is wanted"):
        session.infer([made((2, 5))[0], w], "dymbatch")
    with pytest.raises(RuntimeError, match="2 inputs"):
        session.infer([x], "dymbatch")
    if engine == "acl":
        with pytest.raises(RuntimeError):
            session.infer(made((3, 6)), "dymbatch")
    close(session.infer([x, w], "dymbatch"), wanted("dymbatch", [x, w]))


@each_engine
def test_set_calls_refuse(opened, engine):
    session = opened(engine, "dymshape")
    for call in (
        lambda: session.set_dynamic_batchsize(0), lambda: session.set_dynamic_batchsize("2"),
        lambda: session.set_dynamic_hw(0, 3), lambda: session.set_dynamic_hw(3, None),
        lambda: session.set_dynamic_dims(7), lambda: session.set_dynamic_shape("nonsense"),
        lambda: session.set_dynamic_shape("x:2,3"), lambda: session.set_dynamic_shape("q:2,3;w:2,3"),
        lambda: session.set_custom_outsize([1, 2, 3]), lambda: session.set_custom_outsize("12"),
        lambda: session.set_custom_outsize([-1, 5]), lambda: session.set_staticbatch(),
    ):
        with pytest.raises(RuntimeError):
            call()


@each_engine
def test_files_of_a_tensor(opened, engine, tmp_path):
    session = opened(engine)
    x, w = made((2, 6))
    np.save(tmp_path / "a.npy", np.asfortranarray(x[:1]))
    x[1:].tofile(tmp_path / "b.bin")
    desc = session.get_inputs()[0]
    tensor = session.create_tensor_from_fileslist(desc, [str(tmp_path / "a.npy"), str(tmp_path / "b.bin")])
    assert (tensor.device, tensor.shape, tensor.dtype) == (0, [2, 6], aclruntime.dtype.float32)
    outputs = session.run([tensor, aclruntime.Tensor(w)], True)
    close(outputs, wanted("static", [x, w]))
    for files, text in ((["a.npy"], "48 bytes, but .*a.npy' has 24"), (["a.npy"] * 3, "have 72"), (["none.npy"], "none"),
                        ([], "empty"), (["b.txt"], "b.txt")):
        with pytest.raises(RuntimeError, match=text):
            session.create_tensor_from_fileslist(desc, [str(tmp_path / f) for f in files])
    with pytest.raises(RuntimeError):
        session.create_tensor_from_fileslist("x", [str(tmp_path / "b.bin")])


@each_engine
def test_scalars_of_every_type(opened, engine):
    session = opened(engine, path=static_model(engine, models.scalars))
    got = session.infer([np.float32(1.5), np.int64(-7)])
    close(got, [np.asarray(3.0, np.float32), np.asarray(-14, np.int64)])
    same_bytes = [np.int32, np.uint32, np.float32], [np.int64, np.uint64, np.float64]
    for four in same_bytes[0]:
        for eight in same_bytes[1]:
            session.infer([four(1), eight(0)])
    for wrong in (np.int8(1), np.uint8(1), np.int16(1), np.uint16(1), np.float16(1), np.bool_(1), np.float64(1)):
        with pytest.raises(RuntimeError, match="4"):
            session.infer([wrong, np.int64(1)])


@each_engine
@pytest.mark.parametrize("case", models.ALL, ids=lambda case: case.__name__)
def test_every_type(opened, engine, case):
    if engine == "acl" and case is models.empty_leading:
        pytest.skip("simatc refuses models without elements")
    made_case = case()
    session = opened(engine, path=static_model(engine, case))
    generator = np.random.default_rng(3)
    for _ in range(2):
        feeds = [made_case._values(generator, t) for t in made_case.inputs]
        feeds = [np.resize(f, t.shape).astype(t.dtype) for f, t in zip(feeds, made_case.inputs)]
        want = reference(made_case.save(tmp(case)), feeds)
        for got, expected in pairs(session.infer(feeds), want):
            assert got.dtype == expected.dtype and got.shape == expected.shape
            tolerance = 2e-3 if got.dtype == np.float16 else 1e-5
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    session.infer([np.frombuffer(bytearray(d.realsize), np.uint8) for d in session.get_inputs()])


def tmp(case):
    from compat import HOME

    directory = HOME / "reference"
    directory.mkdir(exist_ok=True)
    return directory
