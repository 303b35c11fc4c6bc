# SPDX-License-Identifier: MIT
"""Models with unknown dimensions: every way to give them sizes, against ONNX Runtime, and what is refused."""

import re
import signal

import numpy as np
import onnx
import onnxruntime
import pytest
from harness import NUMBER, aispipe, assert_one_error, field, npy_bytes, start, summary_of, tree, wait_until, write_npy
from models import IR_VERSION, OPSET, node, weights
from onnx import TensorProto, helper, numpy_helper

RULE = "-" * 54


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def save(path, nodes, inputs, outputs, **constants):
    initial = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def image_nodes():
    return [node("Conv", "x w", "f"), node("Relu", "f", "y")]


@pytest.fixture
def batch_model(tmp_path):
    return save(
        tmp_path / "batch.onnx", image_nodes(), [value("x", ["n", 3, 8, 9])], [value("y", ["n", 5, 6, 7])],
        w=weights(5, 3, 3, 3),
    )


@pytest.fixture
def hw_model(tmp_path):
    return save(
        tmp_path / "hw.onnx", image_nodes(), [value("x", [1, 3, "h", "w"])], [value("y", [1, 5, "a", "b"])],
        w=weights(5, 3, 3, 3),
    )


@pytest.fixture
def two_model(tmp_path):
    """Two inputs that must agree in k."""
    nodes = [node("MatMul", "a b", "y"), node("Add", "y y", "z")]
    return save(
        tmp_path / "two.onnx", nodes, [value("a", ["n", "k"]), value("b", ["k", 4])],
        [value("y", ["n", 4]), value("z", ["n", 4])],
    )


@pytest.fixture
def where_model(tmp_path):
    """How large the first output is depends on the values."""
    nodes = [node("NonZero", "x", "where"), node("Neg", "x", "minus")]
    return save(
        tmp_path / "where.onnx", nodes, [value("x", ["n", 4])],
        [value("where", [2, "k"], TensorProto.INT64), value("minus", ["n", 4])],
    )


@pytest.fixture
def fixed_model(tmp_path):
    return save(tmp_path / "fixed.onnx", [node("Relu", "x", "y")], [value("x", [2, 4])], [value("y", [2, 4])])


def arrays(count, shape, seed=3):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape).astype(np.float32) for _ in range(count)]


def write_all(directory, samples):
    for i, sample in enumerate(samples):
        write_npy(directory / f"s{i}.npy", sample)
    return directory


def reference(model, **feeds):
    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).run(None, feeds)


def results(output, dirname="r"):
    """Name → array, of results that were saved as NPY; each exactly as numpy.save writes it."""
    read = {}
    for name in tree(output / dirname):
        read[name] = np.load(output / dirname / name)
        assert (output / dirname / name).read_bytes() == npy_bytes(read[name])
    return read


def same(got, wanted):
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def out(tmp_path):
    return ["--output", tmp_path / "out", "--output_dirname", "r", "--outfmt", "NPY"]


def batchsize_of(run):
    line = rf"throughput 1000\*batchsize\.mean\((\d+)\)/NPU_compute_time\.mean\({NUMBER}\): {NUMBER}"
    return int(field(run, line)[0])


# --- one shape ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [["--dymBatch", 4], ["--dymShape", "x:4,3,8,9"], ["-dd", "x:4,3,8,9"]])
@pytest.mark.parametrize("threads", [1, 3])
def test_batch(tmp_path, batch_model, option, threads):
    """Six samples in batches of four: the last is filled up, and every file has its own sample's result."""
    samples = arrays(6, (1, 3, 8, 9))
    run = aispipe("--model", batch_model, "--input", write_all(tmp_path / "in", samples), *option, *out(tmp_path),
                  "--threads", threads)
    assert batchsize_of(run) == 4
    assert "[INFO] try get model batchsize:4" in run.lines
    read = results(tmp_path / "out")
    assert len(read) == 6
    for i, sample in enumerate(samples):
        same(read[f"s{i}_0.npy"], reference(batch_model, x=sample)[0])


