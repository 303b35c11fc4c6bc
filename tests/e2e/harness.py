# SPDX-License-Identifier: MIT
"""Starting the program under test, and reading what it left behind."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("AISPIPE", str(ROOT / "build" / "aispipe"))
SANITIZER = os.environ.get("AISPIPE_SANITIZER", "none")
SANITIZED = SANITIZER not in ("", "none")

# Statuses that no run of the program gives by itself, so that a sanitizer's finding is never taken for one.
SANITIZER_STATUS = 86
SANITIZER_REPORTS = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")

NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
OWN_TEMPORARY = re.compile(r"^\..*\.tmp$|\.tmp$")


@dataclass
class Run:
    """What one run of the program said, did and cost."""

    command: list
    status: int
    stdout: str
    stderr: str
    wall: float  # seconds
    cpu: float  # seconds, user and system

    @property
    def lines(self) -> list:
        return self.stdout.splitlines()

    @property
    def errors(self) -> list:
        return [line for line in (self.stdout + "\n" + self.stderr).splitlines() if "[ERROR]" in line]

    def __repr__(self) -> str:
        return (
            f"\n$ {shlex.join(self.command)}\nexit status {self.status} after {self.wall:.2f} s"
            f"\n--- stdout ---\n{self.stdout[-6000:]}\n--- stderr ---\n{self.stderr[-6000:]}"
        )


def sanitizer_environment(**more) -> dict:
    """Options that make a finding visible and distinct; what the caller has set already is kept. `more`: further
    options by the name of their variable."""
    common = f"exitcode={SANITIZER_STATUS}"
    wanted = {
        "ASAN_OPTIONS": common,
        "LSAN_OPTIONS": common,
        "UBSAN_OPTIONS": f"{common}:print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": common,
    }
    for key in ("LSAN", "TSAN"):
        accepted = ROOT / "tests" / f"{key.lower()}.supp"
        if accepted.exists() and "suppressions=" not in os.environ.get(f"{key}_OPTIONS", ""):
            wanted[f"{key}_OPTIONS"] += f":suppressions='{accepted}'"
    result = {k: ":".join(filter(None, [os.environ.get(k, ""), v, more.get(k, "")])) for k, v in wanted.items()}
    # OpenVINO's thread library opens its parts in a way that sanitizers refuse, unless told so.
    result["TBB_ENABLE_SANITIZERS"] = "1"
    return result


def environment(extra=None) -> dict:
    base = dict(os.environ)
    base.update(sanitizer_environment())
    base["LC_ALL"] = "C.UTF-8"
    base["TBB_ENABLE_SANITIZERS"] = "1"  # OpenVINO's thread library: no RTLD_DEEPBIND, which sanitizers refuse
    base.update(extra or {})
    return base


class Process:
    """A run that is still going. Output goes to files, so that no pipe can fill up and stall it."""

    def __init__(self, arguments, env=None, cwd=None, before_exec=None):
        self.command = [PROGRAM] + [str(a) for a in arguments]
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            env=environment(env),
            cwd=cwd,
            umask=0o022,
            preexec_fn=before_exec,
        )

    def signal(self, number) -> None:
        os.kill(self.process.pid, number)

    def read_stdout(self) -> str:
        return os.pread(self._out.fileno(), 1 << 24, 0).decode("utf-8", "replace")

    def alive(self) -> bool:
        """Whether it still runs. Unlike poll(), this leaves its status and its times for wait()."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def peak_memory(self) -> int:
        """Bytes of memory it has had at most, so far; 0 when it has ended. (The figure that wait4 gives is of no
        use: it begins with the memory of the Python process that started it.)"""
        with open(f"/proc/{self.process.pid}/status") as status:
            return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))

    def wait(self, timeout=20.0) -> Run:
        """Waits for the end; a run that does not end is killed, and the test fails."""
        hung = threading.Event()

        def kill():
            hung.set()
            self.process.kill()

        timer = threading.Timer(timeout, kill)
        timer.start()
        try:
            _, raw, usage = os.wait4(self.process.pid, 0)
        finally:
            timer.cancel()
        wall = time.monotonic() - self.started
        status = os.waitstatus_to_exitcode(raw)
        self.process.returncode = status
        run = Run(
            self.command,
            status,
            self._slurp(self._out),
            self._slurp(self._err),
            wall,
            usage.ru_utime + usage.ru_stime,
        )
        assert not hung.is_set(), f"did not end within {timeout} s{run}"
        assert not SANITIZER_REPORTS.search(run.stderr), run
        assert status != SANITIZER_STATUS, run
        return run

    @staticmethod
    def _slurp(file) -> str:
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
        file.close()
        return text


def start(*arguments, **how) -> Process:
    return Process(arguments, **how)


def aispipe(*arguments, status=0, timeout=20.0, **how) -> Run:
    """Runs the program to its end. `status`: what it must exit with; None: anything."""
    run = Process(arguments, **how).wait(timeout * (5 if SANITIZED else 1))
    if status is not None:
        assert run.status == status, f"exit status {run.status}, wanted {status}{run}"
    if status == 0:
        assert not run.errors, run
    return run


