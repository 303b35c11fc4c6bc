# SPDX-License-Identifier: MIT
"""The command line: help, spellings, inputs in every form, where results go and what they are called."""

import os
import re
import shutil
import stat
import time
from pathlib import Path

import models
import numpy as np
import pytest
from harness import (
    aispipe,
    complement,
    float_files,
    npy_bytes,
    summary_of,
    tree,
    write_bin,
    write_npy,
)

OPTIONS = """--model --backend --device --divide_input --engine_device --engine_option --input --limit --pure_data_type --seed --output
--output_dirname --outfmt --compress --output_batchsize_axis --dymBatch --dymHW --dymDims --dymShape
--dymShape_range --auto_set_dymdims_mode --auto_set_dymshape_mode --profiler --dump --dump_npy --outputSize --threads --load_threads --save_threads --queue_depth --energy_consumption --npu_id --perf
--inflight --pipeline --run_mode --loop --warmup_count --batchsize --display_all_summary --debug --progress --help
--version""".split()
ALIASES = "--om-model -om -m -i -pdt -o -od -d -rm -wcount --batch-size -das -oba -db -dhw -dd -ds -dr -asddm -asdsm -outsize -ec -pf".split()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run_on(model, where, output, *options, **how):
    run = aispipe("--model", model, "--input", where, "--output", output, "--output_dirname", "r", *options, **how)
    return run, tree(Path(output) / "r")


# --- texts ------------------------------------------------------------------------------------------------


def test_help_names_every_option():
    run = aispipe("--help")
    assert run.stderr == ""
    for option in OPTIONS + ALIASES:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", run.stdout), f"{option} is not in --help"
    for group in ("Model", "Input", "Output", "Shapes", "Pipeline", "Measuring", "Diagnosis"):
        assert re.search(rf"^{group}", run.stdout, re.MULTILINE), f"no group {group}"
    assert max(map(len, run.lines)) <= 100


def test_help_whatever_else_is_there():
    assert aispipe("--bogus", "--help").stdout == aispipe("--help", "--threads", "0").stdout == aispipe("-h").stdout


def test_version():
    assert re.fullmatch(r"aispipe \d+\.\d+\.\d+\n", aispipe("--version").stdout)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_texts_do_not_load_the_engine(tmp_path, option):
    """The dynamic linker's own account of what it opens."""
    log = tmp_path / "libraries"
    aispipe(option, env={"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(log)})
    written = "".join(p.read_text() for p in tmp_path.glob("libraries.*"))
    assert "libc.so" in written, "the linker told nothing, so nothing was shown"
    assert "openvino" not in written and "libpython" not in written


def test_the_engine_is_loaded_only_for_its_models(tmp_path, sim, onnx_model):
    log = tmp_path / "libraries"
    debug = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(log)}
    aispipe("--model", sim(), env=debug)
    assert not any("openvino" in p.read_text() for p in tmp_path.glob("libraries.*"))
    _, model = onnx_model(models.matmul)
    aispipe("--model", model, env=debug)
    assert any("libopenvino_c" in p.read_text() for p in tmp_path.glob("libraries.*"))


@pytest.mark.plain_only
def test_help_is_quick():
    """The best of many; the bench says how much it is, here it must only be far from loading an engine."""
    assert min(aispipe("--help").wall for _ in range(10)) < 0.02


def test_output_into_a_closed_pipe_is_no_crash(sim):
    read, write = os.pipe()
    os.close(read)
    import subprocess

    from harness import PROGRAM, environment

    process = subprocess.run(
        [PROGRAM, "--model", str(sim())], stdout=write, stderr=subprocess.PIPE, env=environment(), timeout=60
    )
    os.close(write)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("variable", ["AISPIPE_MAN", "AISPIPE_COMPLETION"])
def test_generated_texts_know_every_option(variable):
    """The build says where it made the man page and the bash completion."""
    if variable not in os.environ:
        pytest.skip(f"{variable} does not say where the file is")
    text = Path(os.environ[variable]).read_text().replace("\\-", "-").replace("\\_", "_")
    for option in OPTIONS:
        assert option in text, option


@pytest.mark.parametrize(
    "words, wanted",
    [
        (["dev"], ["devices"]),
        (["convert", "--o"], ["--output"]),
        (["devices", "--"], ["--json", "--help"]),
        (["devices", "--model", "--"], ["--json", "--help"]),
        (["--divide-i"], ["--divide_input"]),
        (["--pipeline", "conv"], []),
    ],
)
def test_completion(words, wanted):
    import subprocess

    if "AISPIPE_COMPLETION" not in os.environ or not shutil.which("bash"):
        pytest.skip("needs AISPIPE_COMPLETION and bash")
    script = f"""source "$AISPIPE_COMPLETION"; COMP_WORDS=(aispipe {" ".join(words)}); COMP_CWORD={len(words)}
        _aispipe; printf '%s\\n' "${{COMPREPLY[@]}}"
        """
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30)
    assert run.stdout.split() == wanted, run