@pytest.mark.parametrize("option", [["--dymHW", "10,12"], ["--dym-hw=10,12"], ["-ds", "x:1,3,10,12"]])
def test_hw(tmp_path, hw_model, option):
    samples = arrays(3, (1, 3, 10, 12))
    run = aispipe("--model", hw_model, "--input", write_all(tmp_path / "in", samples), *option, *out(tmp_path))
    assert batchsize_of(run) == 1
    for i, sample in enumerate(samples):
        same(results(tmp_path / "out")[f"s{i}_0.npy"], reference(hw_model, x=sample)[0])


def test_channels_last(tmp_path):
    model = save(tmp_path / "last.onnx", [node("Neg", "x", "y")], [value("x", [1, "h", "w", 3])],
                 [value("y", [1, "h", "w", 3])])
    sample = arrays(1, (1, 5, 6, 3))[0]
    aispipe("--model", model, "--input", write_all(tmp_path / "in", [sample]), "--dymHW", "5,6", *out(tmp_path))
    same(results(tmp_path / "out")["s0_0.npy"], -sample)


@pytest.mark.parametrize("option", ["--dymDims", "--dymShape"])
def test_two_inputs(tmp_path, two_model, option):
    """Named in another order than the model's; the batch size is that of the model's first input."""
    a, b = arrays(2, (2, 3)), arrays(2, (3, 4), seed=4)
    inputs = f"{write_all(tmp_path / 'a', a)},{write_all(tmp_path / 'b', b)}"
    run = aispipe("--model", two_model, "--input", inputs, option, "b:3,4;a:2,3", *out(tmp_path), "--debug", 1)
    assert batchsize_of(run) == 2
    assert "  #0    a  (2, 3)  float32  24  24" in run.lines
    assert "  #1    z  (2, 4)  float32  32  32" in run.lines
    for i in range(2):
        for k, wanted in enumerate(reference(two_model, a=a[i], b=b[i])):
            same(results(tmp_path / "out")[f"s{i}_{k}.npy"], wanted)


def test_batchsize_wins(batch_model):
    assert batchsize_of(aispipe("--model", batch_model, "--dymBatch", 4, "--batchsize", 7)) == 7


def test_made_up_data(batch_model):
    """The executions of pure inference are dealt out as with any model."""
    run = aispipe("--model", batch_model, "--dymBatch", 2, "--loop", 10, "-pdt", "random", "--threads", 2)
    assert batchsize_of(run) == 2


def test_summary_file(tmp_path, batch_model):
    write_all(tmp_path / "in", arrays(4, (1, 3, 8, 9)))
    aispipe("--model", batch_model, "--input", tmp_path / "in", "--dymBatch", 2, *out(tmp_path))
    summary = summary_of(tmp_path / "out", "r")
    assert summary["NPU_compute_time"]["count"] == 2
    assert summary["throughput"] == pytest.approx(1000 * 2 / summary["NPU_compute_time"]["mean"])
    assert len(summary["filesinfo"]) == 4


# --- outputs whose size nobody knows before --------------------------------------------------------------


@pytest.mark.parametrize("outfmt", ["NPY", "BIN", "TXT"])
@pytest.mark.parametrize("compress", [0, 1])
def test_output_size(tmp_path, where_model, outfmt, compress, zstd):
    """Each sample's result has the shape that it turned out to have."""
    samples = [(a > k - 1).astype(np.float32) for k, a in enumerate(arrays(4, (3, 4)))]
    samples[3][:] = 0  # an empty result
    aispipe("--model", where_model, "--input", write_all(tmp_path / "in", samples), "--dymShape", "x:3,4",
            "--outputSize", "192,48", "--output", tmp_path / "out", "--output_dirname", "r", "--outfmt", outfmt,
            "--compress", compress, "--threads", 2)
    found = tree(tmp_path / "out" / "r")
    sizes = set()
    for i, sample in enumerate(samples):
        wanted = np.stack(np.nonzero(sample)).astype(np.int64)
        sizes.add(wanted.shape)
        data = found[f"s{i}_0.{outfmt.lower()}" + (".zst" if compress else "")]
        data = zstd.decompress(data) if compress else data
        if outfmt == "NPY":
            assert data == npy_bytes(wanted)
        elif outfmt == "BIN":
            assert data == wanted.tobytes()
        else:
            rows = ["".join(f"{v} " for v in row) + "\n" for row in wanted] if wanted.size else []
            assert data.decode() == "".join(rows)
    assert len(sizes) >= 3


