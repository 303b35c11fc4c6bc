# SPDX-License-Identifier: MIT
"""--config: a run with options from a file, what the command line overrules, and what is refused."""

import json

import models
import pytest
from harness import aispipe, assert_one_error, field, float_files, summary_of, tree


def config(path, **options):
    path.write_text(json.dumps(options))
    return path


def test_whole_run_from_a_file(tmp_path, sim):
    """Everything is in the file; results and layout are those of the same command line."""
    arrays = float_files(tmp_path / "in", 12)
    model = sim()
    given = {"model": str(model), "input": str(tmp_path / "in"), "output": str(tmp_path / "out"),
             "output_dirname": "file", "threads": 3, "load_threads": 2, "queue_depth": "load=8,save=4", "inflight": 6,
             "outfmt": "NPY"}
    run = aispipe("--config", config(tmp_path / "c.json", **given))
    words = [word for key, value in given.items() for word in (f"--{key}", value)]
    words[words.index("file")] = "line"
    aispipe(*words)
    assert tree(tmp_path / "out" / "file") == tree(tmp_path / "out" / "line") and len(arrays) == 12
    by_file, by_line = (summary_of(tmp_path / "out", name) for name in ("file", "line"))
    for stage in ("load", "compute"):
        assert by_file["pipeline"]["stages"][stage]["threads"] == by_line["pipeline"]["stages"][stage]["threads"] > 1
    assert by_file["pipeline"]["inflight"] == by_line["pipeline"]["inflight"] == 6
    assert by_file["config"] == str(tmp_path / "c.json") and "config" not in by_line
    assert by_file["args"][1:] == ["--config", str(tmp_path / "c.json")]
    (names,) = field(run, r"options from '.*c\.json': (.*)")
    assert set(names.split(", ")) == set(given)


def test_command_line_counts(tmp_path, sim):
    float_files(tmp_path / "in", 4)
    path = config(tmp_path / "c.json", threads=4, output_dirname="theirs", input="nowhere")
    run = aispipe("--model", sim(), "--input", tmp_path / "in", "--config", path, "--output", tmp_path / "out",
                  "--output_dirname", "mine", "--threads", 2)
    assert summary_of(tmp_path / "out", "mine")["pipeline"]["stages"]["compute"]["threads"] == 2
    field(run, r"options from '.*': none; the command line counts for input, output_dirname, threads")


def test_several_devices(tmp_path, sim):
    float_files(tmp_path / "in", 8)
    path = config(tmp_path / "c.json", threads=2, device="0,1", divide_input=True)
    aispipe("--model", sim(), "--input", tmp_path / "in", "--output", tmp_path / "out", "--output_dirname", "r",
            "--config", path)
    for name in ("device0_0", "device1_1"):
        summary = json.loads((tmp_path / "out" / "r" / f"{name}_summary.json").read_text())
        assert summary["config"] == str(path) and summary["pipeline"]["stages"]["compute"]["threads"] == 2


@pytest.mark.parametrize(
    "text, needles",
    [
        ('{"threads": 0}', ["bad.json", "threads", "'0'", "1–1024"]),
        ('{"threads": "many"}', ["bad.json", "threads", "'many'", "1–1024"]),
        ('{"threads": [4]}', ["bad.json", "threads", "a list", "1–1024"]),
        ('{"threds": 4}', ["bad.json", "threds", "did you mean 'threads'"]),
        ('{"threads": 4, "threads": 4}', ["bad.json", "threads", "twice"]),
        ('{"config": "x"}', ["bad.json", "config", "command line only"]),
        ('{"help": true}', ["bad.json", "help", "command line only"]),
        ('{"threads": 4\n "inflight": 4}', ["bad.json", "line 2", "column 2", "not JSON"]),
        ("[]", ["bad.json", "JSON object"]),
        ('{"input": "nowhere"}', ["nowhere", "--input: from '.*bad.json'"]),
    ],
)
def test_refused(tmp_path, sim, text, needles):
    (tmp_path / "bad.json").write_text(text)
    assert_one_error(aispipe("--model", sim(), "--config", tmp_path / "bad.json", status=2), 2, *needles)


def test_engine_options(tmp_path):
    """Of the same key the command line's counts; a refusal by the engine shows which one it got."""
    model = models.conv_net(1).save(tmp_path)
    path = config(tmp_path / "c.json", engine_option=["PERFORMANCE_HINT=NONSENSE", "NUM_STREAMS=1"])
    run = aispipe("--model", model, "--config", path, status=2)
    assert_one_error(run, 2, "PERFORMANCE_HINT=NONSENSE")
    aispipe("--model", model, "--config", path, "--engine_option", "PERFORMANCE_HINT=LATENCY")