def test_man_page_is_clean():
    if "AISPIPE_MAN" not in os.environ or not shutil.which("man"):
        pytest.skip("needs AISPIPE_MAN and man")
    import subprocess

    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", os.environ["AISPIPE_MAN"]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stderr == ""


# --- spellings --------------------------------------------------------------------------------------------


def test_dashes_and_underscores_are_the_same(sim):
    for option in ("--warmup_count", "--warmup-count", "-wcount"):
        assert "[INFO] warm up 3 done" in aispipe("--model", sim(), option, "3").lines
        assert "[INFO] warm up 3 done" in aispipe("--model", sim(), f"{option}=3").lines


def test_short_spellings(tmp_path, sim):
    float_files(tmp_path / "in", 2)
    for model_option in ("-m", "-om", "--om-model", "--om_model", "--model"):
        aispipe(
            model_option, sim(), "-i", tmp_path / "in", "-o", tmp_path / "out", "-od", "r", "-rm", "files", "-d", "3",
            "-das", "1", "-wcount", "2", "-oba", "0", "-pdt", "zero", "--batch-size", "1",
        )
    assert len(tree(tmp_path / "out" / "r")) == 2


@pytest.mark.parametrize("value", ["1", "true", "T", "yes", "Y", "TRUE", None])
def test_true(sim, value):
    option = ["--display_all_summary"] + ([value] if value else [])
    assert "H2D_latency" in aispipe("--model", sim(), *option).stdout


@pytest.mark.parametrize("value", ["0", "false", "F", "no", "N", "False"])
def test_false(sim, value):
    assert "H2D_latency" not in aispipe("--model", sim(), "-das", value).stdout


def test_words_in_any_case(tmp_path, sim):
    output = ["--output", tmp_path, "--output_dirname", "r"]
    aispipe("--model", sim(), *output, "--outfmt", "npy", "--run_mode", "FULL")
    assert list(tree(tmp_path / "r")) == ["pure_infer_data_0.npy"]


def test_device_number_is_in_the_log(sim):
    lines = aispipe("--model", sim(), "--device", "255", "--debug").lines
    assert "[INFO] open device 255 success" in lines and "[INFO] end to reset device 255" in lines
    assert "device:\t255" in lines


# --- input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".bin", ".BIN", ".npy", ".NPY", ".bin.zst", ".npy.zst"])
def test_endings(tmp_path, sim, zstd, ending):
    arrays = [np.random.default_rng(n).standard_normal((1, 16)).astype(np.float32) for n in range(3)]
    for n, array in enumerate(arrays):
        data = npy_bytes(array) if "npy" in ending.lower() else array.tobytes()
        write_bin(tmp_path / "in" / f"s{n}{ending}", zstd.compress(data) if ending.endswith(".zst") else data)
    for where in (tmp_path / "in", ",".join(str(tmp_path / "in" / f"s{n}{ending}") for n in range(3))):
        _, results = run_on(sim(), where, tmp_path / "out")
        assert results == {f"s{n}_0.bin": complement(a.tobytes()) for n, a in enumerate(arrays)}