def test_fixed_input_unknown_output(tmp_path):
    model = save(tmp_path / "nz.onnx", [node("NonZero", "x", "y")], [value("x", [2, 4])],
                 [value("y", [2, "k"], TensorProto.INT64)])
    assert_one_error(aispipe("--model", model, status=None), 2, "output 0, 'y'", "--outputSize")
    sample = np.eye(2, 4, dtype=np.float32)
    aispipe("--model", model, "--input", write_all(tmp_path / "in", [sample]), "--outputSize", 128, *out(tmp_path))
    np.testing.assert_array_equal(results(tmp_path / "out")["s0_0.npy"], np.stack(np.nonzero(sample)))


def test_output_size_too_small(tmp_path, where_model):
    ones = np.ones((3, 4), np.float32)
    write_all(tmp_path / "in", [np.zeros((3, 4), np.float32), ones])
    command = ["--model", where_model, "--input", tmp_path / "in", "--dymShape", "x:3,4", *out(tmp_path)]
    run = aispipe(*command, "--outputSize", "191,48", status=None)
    assert_one_error(run, 1, "compute", "batch 1", "output 0, 'where'", r"\(2, 12\)", "192", "191", "--outputSize")
    assert_one_error(aispipe(*command, "--outputSize", "192,47", status=None), 2, "output 1, 'minus'", "48", "47")
    assert_one_error(aispipe(*command, "--outputSize", "192", status=None), 2, "gives 1 size", "2 outputs")
    assert_one_error(aispipe(*command, status=None), 2, "output 0, 'where'", "--outputSize")


def test_unknown_output_of_a_batch(tmp_path, where_model):
    """A batch's output that cannot be cut is an error with its shape, not a wrong file."""
    write_all(tmp_path / "in", [np.ones((1, 4), np.float32)] * 3)
    command = ["--model", where_model, "--input", tmp_path / "in", "--dymBatch", 3, "--outputSize", "999,48"]
    run = aispipe(*command, *out(tmp_path), status=None)
    assert_one_error(run, 1, "save", "'where'", r"\(2, 12\)", "axis 0", "length there, 2", "3 samples")


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, needles", [
    ([], ["dimension 0 of input 'x'", r"\(-1, 3, 8, 9\)", "--dymShape", "--dymBatch"]),
    (["--dymHW", "8,9"], ["--dymHW 8,9", "no input"]),
    (["--dymShape", "x:1,4,8,9"], ["dimension 1 of input 'x'", "is 3", "cannot be 4"]),
    (["--dymDims", "x:1,3,8"], ["3 dimensions are given", "'x'", "has 4"]),
    (["--dymShape", "z:1,3,8,9"], ["no input 'z'", "it has 'x'"]),
    (["--dymBatch", "0"], ["--dymBatch", "'0'"]),
    (["--dymBatch", "99999999999999999999"], ["--dymBatch", "'99999999999999999999'"]),
    (["--dymShape", "x:1,3,8,nine"], ["dimension 3", "'nine'"]),
    (["--dymShape", "x:1,3,8,9;"], ["NAME:N"]),
    (["--dymShape", "x:1,3,8,9 "], ["not allowed"]),
    (["--dymShape", "x:`id`"], ["not allowed"]),
    (["--dymBatch", 1, "--dymShape", "x:1,3,8,9"], ["--dymBatch and --dymShape exclude"]),
    (["--dymHW", "1,1", "--dymDims", "x:1"], ["--dymHW and --dymDims exclude"]),
])
def test_refused(batch_model, options, needles):
    assert_one_error(aispipe("--model", batch_model, *options, status=None), 2, *needles)


@pytest.mark.parametrize("options", [["--dymBatch", 2], ["--dymHW", "2,4"], ["--dymDims", "x:2,4"],
                                     ["--dymShape", "x:2,4"], ["--outputSize", "32"]])
