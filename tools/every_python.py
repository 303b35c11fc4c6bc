#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests of the Python packages with one built extension on every CPython from 3.9 on that is found here.

    python3 tools/every_python.py [--build build] [--only 3.9] [-- pytest arguments]

Looked at: python3* in the directories of PATH, in /usr/bin, /usr/local/bin and /opt/python/*/bin, and in the versions
that pyenv manages. Each gets a virtual environment of its own below <build>/every-python, with what the tests need; the
extension, the packages and the CPU engine are those of the build directory. Exit status: 1 when any of them failed.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ["numpy", "onnx", "onnxruntime", "pytest", "tqdm"]
LEAST = (3, 9)
# The cost is measured once, by the suite; the examples compare with other packages' newest releases.
FILES = ["aispipe_session", "aispipe_tensor", "aispipe_pipeline", "aispipe_robust", "compat_aipp", "compat_devices",
         "compat_feeds", "compat_fuzz", "compat_lives", "compat_runtime", "compat_session", "compat_summary"]
ABOUT = "import json, sys; print(json.dumps([sys.implementation.name, list(sys.version_info[:3]), sys.prefix == sys.base_prefix]))"


def candidates():
    places = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    places += [Path("/usr/bin"), Path("/usr/local/bin"), *sorted(Path("/opt/python").glob("*/bin"))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places += sorted((pyenv / "versions").glob("*/bin"))
    for place in places:
        if place != pyenv / "shims":
            yield from sorted(place.glob("python3*"))


def about(path):
    """(implementation, version, whether it is no virtual environment), or None where it does not run."""
    try:
        done = subprocess.run([str(path), "-c", ABOUT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, timeout=20, check=False)
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def interpreters():
    """Version → path, one for each version."""
    found = {}
    for path in candidates():
        if not path.name.replace("python3", "").replace(".", "").isdigit() and path.name != "python3":
            continue
        said = about(path)
        if said and said[0] == "cpython" and said[2] and tuple(said[1][:2]) >= LEAST:
            found.setdefault(tuple(said[1]), path)
    return dict(sorted(found.items()))


def environment(place, interpreter):
    """The virtual environment's Python; made where it is not there. Raises CalledProcessError."""
    python = place / "bin" / "python3"
    done = place / "complete"
    if not done.exists():
        subprocess.run([str(interpreter), "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                        "--only-binary=:all:", *NEEDED], check=True)
        done.write_text(" ".join(NEEDED))
    return python


def run_tests(python, build, arguments):
    """The files whose tests failed."""
    variables = dict(os.environ, PYTHONPATH=str(build / "src" / "python"), PYTHONDONTWRITEBYTECODE="1",
                     AISPIPE_PYTHON=str(build / "src" / "python"), AISPIPE_SIMATC=str(build / "simulator" / "simatc"),
                     AISPIPE=str(build / "aispipe"), AISPIPE_ACL_SIMULATOR=str(build / "simulator" / "libascendcl.so"))
    failed = []
    for name in FILES:  # each in a process of its own, as in the suite: the engines are set up once in one
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / f"tests/python/test_{name}.py")]
        if subprocess.run([*command, *arguments], env=variables, check=False).returncode != 0:
            failed.append(name)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the build directory (default: build)")
    parser.add_argument("--only", action="append", help="versions that begin so, such as 3.9; may be repeated")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    args = parser.parse_args()
    build = args.build.resolve()
    if not (build / "src/python/aispipe/_native.abi3.so").is_file():
        sys.exit(f"{build} has no src/python/aispipe/_native.abi3.so: build first (meson compile -C {args.build})")
    results = {}
    for version, path in interpreters().items():
        name = ".".join(map(str, version))
        if args.only and not any(name.startswith(only) for only in args.only):
            continue
        print(f"==> CPython {name} ({path})", flush=True)
        try:
            python = environment(build / "every-python" / name, path)
            failed = run_tests(python, build, args.pytest)
            results[name] = f"FAILED: {', '.join(failed)}" if failed else "passed"
        except subprocess.CalledProcessError as error:
            results[name] = f"FAILED: {' '.join(error.cmd)}"
    print(*(f"CPython {name}: {result}" for name, result in results.items()), sep="\n")
    sys.exit(not results or any(result != "passed" for result in results.values()))


if __name__ == "__main__":
    main()