def test_endings_side_by_side(tmp_path, sim, zstd):
    arrays = [np.full((1, 16), n, np.float32) for n in range(5)]
    write_npy(tmp_path / "in" / "s0.npy", arrays[0])
    write_bin(tmp_path / "in" / "s1.bin", arrays[1])
    write_bin(tmp_path / "in" / "s2.bin.zst", zstd.compress(arrays[2].tobytes()))
    write_bin(tmp_path / "in" / "s3.NPY.zst", zstd.compress(npy_bytes(arrays[3])))
    write_bin(tmp_path / "in" / "s4.NPY", npy_bytes(arrays[4]))
    for other in ("s5.jpg", "s6.npy.gz", "s7.Npy", "s8.zst", "npy", "s9.bin~"):
        write_bin(tmp_path / "in" / other, b"not ours")
    (tmp_path / "in" / "sub.bin").mkdir()
    _, results = run_on(sim(), tmp_path / "in", tmp_path / "out")
    assert results == {f"s{n}_0.bin": complement(a.tobytes()) for n, a in enumerate(arrays)}


def test_a_large_npy_zst_is_unpacked_in_pieces(tmp_path, sim, zstd):
    array = np.random.default_rng(3).integers(0, 256, 3_000_000).astype(np.uint8)
    write_bin(tmp_path / "in" / "s.npy.zst", zstd.compress(npy_bytes(array)))
    tensor = dict(dtype="uint8", shape=(3_000_000,))
    model = sim(inputs=[models.sim_tensor("x", **tensor)], outputs=[models.sim_tensor("y", **tensor)])
    _, results = run_on(model, tmp_path / "in", tmp_path / "out")
    assert results == {"s_0.bin": complement(array.tobytes())}


def test_links_count_as_what_they_point_to(tmp_path, sim):
    write_bin(tmp_path / "elsewhere" / "x", bytes(64))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "elsewhere" / "x")
    (tmp_path / "in" / "folder.bin").symlink_to(tmp_path / "elsewhere")
    _, results = run_on(sim(), tmp_path / "in", tmp_path / "out")
    assert results == {"link_0.bin": complement(bytes(64))}


NATURAL = ["IMG1", "img2", "Img3", "img10", "img010b", "img11", "img100", "x", "X2", "x9", "x10a", "y"]


def test_natural_order(tmp_path, sim):
    for n, name in enumerate(reversed(NATURAL)):
        write_bin(tmp_path / "in" / f"{name}.bin", np.full(16, n, np.float32))
    aispipe("--model", sim(), "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r")
    info = summary_of(tmp_path / "out", "r")["filesinfo"]
    assert [Path(entry["infiles"][0]).stem for entry in info.values()] == NATURAL


def test_files_keep_the_order_given(tmp_path, sim):
    float_files(tmp_path / "in", 3)
    files = [str(tmp_path / "in" / f"s{n}.bin") for n in (2, 0, 1)]
    run_on(sim(), ",".join(files), tmp_path / "out")
    info = summary_of(tmp_path / "out", "r")["filesinfo"]
    assert [entry["infiles"][0] for entry in info.values()] == files


@pytest.mark.parametrize("by_files", [False, True])
def test_several_inputs(tmp_path, sim, by_files):
    model = sim(
        inputs=[models.sim_tensor("a", "uint8", (8,)), models.sim_tensor("b", "uint8", (4,))],
        outputs=[models.sim_tensor("y", "uint8", (8,)), models.sim_tensor("z", "uint8", (4,))],
    )
    samples = [(bytes([n] * 8), bytes([100 + n] * 4)) for n in range(5)]
    for n, (a, b) in enumerate(samples):
        write_bin(tmp_path / "a" / f"left{n}.bin", a)
        write_bin(tmp_path / "b" / f"right{n}.bin", b)
    where = f"{tmp_path / 'a'},{tmp_path / 'b'}"
    if by_files:
        left, right = ([f"{tmp_path}/{name}{n}.bin" for n in range(5)] for name in ("a/left", "b/right"))
        where = ",".join(left + right)
    _, results = run_on(model, where, tmp_path / "out")
    wanted = {}
    for n, (a, b) in enumerate(samples):
        wanted[f"left{n}_0.bin"], wanted[f"left{n}_1.bin"] = complement(a), complement(b)
    assert results == wanted


