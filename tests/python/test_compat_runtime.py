# SPDX-License-Identifier: MIT
"""aclruntime: sessions, their pipelines, options and statistics, on both engines, in every mode."""

from compat import (  # noqa: F401
    close, each_engine, each_mode, loop, made, model, no_complaints, nothing_left, pairs, opened, raw, set_shape,
    shapes, wanted,
)

import os
import stat

import aclruntime
import numpy as np
import pytest
from ais_bench.infer.interface import MemorySummary


def arrays(tensors):
    for tensor in tensors:
        tensor.to_host()
    return [np.array(t) for t in tensors]


@each_engine
@each_mode
def test_run(raw, engine, mode):
    session = raw(engine, mode)
    names = [d.name for d in session.get_outputs()]
    for shape in shapes(mode):
        set_shape(session, mode, shape)
        feeds = made(shape)
        want = wanted(mode, feeds)
        tensors = [aclruntime.Tensor(f) for f in feeds]
        outputs = session.run(names, tensors)
        assert [t.device for t in outputs] == [0, 0] and [t.shape for t in outputs] == [list(shape)] * 2
        close(arrays(outputs), want)
        close(arrays(session.run(names[::-1], {"w": tensors[1], "x": tensors[0]})), want[::-1])
        bases = [aclruntime.BaseTensor(f.ctypes.data, f.nbytes) for f in feeds]
        close(arrays(session.run(names[1:], bases)), want[1:])
        assert session.run([], tensors) == []


@each_engine
def test_wrong_arguments_of_run(raw, engine):
    session = raw(engine)
    names = [d.name for d in session.get_outputs()]
    tensors = [aclruntime.Tensor(f) for f in made((2, 6))]
    assert isinstance(pytest.raises(TypeError, session.run, None, tensors).value, RuntimeError)
    for wrong in ("y", [1], ["nothing"], [None], 3, names[0]):
        with pytest.raises(RuntimeError):
            session.run(wrong, tensors)
    for wrong in (tensors * 9, [], tensors[:1], None, [1, 2], {"x": tensors[0]}, "xw"):
        with pytest.raises(RuntimeError):
            session.run(names, wrong)
    close(arrays(session.run(names, tensors)), wanted("static", made((2, 6))))


@each_engine
@each_mode
def test_inner_run(raw, engine, mode):
    session = raw(engine, mode)
    shape = shapes(mode)[0]
    set_shape(session, mode, shape)
    x, w = made(shape)
    names = [d.name for d in session.get_outputs()]
    bases = [aclruntime.BaseTensor(f.ctypes.data, f.nbytes) for f in (x, w)]
    assert session.first_inner_run(names, bases) == []
    for _ in range(3):
        assert session.inner_run([0, -1], names, False, True) == []
    outputs = session.inner_run([0, -1], names[1:], True, False)
    close(arrays(outputs), loop(x, w, [0, -1], 5)[1:])


@each_engine
@each_mode
def test_run_pipeline_of_tensors(raw, engine, mode):
    session = raw(engine, mode)
    set_shape(session, mode, shapes(mode)[0])
    names = [d.name for d in session.get_outputs()]
    several = mode in ("dymdims", "dymshape")
    sets = [made(shapes(mode)[k % len(shapes(mode)) if several else 0], k) for k in range(9)]
    bases = [[aclruntime.BaseTensor(f.ctypes.data, f.nbytes) for f in feeds] for feeds in sets]
    sizes = [[f.shape for f in feeds] for feeds in sets]
    outputs = session.run_pipeline(names, bases, sizes, mode == "dymshape", mode == "dymdims")
    for got, feeds in pairs(outputs, sets):
        assert all(type(t) is aclruntime.Tensor and t.device == -1 for t in got)
        close([np.array(t) for t in got], wanted(mode, feeds))
    with pytest.raises(RuntimeError):
        session.run_pipeline(names, bases, sizes, True, True)
    with pytest.raises(RuntimeError, match="9.*3"):
        session.run_pipeline(names, bases, sizes[:3], True, False)


def write_sets(directory, mode, count, ending=".npy"):
    """Files of `count` samples; returns what was written, and their names."""
    several = mode in ("dymdims", "dymshape") and ending == ".npy"
    sets, files = [], []
    for k in range(count):
        sets.append(made(shapes(mode)[k % len(shapes(mode)) if several else 0], k))
        files.append([])
        for name, array in zip("xw", sets[-1]):
            path = directory / name / f"s{k}{ending}"
            path.parent.mkdir(exist_ok=True)
            np.save(path, array) if ending == ".npy" else array.tofile(path)
            files[-1].append(str(path))
    return sets, files