def test_fixed_model(fixed_model, options):
    assert_one_error(aispipe("--model", fixed_model, *options, status=None), 2, options[0], "fixed; leave it out")


def test_a_backend_without_shapes(sim):
    assert_one_error(aispipe("--model", sim(), "--dymBatch", 2, status=None), 2, "--dymBatch", "backend sim")


def test_shape_that_the_model_cannot_have(two_model):
    run = aispipe("--model", two_model, "--dymShape", "a:2,3;b:5,4", status=None)
    assert_one_error(run, 2, "two.onnx", "cannot have this shape")
    assert_one_error(aispipe("--model", two_model, "--dymShape", "a:2,3", status=None), 2, "input 'b'", "dimension 0")


def test_files_of_another_shape(tmp_path, hw_model):
    write_all(tmp_path / "in", arrays(1, (1, 3, 10, 11)))
    run = aispipe("--model", hw_model, "--input", tmp_path / "in", "--dymHW", "10,12", status=None)
    assert_one_error(run, 2, "s0.npy", r"\(1, 3, 10, 12\)")


# --- a range of shapes --------------------------------------------------------------------------------------


def comparison(run):
    """The final block: counts, mean, and one (shape, result, throughput) per line."""
    start = run.lines.index("[INFO] -----------------dyshape_range Performance Summary------------------")
    counts = re.fullmatch(rf"\[INFO\] run_count:(\d+) success_count:(\d+) avg_throughput:({NUMBER})",
                          run.lines[start + 1])
    rows = []
    for line in run.lines[start + 2 :]:
        if line == "[INFO] " + RULE:
            return [float(v) for v in counts.groups()], rows
        match = re.fullmatch(rf"\[INFO\] (\d+) dymshape:(\S+)  result:(OK|Failed) throughput:({NUMBER})", line)
        assert match and int(match[1]) == len(rows), line
        rows.append((match[2], match[3], float(match[4])))
    raise AssertionError(f"the block has no end{run}")


def test_range(hw_model):
    run = aispipe("--model", hw_model, "--dymShape_range", "x:1,3,8~12~4,8-9", "--loop", 3)
    (runs, successes, mean), rows = comparison(run)
    assert (runs, successes) == (4, 4)
    assert sorted(r[0] for r in rows) == ["x:1,3,12,8", "x:1,3,12,9", "x:1,3,8,8", "x:1,3,8,9"]
    assert {r[1] for r in rows} == {"OK"}
    throughputs = [r[2] for r in rows]
    assert throughputs == sorted(throughputs, reverse=True) and throughputs[-1] > 0
    assert mean == pytest.approx(np.mean(throughputs))
    ends = [line for line in run.lines if line.endswith("end run result:OK")]
    assert ends == [f"[INFO] dymshape:x:1,3,{h},{w} end run result:OK" for h in (8, 12) for w in (8, 9)]
    own = [float(line.rsplit(" ", 1)[1]) for line in run.lines if line.startswith("[INFO] throughput ")]
    assert sorted(own) == sorted(throughputs)
    assert sum(line.startswith("[INFO] load model") for line in run.lines) == 1


@pytest.mark.parametrize("text", ["x:4,3,8,9\n", "\nx:4,3,8,9\r\n\nx:2,3,8,9\n"])
def test_range_from_a_file(tmp_path, batch_model, text):
    (tmp_path / "shapes.txt").write_text(text)
    run = aispipe("--model", batch_model, "-dr", tmp_path / "shapes.txt")
    assert sorted(row[0] for row in comparison(run)[1]) == sorted(text.split())


def test_range_goes_on_after_a_failure(two_model):
    run = aispipe("--model", two_model, "--dymShape_range", "a:2,3-5;b:3,4", status=None)
    assert_one_error(run, 1, "1 of 2 shapes failed", "a:2,5;b:3,4", "cannot have this shape")
    counts, rows = comparison(run)
    assert counts[:2] == [2, 1] and counts[2] == pytest.approx(rows[0][2])
    assert rows[0][:2] == ("a:2,3;b:3,4", "OK") and rows[1] == ("a:2,5;b:3,4", "Failed", 0)
    assert "[INFO] dymshape:a:2,5;b:3,4 end run result:Failed" in run.lines
    assert any(line.endswith("throughput:0") for line in run.lines)