@pytest.mark.parametrize("limit, kept", [(1, 1), (4, 4), (5, 5), (9, 9), (10, 10), (99, 10)])
def test_limit(tmp_path, sim, limit, kept):
    float_files(tmp_path / "in", 10)
    model = sim(inputs=[models.sim_tensor("x", shape=(4, 16))], outputs=[models.sim_tensor("y", shape=(4, 16))])
    run, results = run_on(model, tmp_path / "in", tmp_path / "out", "--limit", str(limit))
    assert set(results) == {f"s{n}_0.bin" for n in range(kept)}
    assert summary_of(tmp_path / "out", "r")["pipeline"]["samples"] == kept
    assert f"filesperbatch:4 runcount:{-(-kept // 4)}" in run.stdout


# --- made-up data -----------------------------------------------------------------------------------------


def made_up(tmp_path, sim, dtype, *options, name="r"):
    model = sim(inputs=[models.sim_tensor("x", dtype, (50, 20))], outputs=[models.sim_tensor("y", dtype, (50, 20))])
    aispipe("--model", model, "--output", tmp_path / "out", "--output_dirname", name, *options)
    results = tree(tmp_path / "out" / name)
    assert list(results) == ["pure_infer_data_0.bin"]
    return np.frombuffer(complement(results["pure_infer_data_0.bin"]), dtype)