def read(path, want, how):
    if how == "NPY":
        return np.load(path)
    if how == "BIN":
        return np.fromfile(path, np.float32).reshape(want.shape)
    lines = path.read_text().splitlines()
    assert len(lines) == want.size // want.shape[-1] and all(line.endswith(" ") for line in lines)
    return np.array([line.split() for line in lines], np.float32).reshape(want.shape)


@each_engine
@each_mode
@pytest.mark.parametrize("how, ending, extra", [("NPY", ".npy", 0), ("BIN", ".bin", 2), ("TXT", ".npy", 1)])
def test_files_in_files_out(opened, engine, mode, how, ending, extra, tmp_path):
    sessions = [opened(engine, mode) for _ in range(1 + extra)]
    for session in sessions:
        set_shape(session, mode, shapes(mode)[0])
    sets, files = write_sets(tmp_path, mode, 7, ending)
    npy = ending == ".npy"
    done = sessions[0].run_pipeline(
        files, str(tmp_path / "out"), mode == "dymshape" and npy, mode == "dymdims" and npy, how, False, sessions[1:]
    )
    assert done is None
    found = sorted(os.listdir(tmp_path / "out"))
    assert found == sorted(f"s{k}_{i}.{how.lower()}" for k in range(7) for i in range(2))
    for k, feeds in enumerate(sets):
        for i, want in enumerate(wanted(mode, feeds)):
            path = tmp_path / "out" / f"s{k}_{i}.{how.lower()}"
            np.testing.assert_allclose(read(path, want, how), want, rtol=1e-5, atol=2e-6)
    assert stat.S_IMODE(os.stat(tmp_path / "out" / found[0]).st_mode) == 0o640 & ~umask()
    assert sum(len(s.summary().exec_time_list) for s in sessions) == 7


def test_every_session_of_a_pipeline_works(opened, tmp_path):
    """With files enough for each to come to its turn, however the threads are scheduled."""
    sessions = [opened("openvino", "static") for _ in range(3)]
    _, files = write_sets(tmp_path, "static", 600, ".bin")
    sessions[0].run_pipeline(files, str(tmp_path / "out"), False, False, "BIN", False, sessions[1:])
    executed = [len(s.summary().exec_time_list) for s in sessions]
    assert sum(executed) == 600 and min(executed) > 0, executed
    assert len(os.listdir(tmp_path / "out")) == 1200


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@each_engine
def test_options_of_the_pipeline(raw, engine, tmp_path):
    session = raw(engine)
    options = aclruntime.infer_options()
    assert (options.output_dir, options.out_format, options.output_names, options.shapes_list) == ("", "", [], [])
    assert options.auto_dym_shape is options.auto_dym_dims is options.pure_infer_mode is False
    sets, files = write_sets(tmp_path, "static", 3)
    assert session.run_pipeline(files, options, []) is None
    options.output_dir = str(tmp_path / "one")
    options.output_names = [session.get_outputs()[1].name]
    session.run_pipeline([[[f] for f in entry] for entry in files], options)
    assert sorted(os.listdir(tmp_path / "one")) == ["s0_0.bin", "s1_0.bin", "s2_0.bin"]
    got = np.fromfile(tmp_path / "one" / "s1_0.bin", np.float32)
    np.testing.assert_allclose(got, wanted("static", sets[1])[1].ravel(), rtol=1e-5)
    options.pure_infer_mode = True
    options.output_dir, options.output_names = str(tmp_path / "pure"), []
    session.run_pipeline([["pure_infer_data", "pure_infer_data"]] * 4, options, [])
    assert sorted(os.listdir(tmp_path / "pure")) == ["pure_infer_data_0.bin", "pure_infer_data_1.bin"]
    assert not np.fromfile(tmp_path / "pure" / "pure_infer_data_0.bin", np.float32).any()