def test_range_in_which_all_fail(two_model):
    run = aispipe("--model", two_model, "--dymShape_range", "q:1~3", status=None)
    assert_one_error(run, 1, "3 of 3 shapes failed", "no input 'q'")
    assert comparison(run)[0] == [3, 0, 0]


def test_range_after_a_failure_first(two_model):
    """A shape that fails leaves nothing behind that the next one could trip over."""
    run = aispipe("--model", two_model, "--dymShape_range", "a:2,5-3;b:3,4", status=None)
    assert [row[1] for row in comparison(run)[1]] == ["OK", "Failed"]


def test_range_with_files(tmp_path, batch_model):
    """Each shape has a directory of its own, and the right results in it."""
    samples = arrays(4, (1, 3, 8, 9))
    aispipe("--model", batch_model, "--input", write_all(tmp_path / "in", samples), *out(tmp_path),
            "--dymShape_range", "x:1-4-2,3,8,9")
    for shape in range(3):
        read = results(tmp_path / "out", f"r/{shape}")
        assert len(read) == 4
        for i, sample in enumerate(samples):
            same(read[f"s{i}_0.npy"], reference(batch_model, x=sample)[0])
        assert len(summary_of(tmp_path / "out" / "r", str(shape))["filesinfo"]) == 4


def test_range_for_a_model_that_takes_no_shape(fixed_model, sim):
    """Refused once, not shape by shape."""
    for model, words in ((fixed_model, "fixed; leave it out"), (sim(), "backend sim")):
        run = aispipe("--model", model, "--dymShape_range", "x:1~3,4", status=None)
        assert_one_error(run, 2, "--dymShape_range", words)
        assert "dymshape:" not in run.stdout + run.stderr


def test_one_shape_wins_over_a_range(batch_model):
    run = aispipe("--model", batch_model, "--dymShape_range", "x:1~9,3,8,9", "--dymShape", "x:2,3,8,9")
    assert "dyshape_range" not in run.stdout and batchsize_of(run) == 2
    assert "--dymShape_range is not looked at" in run.stderr


@pytest.mark.parametrize("value, needles", [
    ("x:3~1", ["'3~1'", "ends before"]), ("x:1~9~0", ["'1~9~0'"]), ("x:1--2", ["'1--2'"]), ("x:a", ["'a'"]),
    ("x:1~200000", ["more than 100000"]), ("x:1;x:2", ["twice"]), ("", ["NAME:N"]), ("/no/such/file", ["NAME:N"]),
    ("x:1|2", ["not allowed"]),
])
def test_bad_range(batch_model, value, needles):
    run = aispipe("--model", batch_model, f"--dymShape_range={value}", status=None)
    assert_one_error(run, 2, "--dymShape_range", *needles)


# --- a shape for each sample ----------------------------------------------------------------------------------

AUTO = ["--auto_set_dymdims_mode", "--auto_set_dymshape_mode"]


@pytest.mark.parametrize("option", AUTO)
@pytest.mark.parametrize("threads", [["--threads", 1], ["--threads", 3], ["--pipeline", 0], ["--run_mode", "full"]])
def test_auto(tmp_path, option, threads):
    """Shapes alternate, also the batch; every result has its own shape, and is the right one."""
    model = save(tmp_path / "auto.onnx", image_nodes(), [value("x", ["n", 3, "h", "w"])],
                 [value("y", ["n", 5, "a", "b"])], w=weights(5, 3, 3, 3))
    shapes = [(1 + i % 3, 3, 5 + i % 7, 40 - i % 11) for i in range(60)]
    samples = [arrays(1, shape, seed=i)[0] for i, shape in enumerate(shapes)]
    run = aispipe("--model", model, "--input", write_all(tmp_path / "in", samples), option, *out(tmp_path), *threads)
    read = results(tmp_path / "out")
    assert len(read) == 60
    for i, sample in enumerate(samples):
        same(read[f"s{i}_0.npy"], reference(model, x=sample)[0])
    assert sum(line.startswith("[INFO] load model") for line in run.lines) == 1
    assert batchsize_of(run) == 2
    assert "[INFO] try get model batchsize:2" in run.lines
    assert len(summary_of(tmp_path / "out", "r")["filesinfo"]) == 60