def assert_one_error(run: Run, status, *needles) -> None:
    """The run was refused or failed as it should: the right status, and one line that says all of it."""
    wanted = (status,) if isinstance(status, int) else tuple(status)
    assert run.status in wanted, f"exit status {run.status}, wanted {wanted}{run}"
    assert len(run.errors) == 1, f"{len(run.errors)} error lines, wanted 1{run}"
    assert run.errors[0].startswith("[ERROR] "), run
    assert run.errors[0] in run.stderr.splitlines(), f"the error line is not on stderr{run}"
    for word in ("Traceback", "terminate called", "Aborted", "core dumped", "Assertion"):
        assert word not in run.stderr + run.stdout, run
    strange = [s for s in run.stderr.splitlines() if not re.match(r"\[(ERROR|WARNING|INFO|DEBUG)\] ", s)]
    assert not strange, f"lines without a prefix: {strange}{run}"
    for needle in needles:
        assert re.search(str(needle), run.errors[0], re.IGNORECASE), f"{needle!r} is not in the error line{run}"


def wait_until(condition, timeout=20.0, what="it"):
    """Polls until `condition()` is true, and returns what it gave."""
    deadline = time.monotonic() + timeout * (5 if SANITIZED else 1)
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"{what} did not happen within {timeout} s")


# --- files ----------------------------------------------------------------------------------------------


def write_npy(path: Path, array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.save(file, array)
    return path


def write_bin(path: Path, data) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, (bytes, bytearray)) else np.ascontiguousarray(data).tobytes())
    return path


def npy_bytes(array) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def float_files(directory: Path, count: int, elements=16, ending=".bin", seed=7, prefix="s") -> list:
    """`count` samples of random float32 values, named s0, s1, …; returns the arrays."""
    generator = np.random.default_rng(seed)
    arrays = []
    for i in range(count):
        array = generator.standard_normal((1, elements)).astype(np.float32)
        write = write_npy if ending == ".npy" else write_bin
        write(directory / f"{prefix}{i}{ending}", array)
        arrays.append(array)
    return arrays


def tree(directory: Path) -> dict:
    """Every file below, relative path → bytes."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def temporaries(directory: Path) -> list:
    return [str(p) for p in directory.rglob("*") if OWN_TEMPORARY.search(p.name)]


def summary_of(output: Path, dirname: str) -> dict:
    return json.loads((output / f"{dirname}_summary.json").read_text())


def complement(data: bytes) -> bytes:
    """What the simulated device gives for an output as large as its input."""
    return (~np.frombuffer(data, np.uint8)).tobytes()


def field(run: Run, pattern: str):
    """The groups of the only stdout line that matches all of `pattern`, behind its prefix."""
    found = [m for m in (re.fullmatch(r"\[INFO\] " + pattern, line) for line in run.lines) if m]
    assert len(found) == 1, f"{len(found)} lines match {pattern!r}{run}"
    return found[0].groups()


# --- zstd -----------------------------------------------------------------------------------------------


class Zstd:
    """The few calls of libzstd that the tests need, so that neither a Python package nor the tool must exist."""

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
        size, pointer = ctypes.c_size_t, ctypes.c_char_p
        self.lib.ZSTD_compressBound.restype = size
        self.lib.ZSTD_compressBound.argtypes = [size]
        self.lib.ZSTD_compress.restype = size
        self.lib.ZSTD_compress.argtypes = [pointer, size, pointer, size, ctypes.c_int]
        self.lib.ZSTD_decompress.restype = size
        self.lib.ZSTD_decompress.argtypes = [pointer, size, pointer, size]
        self.lib.ZSTD_isError.restype = ctypes.c_uint
        self.lib.ZSTD_isError.argtypes = [size]

    def compress(self, data: bytes) -> bytes:
        room = self.lib.ZSTD_compressBound(len(data))
        buffer = ctypes.create_string_buffer(room)
        length = self.lib.ZSTD_compress(buffer, room, data, len(data), 3)
        assert not self.lib.ZSTD_isError(length)
        return buffer.raw[:length]

    def decompress(self, data: bytes, room=1 << 22) -> bytes:
        buffer = ctypes.create_string_buffer(room)
        length = self.lib.ZSTD_decompress(buffer, room, data, len(data))
        assert not self.lib.ZSTD_isError(length), "not a zstd frame"
        return buffer.raw[:length]


# --- injected faults ------------------------------------------------------------------------------------


class Faults:
    """The preloaded library of tests/faults: what to put into the environment of a run."""

    def __init__(self, library: Path, directory: Path):
        self.library = library
        self.directory = directory
        self._n = 0

    def environment(self, fault="malloc:0:NONE", path=None, callers=None, hit=None, counts=None) -> dict:
        result = {"LD_PRELOAD": str(self.library), "AISPIPE_FAULT": fault}
        if SANITIZED:
            # The sanitizer's own malloc, read, … must lie behind the ones that fail, or they would never be
            # asked; so the library goes first, and the check that forbids this is switched off.
            result["ASAN_OPTIONS"] = sanitizer_environment(ASAN_OPTIONS="verify_asan_link_order=0")["ASAN_OPTIONS"]
        for key, value in (("PATH", path), ("CALLERS", callers), ("HIT", hit), ("COUNTS", counts)):
            if value is not None:
                result[f"AISPIPE_FAULT_{key}"] = str(value)
        return result

    def unused(self, name: str) -> Path:
        self._n += 1
        return self.directory / f"{name}{self._n}"

    def count(self, *arguments, callers=None, path=None) -> dict:
        """Runs the program without a fault, and returns how often it called each group."""
        counts = self.unused("counts")
        aispipe(*arguments, env=self.environment(counts=counts, callers=callers, path=path))
        return {k: int(v) for k, v in (line.split() for line in counts.read_text().splitlines())}


SIGNALS = {"SIGINT": (signal.SIGINT, 130), "SIGTERM": (signal.SIGTERM, 143)}