@each_engine
@pytest.mark.parametrize("mode", ["dymdims", "dymshape"])
def test_shapes_list(raw, engine, mode, tmp_path):
    session = raw(engine, mode)
    session.set_custom_outsize([4096])
    options = aclruntime.infer_options()
    options.auto_dym_shape, options.auto_dym_dims = mode == "dymshape", mode == "dymdims"
    options.output_dir, options.out_format = str(tmp_path / "out"), "NPY"
    sets, files = [], []
    for k, shape in enumerate(shapes(mode)):
        sets.append(made(shape, k))
        files.append([str(tmp_path / f"{name}{k}.bin") for name in "xw"])
        for path, array in zip(files[-1], sets[-1]):
            array.tofile(path)
    options.shapes_list = [[f.shape for f in feeds] for feeds in sets]
    session.run_pipeline(files, options, [])
    for k, feeds in enumerate(sets):
        close([np.load(tmp_path / "out" / f"x{k}_{i}.npy") for i in range(2)], wanted(mode, feeds))
    options.shapes_list = []
    with pytest.raises(RuntimeError, match="x0.bin"):
        session.run_pipeline(files, options, [])


@each_engine
def test_files_that_cannot_be(raw, opened, engine, tmp_path):
    session = raw(engine)
    _, files = write_sets(tmp_path, "static", 4)
    options = aclruntime.infer_options()
    options.output_dir = str(tmp_path / "out")
    short, objects = tmp_path / "short.npy", tmp_path / "objects.npy"
    np.save(short, np.zeros(3, np.float32))
    np.save(objects, np.array([None]))
    for wrong, text in (
        ([files[0], [str(short), files[1][1]]], "48 bytes.*short.npy.*12"), ([files[0][:1]], "2 inputs"),
        ([files[0], [files[0][0], files[1][1]]], "same name"), ([[str(objects), files[0][1]]], "objects.npy"),
        ([[str(tmp_path / "none.npy"), files[0][1]]], "none.npy"), ("files", "list"), ([files[0][0]], "set 0"),
        ([[7, 8]], "path"), (None, "list"),
    ):
        with pytest.raises(RuntimeError, match=text):
            session.run_pipeline(wrong, options, [])
    assert not [name for name in os.listdir(tmp_path / "out") if name.endswith(".tmp")]
    options.out_format = "JPG"
    with pytest.raises(RuntimeError, match="BIN, NPY, TXT"):
        session.run_pipeline(files, options, [])
    options.out_format, options.output_dir = "BIN", str(short / "under")
    with pytest.raises(RuntimeError, match="short.npy"):
        session.run_pipeline(files, options, [])
    with pytest.raises(RuntimeError, match="extra_sessions"):
        session.run_pipeline(files, options, [7])


@each_engine
def test_a_failure_leaves_whole_files(raw, engine, tmp_path):
    session = raw(engine)
    sets, files = write_sets(tmp_path, "static", 40)
    os.unlink(files[30][0])
    options = aclruntime.infer_options()
    options.output_dir, options.out_format = str(tmp_path / "out"), "NPY"
    with pytest.raises(RuntimeError, match="s30.npy"):
        session.run_pipeline(files, options, [])
    found = os.listdir(tmp_path / "out")
    assert 20 <= len(found) <= 78 and all(name.endswith(".npy") for name in found)
    for name in found:
        k, i = int(name[1 : name.index("_")]), int(name[-5])
        close([np.load(tmp_path / "out" / name)], [wanted("static", sets[k])[i]])


def test_options_of_a_session(tmp_path, capfd):
    options = aclruntime.session_options()
    assert (options.loop, options.log_level, options.acl_json_path) == (1, 2, "")
    options.loop = 4
    session = aclruntime.model(modelPath=model("openvino", "static"), deviceId=0, options=options)
    assert session.options() is options
    session.run([], [aclruntime.Tensor(f) for f in made((2, 6))])
    assert len(session.sumary().exec_time_list) == 4
    assert session.reset_sumaryinfo() == 0 and session.sumary().exec_time_list == []
    lines = capfd.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("[INFO] ")][-1] == "[INFO] create model description success"
    session.free_resource()
    options.log_level = 4
    aclruntime.InferenceSession(model("openvino", "static"), 0, options).free_resource()
    assert "[INFO] load" not in capfd.readouterr().out
    for loop_count in (0, -3, 1.5, "2", None, True):
        options.loop = loop_count
        with pytest.raises(RuntimeError, match="loop"):
            aclruntime.InferenceSession(model("openvino", "static"), 0, options)
    options.loop = 1
    for level in (0, 5, "info", None):
        options.log_level = level
        with pytest.raises(RuntimeError, match="log_level"):
            aclruntime.InferenceSession(model("openvino", "static"), 0, options)
    with pytest.raises(RuntimeError):
        aclruntime.InferenceSession(model("openvino", "static"), 0, {"loop": 1})