@pytest.mark.parametrize("divide", [False, True])
def test_auto_on_several_devices(tmp_path, batch_model, divide):
    """Each device is told the shapes; the batch size of its throughput is the mean of its own samples."""
    samples = [arrays(1, (n, 3, 8, 9), seed=i)[0] for i, n in enumerate((1, 2, 3, 4, 4, 4, 6))]
    options = ["--device", "0,0", "--divide_input", str(int(divide))]
    run = aispipe("--model", batch_model, "--input", write_all(tmp_path / "in", samples), "-asdsm", *out(tmp_path),
                  *options)
    wanted = [range(4), range(4, 7)] if divide else [range(7)] * 2
    for device, numbers in enumerate(wanted):
        read = {p.name: np.load(p) for p in (tmp_path / "out" / "r" / f"device0_{device}").iterdir()}
        assert len(read) == len(numbers)
        for i in numbers:
            same(read[f"s{i}_0.npy"], reference(batch_model, x=samples[i])[0])
    means = [float(m) for m in re.findall(r"batchsize\.mean\(([0-9.]+)\)", run.stdout)]
    assert means == pytest.approx([np.mean([len(samples[i]) for i in numbers]) for numbers in wanted])
    assert sum(line.startswith("[INFO] try get model batchsize:") for line in run.lines) == 2


def test_auto_on_several_devices_refused_once(tmp_path, batch_model):
    samples = [arrays(1, (1, 3, 8, 9))[0], arrays(1, (1, 2, 8, 9))[0]]
    run = aispipe("--model", batch_model, "--input", write_all(tmp_path / "in", samples), "-asdsm", *out(tmp_path),
                  "--device", "0,0", status=None)
    assert_one_error(run, 2, "on every device: .*s1.npy")
    assert not (tmp_path / "out").exists()


def test_auto_mean_batch(tmp_path, batch_model):
    samples = [arrays(1, (n, 3, 8, 9))[0] for n in (1, 2, 2, 4)]
    run = aispipe("--model", batch_model, "--input", write_all(tmp_path / "in", samples), "-asdsm")
    mean, time, throughput = field(
        run, rf"throughput 1000\*batchsize\.mean\(({NUMBER})\)/NPU_compute_time\.mean\(({NUMBER})\): ({NUMBER})")
    assert float(mean) == 2.25
    assert float(throughput) == pytest.approx(1000 * 2.25 / float(time))


def test_auto_two_inputs(tmp_path, two_model):
    """Both inputs' shapes change from sample to sample, and must fit each other."""
    a = [arrays(1, (1 + i % 3, 2 + i % 5), seed=i)[0] for i in range(20)]
    b = [arrays(1, (2 + i % 5, 4), seed=i + 99)[0] for i in range(20)]
    inputs = f"{write_all(tmp_path / 'a', a)},{write_all(tmp_path / 'b', b)}"
    aispipe("--model", two_model, "--input", inputs, "-asddm", "1", *out(tmp_path), "--threads", 2)
    for i in range(20):
        for k, wanted in enumerate(reference(two_model, a=a[i], b=b[i])):
            same(results(tmp_path / "out")[f"s{i}_{k}.npy"], wanted)


def test_auto_with_unknown_outputs(tmp_path, where_model):
    samples = [(arrays(1, (1 + i % 4, 4), seed=i)[0] > 0).astype(np.float32) for i in range(12)]
    command = ["--model", where_model, "--input", write_all(tmp_path / "in", samples), "-asdsm", *out(tmp_path)]
    assert_one_error(aispipe(*command, status=None), 2, "output 0, 'where'", "--outputSize")
    aispipe(*command, "--outputSize", "256,64")
    for i, sample in enumerate(samples):
        where = results(tmp_path / "out")[f"s{i}_0.npy"]
        np.testing.assert_array_equal(where, np.stack(np.nonzero(sample)))
        same(results(tmp_path / "out")[f"s{i}_1.npy"], -sample)
    run = aispipe(*command, "--outputSize", "256,63", status=None)
    assert_one_error(run, 1, "output 1, 'minus'", r"\(4, 4\)", "64", "63")