def test_zeros(tmp_path, sim):
    assert not made_up(tmp_path, sim, "float32").any()
    assert not made_up(tmp_path, sim, "float32", "--pure_data_type", "zero").any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_random_floats_are_finite(tmp_path, sim, dtype):
    values = made_up(tmp_path, sim, dtype, "--pure_data_type", "random")
    assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
    assert len(np.unique(values)) > 100 and 0.4 < values.astype(np.float64).mean() < 0.6


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint16"])
def test_random_integers_use_their_range(tmp_path, sim, dtype):
    """Except that wide ones stay in what every engine can hold: 0 to 2^31."""
    values = made_up(tmp_path, sim, dtype, "--pure_data_type", "random").astype(np.float64)
    wide = np.dtype(dtype).itemsize > 2
    least, most = (0.0, 2.0**31) if wide else (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
    margin = 0.05 * (most - least)
    assert least <= values.min() < least + margin and most - margin < values.max() <= most


def test_random_booleans_are_zero_or_one(tmp_path, sim):
    values = made_up(tmp_path, sim, "uint8", "--pure_data_type", "random")
    assert values.max() > 1  # so that the next line shows something
    tensors = [models.sim_tensor("x", "bool", (1000,))]
    model = sim("b", inputs=tensors, outputs=tensors)
    aispipe("--model", model, "--output", tmp_path / "out", "--output_dirname", "b", "--pure_data_type", "random")
    assert set(complement(tree(tmp_path / "out" / "b")["pure_infer_data_0.bin"])) == {0, 1}


def test_seed(tmp_path, sim):
    random = ["--pure_data_type", "random"]
    first = made_up(tmp_path, sim, "float32", *random, "--seed", "5", name="first")
    again = made_up(tmp_path, sim, "float32", *random, "--seed", "5", "--threads", "3", "--loop", "7", name="again")
    other = made_up(tmp_path, sim, "float32", *random, "--seed", "6", name="other")
    default = made_up(tmp_path, sim, "float32", *random, name="default")
    zero = made_up(tmp_path, sim, "float32", *random, "--seed", "0", name="zero")
    assert np.array_equal(first, again) and np.array_equal(default, zero)
    assert not np.array_equal(first, other) and not np.array_equal(first, zero)


def test_inputs_of_made_up_data_differ(tmp_path, sim):
    two = [models.sim_tensor("a"), models.sim_tensor("b")]
    command = ["--output", tmp_path / "out", "--output_dirname", "r", "--pure_data_type", "random"]
    aispipe("--model", sim(inputs=two, outputs=two), *command)
    results = tree(tmp_path / "out" / "r")
    assert results["pure_infer_data_0.bin"] != results["pure_infer_data_1.bin"]


# --- output -----------------------------------------------------------------------------------------------


def test_time_stamp_directory(tmp_path, sim):
    before = time.time()
    aispipe("--model", sim(), "--output", tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert len(names) == 2 and names[1] == names[0] + "_summary.json"
    assert re.fullmatch(r"\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d", names[0])
    stamp = time.mktime(time.strptime(names[0], "%Y_%m_%d-%H_%M_%S"))
    assert int(before) <= stamp <= time.time()


def test_time_stamp_is_local(tmp_path, sim):
    for zone in ("UTC0", "XYZ-11"):
        aispipe("--model", sim(), "--output", tmp_path / zone, env={"TZ": zone})
    hours = [int(next((tmp_path / zone).iterdir()).name[11:13]) for zone in ("UTC0", "XYZ-11")]
    assert (hours[1] - hours[0]) % 24 in (11, 12)  # 12: the hour struck between the runs


def test_runs_in_one_second_do_not_mix(tmp_path, sim):
    for _ in range(4):
        aispipe("--model", sim(), "--output", tmp_path / "out")
    assert len([p for p in (tmp_path / "out").iterdir() if p.is_dir()]) == 4


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes(tmp_path, sim, umask):
    float_files(tmp_path / "in", 2)
    output = tmp_path / "o1" / "o2"
    command = ["--model", sim(), "--input", tmp_path / "in", "--output", output, "--output_dirname", "a/b"]
    aispipe(*command, before_exec=lambda: os.umask(umask))
    for directory in (tmp_path / "o1", output, output / "a", output / "a" / "b"):
        assert mode(directory) == 0o750 & ~umask, directory
    for file in [output / "a" / "b_summary.json", *(output / "a" / "b").iterdir()]:
        assert mode(file) == 0o640 & ~umask, file
    assert len(list((output / "a" / "b").iterdir())) == 2


@pytest.mark.parametrize("name", ["r", "a/b/c", "./r", "r/", "with blank", "ünïcode", "..r", "r.."])
def test_output_dirname(tmp_path, sim, name):
    aispipe("--model", sim(), "--output", tmp_path / "out", "--output_dirname", name)
    where = tmp_path / "out" / name
    assert [p.name for p in where.iterdir()] == ["pure_infer_data_0.bin"]
    assert where.with_name(where.name + "_summary.json").is_file()


def test_nothing_is_saved_without_output(tmp_path, sim):
    float_files(tmp_path / "in", 3)
    model = sim()
    before = tree(tmp_path)
    run = aispipe("--model", model, "--input", tmp_path / "in", cwd=tmp_path)
    assert tree(tmp_path) == before and "output path" not in run.stdout


def test_names_of_results(tmp_path, sim):
    for name in ("plain.bin", "a.b.bin", ".hidden.bin", "with blank.bin", "ünï.bin", "no_0.bin", "-dash.bin"):
        write_bin(tmp_path / "in" / name, bytes(64))
    two = [models.sim_tensor("y"), models.sim_tensor("z")]
    _, results = run_on(sim(outputs=two), tmp_path / "in", tmp_path / "out")
    stems = ("plain", "a.b", ".hidden", "with blank", "ünï", "no_0", "-dash")
    assert set(results) == {f"{stem}_{k}.bin" for stem in stems for k in (0, 1)}


def test_names_that_are_not_utf8(tmp_path, sim):
    directory = os.fsencode(tmp_path / "in")
    os.mkdir(directory)
    with open(directory + b"/caf\xe9.bin", "wb") as file:
        file.write(bytes(64))
    aispipe("--model", sim(), "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r")
    assert os.listdir(os.fsencode(tmp_path / "out" / "r")) == [b"caf\xe9_0.bin"]
    assert os.fsencode(summary_of(tmp_path / "out", "r")["filesinfo"]["0"]["infiles"][0]).endswith(b"caf\xe9.bin")


def test_longest_name(tmp_path, sim):
    write_bin(tmp_path / "in" / ("n" * 249 + ".bin"), bytes(64))  # with "_0" it is 255 long
    _, results = run_on(sim(), tmp_path / "in", tmp_path / "out")
    assert list(results) == ["n" * 249 + "_0.bin"]


@pytest.mark.parametrize("outfmt", ["BIN", "NPY", "TXT"])
def test_compress(tmp_path, sim, zstd, outfmt):
    float_files(tmp_path / "in", 3)
    _, plain = run_on(sim(), tmp_path / "in", tmp_path / "plain", "--outfmt", outfmt)
    _, packed = run_on(sim(), tmp_path / "in", tmp_path / "packed", "--outfmt", outfmt, "--compress")
    assert {name + ".zst" for name in plain} == set(packed)
    assert {name: zstd.decompress(packed[name + ".zst"]) for name in plain} == plain
    info = summary_of(tmp_path / "packed", "r")["filesinfo"]
    assert info["0"]["outfiles"][0].endswith(f"s0_0.{outfmt.lower()}.zst")


def test_compressed_results_are_inputs(tmp_path, sim):
    """There and back: the complement of the complement."""
    arrays = float_files(tmp_path / "in", 3)
    run_on(sim(), tmp_path / "in", tmp_path / "there", "--compress", "--outfmt", "NPY")
    _, back = run_on(sim(), tmp_path / "there" / "r", tmp_path / "back")
    assert back == {f"s{n}_0_0.bin": a.tobytes() for n, a in enumerate(arrays)}


# --- layout -----------------------------------------------------------------------------------------------


def test_threads_are_those_asked_for(tmp_path, sim):
    float_files(tmp_path / "in", 20)
    options = ["--threads", "3", "--load_threads", "2", "--save_threads", "4", "--inflight", "5"]
    options += ["--queue_depth", "load=8,h2d=2,compute=3,d2h=4,save=5"]
    run_on(sim(), tmp_path / "in", tmp_path / "out", *options)
    pipeline = summary_of(tmp_path / "out", "r")["pipeline"]
    stages = pipeline["stages"]
    assert {name: stage["threads"] for name, stage in stages.items()} == dict(load=2, h2d=1, compute=3, d2h=1, save=4)
    assert pipeline["inflight"] == 5
    depths = [stages[name]["queue_depth"] for name in ("h2d", "compute", "d2h", "save")]
    assert all(wanted <= depth <= 2 * wanted for depth, wanted in zip(depths, (2, 3, 4, 5))), depths
    assert sum(stage["batches"] for stage in stages.values()) == 5 * 20


def test_the_environment_names_the_engine(tmp_path, onnx_model):
    """A library that is not there is named, with what to do."""
    _, model = onnx_model(models.matmul)
    run = aispipe("--model", model, env={"AISPIPE_OPENVINO_LIB": "/not/there/libopenvino_c.so"}, status=None)
    if run.status:
        assert run.status == 2 and len(run.errors) == 1
        assert "/not/there/libopenvino_c.so" in run.errors[0] and "AISPIPE_OPENVINO_LIB" in run.errors[0]
    else:  # found elsewhere: the user must hear of it
        assert "/not/there/libopenvino_c.so" in run.stdout + run.stderr


def test_engine_options_reach_the_engine(onnx_model):
    _, model = onnx_model(models.matmul)
    aispipe("--model", model, "--engine_option", "INFERENCE_NUM_THREADS=1", "--engine_option=ENABLE_CPU_PINNING=NO")
    assert aispipe("--model", model, "--engine_option", "INFERENCE_NUM_THREADS=lots", status=None).status == 2


def test_openvino_ir(tmp_path, onnx_model):
    """The same model in OpenVINO's own format gives the same bytes."""
    import openvino

    case, onnx = onnx_model(models.conv_net)
    ir = tmp_path / "net.xml"
    openvino.save_model(openvino.Core().read_model(str(onnx)), str(ir), compress_to_fp16=False)
    for n, sample in enumerate(case.samples(6)):
        write_npy(tmp_path / "in" / f"s{n}.npy", sample[0])
    _, wanted = run_on(onnx, tmp_path / "in", tmp_path / "onnx")
    _, got = run_on(ir, tmp_path / "in", tmp_path / "ir")
    assert got == wanted and len(got) == 12