@each_engine
def test_models_and_devices_that_are_not_there(engine, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    (tmp_path / "bad.om").write_bytes(b"no model")
    for path in ("/none.om", "/none.onnx", str(tmp_path / "bad.onnx"), str(tmp_path / "bad.om"), str(tmp_path), "", "x.txt"):
        with pytest.raises(RuntimeError):
            aclruntime.InferenceSession(path, 0, aclruntime.session_options())
    for device in (-1, 256, 1 << 40, "0", None, 1.5):
        with pytest.raises(RuntimeError):
            aclruntime.InferenceSession(model(engine, "static"), device, aclruntime.session_options())
    for path in (None, 7, b"x\0y", "x\0y"):
        with pytest.raises(RuntimeError):
            aclruntime.InferenceSession(path, 0, aclruntime.session_options())
    if engine == "acl":
        with pytest.raises(RuntimeError, match="7"):
            aclruntime.InferenceSession(model(engine, "static"), 7, aclruntime.session_options())


@each_engine
def test_transfers(opened, engine):
    session = opened(engine)
    memory = aclruntime.MemorySummary()
    memory.reset()
    assert memory.H2D_time_list == memory.D2H_time_list == []
    tensor = aclruntime.Tensor(made((2, 6))[0]).to_device(0)
    assert len(memory.H2D_time_list) == 1
    tensor.to_host()
    assert len(memory.D2H_time_list) == 1
    assert all(isinstance(t, float) and t >= 0 for t in memory.H2D_time_list + memory.D2H_time_list)
    session.infer(made((2, 6)))
    if engine == "acl":  # inputs together are one transfer, and so are outputs
        assert len(memory.H2D_time_list) == len(memory.D2H_time_list) == 2
    assert MemorySummary.get_h2d_time_list() == memory.H2D_time_list
    assert MemorySummary.get_d2h_time_list() == memory.D2H_time_list
    MemorySummary.reset()
    assert MemorySummary.get_h2d_time_list() == aclruntime.MemorySummary().D2H_time_list == []


@each_engine
def test_after_free_resource(engine):
    session = aclruntime.InferenceSession(model(engine, "static"), 0, aclruntime.session_options())
    names = [d.name for d in session.get_outputs()]
    tensors = [aclruntime.Tensor(f) for f in made((2, 6))]
    outputs = session.run(names, tensors)
    desc = session.get_inputs()[0]
    session.first_inner_run(names, tensors)
    assert session.free_resource() == session.free_resource() == 0
    for call in (
        lambda: session.run(names, tensors), lambda: session.run([], tensors), lambda: session.get_inputs(),
        lambda: session.get_outputs(), lambda: session.set_staticbatch(), lambda: session.set_dynamic_batchsize(2),
        lambda: session.set_dynamic_hw(2, 2), lambda: session.set_dynamic_dims("x:1"), lambda: str(session),
        lambda: session.set_dynamic_shape("x:1"), lambda: session.set_custom_outsize([1]), lambda: session.sumary(),
        lambda: session.first_inner_run(names, tensors), lambda: session.inner_run([0, -1], names, True, True),
        lambda: session.get_max_dym_batchsize(), lambda: session.get_dym_aipp_input_exist(),
        lambda: session.check_dym_aipp_input_exist(), lambda: session.set_dym_aipp_info_set(),
        lambda: session.create_tensor_from_fileslist(desc, [__file__]), lambda: session.reset_sumaryinfo(),
        lambda: session.run_pipeline(names, [tensors], [], False, False),
    ):
        with pytest.raises(RuntimeError):
            call()
    close(arrays(outputs), wanted("static", made((2, 6))))  # what came out of it lives on
    assert session.free_resource() == 0


def test_debug_says_what_each_execution_took(capfd):
    options = aclruntime.session_options()
    options.loop, options.log_level = 3, 1
    session = aclruntime.InferenceSession(model("openvino", "static"), 0, options)
    capfd.readouterr()
    session.run([], [aclruntime.Tensor(f) for f in made((2, 6))])
    lines = capfd.readouterr().out.splitlines()
    costs = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("[DEBUG] model aclExec cost : ")]
    taken = [end - start for start, end in session.sumary().exec_time_list]
    assert costs == pytest.approx(taken, abs=2e-6)
    session.free_resource()