def test_auto_kinds_of_npy(tmp_path, batch_model, zstd):
    """Fortran order, big-endian and compressed files have shapes too."""
    samples = [arrays(1, (n, 3, 8, 9), seed=n)[0] for n in (1, 2, 3)]
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "s0.npy", np.asfortranarray(samples[0]))
    np.save(tmp_path / "in" / "s1.npy", samples[1].astype(">f4"))
    (tmp_path / "in" / "s2.npy.zst").write_bytes(zstd.compress(npy_bytes(samples[2])))
    aispipe("--model", batch_model, "--input", tmp_path / "in", "-asdsm", *out(tmp_path))
    for i, sample in enumerate(samples):
        same(results(tmp_path / "out")[f"s{i}_0.npy"], reference(batch_model, x=sample)[0])


def test_auto_refused(tmp_path, batch_model, fixed_model, sim):
    good = arrays(1, (2, 3, 8, 9))[0]
    write_all(tmp_path / "in", [good])
    command = ["--model", batch_model, "--input", tmp_path / "in"]
    assert_one_error(aispipe("--model", batch_model, "-asdsm", status=None), 2, "--auto_set_dymshape_mode", "--input")
    assert_one_error(aispipe(*command, "-asdsm", "-asddm", status=None), 2, "exclude each other")
    assert_one_error(aispipe(*command, "-asdsm", "-db", 2, status=None), 2, "exclude each other")
    assert_one_error(aispipe(*command, "-asdsm", "-rm", "files", status=None), 2, "--run_mode files")
    aispipe(*command, "-asdsm", 0, "-db", 2)
    write_npy(tmp_path / "in" / "t.npy", np.zeros((2, 3, 8, 10), np.float32))
    assert_one_error(aispipe(*command, "-asdsm", status=None), 2, "t.npy", "dimension 3 of input 'x'", "is 9", "10")
    write_npy(tmp_path / "in" / "t.npy", np.zeros((2, 3, 8), np.float32))
    assert_one_error(aispipe(*command, "-asdsm", status=None), 2, "t.npy", "3 dimensions are given", "has 4")
    write_npy(tmp_path / "in" / "t.npy", np.zeros((0, 3, 8, 9), np.float32))
    assert_one_error(aispipe(*command, "-asdsm", status=None), 2, "t.npy", "0 is no size")
    write_npy(tmp_path / "in" / "t.npy", np.zeros((2, 3, 8, 9), np.float64))
    assert_one_error(aispipe(*command, "-asdsm", status=None), 2, "t.npy", "<f8", "float32")
    (tmp_path / "in" / "t.npy").rename(tmp_path / "in" / "t.bin")
    assert_one_error(aispipe(*command, "-asdsm", status=None), 2, "t.bin", "raw")
    (tmp_path / "in" / "t.bin").unlink()
    write_npy(tmp_path / "fixed" / "s.npy", np.zeros((2, 4), np.float32))
    run = aispipe("--model", fixed_model, "--input", tmp_path / "fixed", "-asdsm", status=None)
    assert_one_error(run, 2, "--auto_set_dymshape_mode", "fixed; leave it out")
    write_npy(tmp_path / "sim" / "s.npy", np.zeros((1, 16), np.float32))
    run = aispipe("--model", sim(), "--input", tmp_path / "sim", "-asddm", status=None)
    assert_one_error(run, 2, "--auto_set_dymdims_mode", "backend sim")


def test_interrupted_range(tmp_path, batch_model):
    """A signal ends the range: the shape under way is summarised, none is begun after it."""
    process = start("--model", batch_model, "--dymShape_range", "x:1~9,3,8,9", "--loop", 50000000)
    wait_until(lambda: "warm up 1 done" in process.read_stdout())
    process.signal(signal.SIGINT)
    run = process.wait()
    assert run.status == 130
    (runs, _, _), rows = comparison(run)
    assert runs == 1 and rows[0][0] == "x:1,3,8,9"
