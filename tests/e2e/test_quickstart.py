# SPDX-License-Identifier: MIT
"""The digits example: its gradients, its ONNX export, its data files, its accuracy script, and the sentences
with which the two set-up commands refuse a machine they cannot set up. Nothing is installed here."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "digits"
sys.path.insert(0, str(EXAMPLE))

import accuracy  # noqa: E402
import export  # noqa: E402
import net  # noqa: E402
import train  # noqa: E402


@pytest.fixture(scope="module")
def trained():
    images, labels, _, _ = train.load()
    return train.train(images, labels, epochs=4)


def run_onnx(network, images):
    session = onnxruntime.InferenceSession(
        export.to_onnx(network).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(["logits"], {"image": image[None]})[0] for image in images])


def test_unfold_takes_the_nine_neighbours():
    image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    patches = net.unfold(image)
    assert patches[0, 1, 1].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert patches[0, 0, 0].tolist() == [0, 0, 0, 0, 0, 1, 0, 4, 5]


def test_fold_is_the_transpose_of_unfold():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 3, 5, 4))
    y = rng.standard_normal((2, 5, 4, 27))
    assert np.isclose((net.unfold(x) * y).sum(), (x * net.fold(y, 3)).sum())


def test_gradients_agree_with_differences():
    network = net.Network(3)
    for layer in network.layers:
        for name in ("weight", "bias"):
            if hasattr(layer, name):
                setattr(layer, name, getattr(layer, name).astype(np.float64))
    rng = np.random.default_rng(4)
    images = rng.random((3, 1, 8, 8))
    labels = np.array([0, 7, 2])
    _, gradients = network.loss_and_gradients(images, labels)

    step = 1e-6
    for parameter, gradient in zip(network.parameters(), gradients):
        for i in rng.integers(0, parameter.size, 5):
            at = np.unravel_index(i, parameter.shape)
            keep = parameter[at]
            parameter[at] = keep + step
            above, _ = network.loss_and_gradients(images, labels)
            parameter[at] = keep - step
            below, _ = network.loss_and_gradients(images, labels)
            parameter[at] = keep
            assert np.isclose(gradient[at], (above - below) / (2 * step), rtol=1e-4, atol=1e-8)


def test_exported_model_computes_what_numpy_computes(trained):
    _, _, images, _ = train.load()
    images = images[:40]
    assert np.allclose(trained.forward(images), run_onnx(trained, images), rtol=1e-4, atol=1e-4)


def test_training_is_reproducible(trained):
    images, labels, _, _ = train.load()
    again = train.train(images, labels, epochs=4)
    for a, b in zip(trained.parameters(), again.parameters()):
        assert a.dtype == np.float32
        assert np.array_equal(a, b)


def test_held_out_digits_are_held_out_and_recognised(trained):
    images, labels, test_images, test_labels = train.load()
    assert len(images) + len(test_images) == 1797
    assert test_images.dtype == np.float32 and test_images.shape[1:] == (1, 8, 8)
    assert 0 <= test_images.min() and test_images.max() <= 1
    right = (trained.forward(test_images).argmax(axis=1) == test_labels).mean()
    assert right >= 0.9


def test_dataset_files(tmp_path):
    _, _, images, labels = train.load()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "stale.npy").write_bytes(b"from an earlier run")
    train.write_dataset(tmp_path, images[:5], labels[:5])
    names = sorted(p.name for p in (tmp_path / "images").iterdir())
    assert names == ["digit%03d.npy" % i for i in range(5)]
    first = np.load(tmp_path / "images" / "digit000.npy")
    assert first.dtype == np.float32 and first.shape == (1, 1, 8, 8)
    assert np.array_equal(first[0], images[0])
    assert accuracy.read_labels(tmp_path / "labels.csv") == [
        ("digit%03d" % i, int(labels[i])) for i in range(5)
    ]


def write_results(folder, winners):
    folder.mkdir()
    for i, winner in enumerate(winners):
        scores = np.full((1, 10), -1, dtype=np.float32)
        scores[0, winner] = 3
        np.save(folder / ("s%d_0.npy" % i), scores)


def run_accuracy(tmp_path, *more):
    command = [sys.executable, str(EXAMPLE / "accuracy.py"), str(tmp_path / "out"), str(tmp_path / "l.csv")]
    return subprocess.run(command + list(more), capture_output=True, text=True, timeout=60)


def test_accuracy_counts_result_files(tmp_path):
    write_results(tmp_path / "out", [1, 2, 3, 4])
    (tmp_path / "l.csv").write_text("name,label\ns0,1\ns1,2\ns2,3\ns3,9\n")
    good = run_accuracy(tmp_path, "--at-least", "0.75")
    assert good.returncode == 0 and good.stdout.startswith("accuracy: 0.7500 (3 of 4,")
    bad = run_accuracy(tmp_path, "--at-least", "0.95")
    assert bad.returncode == 1 and "below the 0.95" in bad.stderr


@pytest.mark.parametrize("damage", ["missing", "truncated", "nan", "empty"])
def test_accuracy_refuses_unusable_results(tmp_path, damage):
    write_results(tmp_path / "out", [1, 2])
    (tmp_path / "l.csv").write_text("name,label\ns0,1\ns1,2\n")
    victim = tmp_path / "out" / "s1_0.npy"
    if damage == "missing":
        victim.unlink()
    elif damage == "truncated":
        victim.write_bytes(victim.read_bytes()[:-4])
    elif damage == "nan":
        np.save(victim, np.full((1, 10), np.nan, dtype=np.float32))
    else:
        np.save(victim, np.zeros((1, 0), dtype=np.float32))
    refused = run_accuracy(tmp_path)
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1


# --- the two commands, where they cannot go on ---------------------------------------------------------------

BASIC = "sh dirname pwd id sed awk df mkdir cat grep tail env rm touch find wc cksum basename".split()


@pytest.fixture
def bare_clone(tmp_path):
    """A clone on a machine that has neither compiler nor package manager: runs a command of tools/ there."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in BASIC:
        (tools / name).symlink_to(shutil.which(name))
    clone = tmp_path / "a clone"
    shutil.copytree(ROOT / "tools", clone / "tools", ignore=shutil.ignore_patterns("__pycache__"))

    def run(*command):
        arguments = [str(tools / "sh"), str(clone / "tools" / command[0]), *command[1:]]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60, env={"PATH": str(tools)})

    return run


@pytest.mark.parametrize("command", ["quickstart", "check"])
def test_set_up_names_what_is_missing_and_cannot_be_installed(bare_clone, command):
    refused = bare_clone(command)
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith(f"{command}: missing here:") and "neither apt-get nor dnf" in line
    assert " compiler " in line and " meson " in line


@pytest.mark.parametrize("command", ["quickstart", "check"])
def test_set_up_refuses_unknown_arguments(bare_clone, command):
    refused = bare_clone(command, "bogus")
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith(f"{command}: unknown ") and "'bogus'" in line


@pytest.mark.parametrize("command", ["quickstart", "check"])
def test_set_up_explains_itself(bare_clone, command):
    helped = bare_clone(command, "--help")
    assert helped.returncode == 0 and f"sh tools/{command}" in helped.stdout and helped.stderr == ""


def bare_machine(tmp_path, *commands):
    """A copy of tools/ and a PATH with only the basic commands, and those given as (name, script)."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "tools", clone / "tools")
    path = tmp_path / "bin"
    path.mkdir()
    for name in "sh dirname cat grep sed id mkdir rm tail df awk date uname env basename head".split():
        (path / name).symlink_to(shutil.which(name))
    for name, script in commands:
        (path / name).write_text("#!/bin/sh\n" + script + "\n")
        (path / name).chmod(0o755)
    return clone, {"PATH": str(path), "HOME": str(tmp_path), "CI": "1"}


def refuse(clone, environment, *command):
    done = subprocess.run(
        ["/bin/sh", *command], cwd=clone, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("tool", ["quickstart", "check"])
def test_a_distribution_without_apt_and_dnf(tmp_path, tool):
    line = refuse(*bare_machine(tmp_path), "tools/" + tool)
    assert line.startswith(tool + ": missing here: compiler")
    assert "neither apt-get nor dnf" in line and "docs/dependencies.md" in line


@pytest.mark.parametrize("manager, package", [("apt-get", "liburcu-dev"), ("dnf", "pkgconfig(liburcu-qsbr)")])
def test_neither_root_nor_sudo(tmp_path, manager, package):
    clone, environment = bare_machine(tmp_path, (manager, "exit 1"))
    (tmp_path / "bin" / "id").unlink()
    (tmp_path / "bin" / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "bin" / "id").chmod(0o755)
    line = refuse(clone, environment, "tools/quickstart")
    assert "needs root, and there is no sudo here" in line and package in line


@pytest.mark.parametrize(
    "says, sentence",
    [
        ("E: Temporary failure resolving 'mirror'", "cannot be reached"),
        ("E: No space left on device", "The disk is full"),
        ("E: Could not get lock /var/lib/dpkg/lock", "Another package manager is running"),
        ("E: Unable to locate package meson", '"universe"'),
    ],
)
def test_a_package_manager_that_fails(tmp_path, says, sentence):
    script = 'echo "%s" >&2; exit 100' % says.replace('"', "")
    clone, environment = bare_machine(tmp_path, ("apt-get", script), ("sudo", 'shift; exec "$@"'))
    line = refuse(clone, environment, "tools/quickstart")
    assert "apt-get could not install" in line and "build/logs/packages.log" in line and sentence in line


def test_unknown_arguments(tmp_path):
    clone, environment = bare_machine(tmp_path)
    assert "unknown argument '--fast'" in refuse(clone, environment, "tools/quickstart", "--fast")
    assert "unknown step 'lint'" in refuse(clone, environment, "tools/check", "lint")


def test_tests_are_counted_one_by_one(tmp_path):
    junit = tmp_path / "e2e.xml"
    junit.write_text("<s><testcase/><testcase><skipped/></testcase><testcase><error/></testcase></s>")
    tap = "1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no device\n"
    entries = [
        {"result": "FAIL", "stdout": tap, "starttime": 1, "command": ["test"]},
        {"result": "FAIL", "stdout": "", "starttime": 1, "command": ["python", "--junitxml=%s" % junit]},
        # Left by an earlier run: not counted.
        {"result": "TIMEOUT", "stdout": "", "starttime": 1e11, "command": ["python", "--junitxml=%s" % junit]},
        {"result": "OK", "stdout": "", "starttime": 1, "command": ["test"]},
        {"result": "ERROR", "stdout": "ok 1 - a\n", "starttime": 1, "command": ["test"]},
    ]
    log = tmp_path / "testlog.json"
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    count = [sys.executable, str(ROOT / "tools" / "count_tests.py")]
    assert subprocess.check_output(count + [str(log)], text=True) == "4 4 2\n"
    assert subprocess.check_output(count + [str(tmp_path / "none")], text=True) == "0 0 0\n"
