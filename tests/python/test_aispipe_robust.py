# SPDX-License-Identifier: MIT
"""Wrong arguments of every kind, forks, ends of the process, and memory: exceptions, never a crash.

AISPIPE_FUZZ_SEED and AISPIPE_FUZZ_COUNT choose another, or a longer, walk through the argument space.
"""

import array
import gc
import os
import random
import signal
import subprocess
import sys
import textwrap

import models
import numpy
import pytest
from aispipe import _native

import aispipe

SEED = int(os.environ.get("AISPIPE_FUZZ_SEED", "20240229"))
COUNT = int(os.environ.get("AISPIPE_FUZZ_COUNT", "4000"))


@pytest.fixture(scope="module")
def relu(tmp_path_factory):
    return models.relu(tmp_path_factory.mktemp("robust") / "relu.onnx")


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return models.slow(tmp_path_factory.mktemp("robust") / "slow.onnx")


GOOD = numpy.linspace(-1, 1, 16, dtype="float32").reshape(1, 16)


class Hostile:
    """Lies in every protocol that it takes part in."""

    def __init__(self, number):
        self.number = number

    def __len__(self):
        return self.number

    def __array__(self, *_, **__):
        raise MemoryError("no")

    def __dlpack_device__(self):
        return [(1, 0), (), None, ("a", "b"), (2, 0)][self.number % 5]

    def __dlpack__(self, **_):
        return None

    def __index__(self):
        raise OverflowError("too large")


@pytest.mark.parametrize("name, bad, error, needle", [
    ("byte size", GOOD[:, :8].copy(), ValueError, r"shape \(1, 16\), got \(1, 8\)"),
    ("rank", GOOD[0], ValueError, r"shape \(1, 16\), got \(16,\)"),
    ("dtype", GOOD.astype("float64"), TypeError, r"float32, got float64.*astype\('float32'\)"),
    ("integers", GOOD.astype("int32"), TypeError, "float32, got int32"),
    ("empty", GOOD[:, :0], ValueError, r"got \(1, 0\)"),
    ("objects", GOOD.astype(object), TypeError, "dtype object"),
    ("complex", GOOD.astype("complex64"), TypeError, "dtype complex64"),
    ("text", numpy.array([["x"] * 16]), TypeError, "dtype <U1"),
    ("times", GOOD.astype("M8[s]"), TypeError, "datetime64"),
    ("fields", numpy.zeros((1, 16), [("a", "f4")]), TypeError, "dtype"),
    ("bytes", bytes(64), TypeError, "float32, got uint8"),
    ("list", GOOD.tolist(), TypeError, "expected an array"),
    ("None", None, TypeError, "expected an array"),
    ("number", 1.0, TypeError, "expected an array"),
])
def test_what_is_wrong_is_said(relu, name, bad, error, needle):
    with aispipe.Session(relu) as session:
        with pytest.raises(error, match="input 0 'x'.*" + needle):
            session(bad)
        assert session(GOOD)[0, 15] == 1


def test_count_of_inputs(relu):
    with aispipe.Session(relu) as session:
        for feeds in ((), (GOOD, GOOD)):
            with pytest.raises(ValueError, match=f"takes 1 input, got {len(feeds)}"):
                session(*feeds)
        with pytest.raises(TypeError, match="by name"):
            session(x=GOOD)


def test_bytes_alone_count_where_not_strict(relu):
    with aispipe.Session(relu) as session:
        for feed in (GOOD.tobytes(), GOOD.view("int32"), GOOD.reshape(4, 4), bytearray(GOOD), array.array("f", GOOD[0]),
                     GOOD.reshape(2, 8).T, numpy.frombuffer(bytearray(GOOD), "uint8")):
            y, = session.execute([feed])
            assert y.shape == (1, 16)
        with pytest.raises(ValueError, match=r"'x'.*64.*60|'x'.*60.*64"):
            session.execute([GOOD.tobytes()[:60]])
        assert session.execute([GOOD], False, None, False, []) == []
        tensor, = session.execute([GOOD], False, aispipe.Tensor, True, [0], 3)
        assert tensor.device == 0
        for bad in ([GOOD], 0, None, False, [1]), ([GOOD], 0, None, False, [-1]), ([GOOD], 0, int), \
                   ([GOOD], 0, None, 0, None, -1), ([GOOD], 0, None, 0, None, 0, "shape"), (), ([GOOD],) * 9, (3,):
            with pytest.raises((TypeError, ValueError)):
                session.execute(*bad)


def test_feeds_of_another_device_and_freed_ones(relu):
    with aispipe.Session(relu) as session:
        tensor = aispipe.Tensor(GOOD)
        tensor.free()
        with pytest.raises(aispipe.ClosedError, match="freed"):
            session(tensor)
        elsewhere = aispipe.Tensor(GOOD).to_device(3)
        assert elsewhere.device == 3
        with pytest.raises(ValueError, match="device 3"):
            session(elsewhere)


def odd_value(rng):
    """Something that somebody, some day, passes as an argument."""
    shape = rng.choice([(), (0,), (1,), (16,), (1, 16), (4, 4), (1, 0, 3), (2,) * 20, (1,) * 32])
    dtype = rng.choice(["f4", ">f4", "f8", "f2", "i1", "u1", "i4", "i8", "u8", "?", "c8", "O", "U3", "S2", "V2", "V5",
                        "M8[ns]", "g"])
    makers = [
        lambda: numpy.zeros(shape, dtype) if numpy.prod(shape) < 2 ** 21 else GOOD,
        lambda: GOOD, lambda: GOOD[:, ::-1], lambda: GOOD.T, lambda: GOOD[:, ::2], lambda: GOOD.astype(dtype[:2]),
        lambda: aispipe.Tensor(GOOD), lambda: aispipe.Tensor(GOOD).to_device(rng.randint(0, 2)),
        lambda: Hostile(rng.randint(0, 20)), lambda: memoryview(bytes(rng.randint(0, 80))), lambda: b"x" * 64,
        lambda: rng.choice([None, True, -1, 0, 1, 2 ** 31, 2 ** 63, 2 ** 70, -2 ** 63, 1.5, float("nan"), "", "x", "\0",
                            "x:1,16", "x:-1,16", "\ud800", [], (), {}, {"x": GOOD}, [1, 16], (1, 16), [-1], [2 ** 62] * 2,
                            range(3), iter([]), object(), int, aispipe.Tensor, len]),
        lambda: numpy.float32(1), lambda: numpy.ma.masked_array(GOOD), lambda: (3, 0, 0, 0, "x:1,16", None, False),
        lambda: (rng.randint(-1, 6), rng.randint(-1, 3), 0, 0, None, [rng.randint(0, 99)], True),
    ]
    return rng.choice(makers)()


def test_fuzz(relu, tmp_path):
    rng = random.Random(SEED)
    sessions = [aispipe.Session(relu), aispipe.Session(models.relu(tmp_path / "open.onnx", (None, None)))]
    closed = aispipe.Session(relu)
    closed.close()
    targets = [
        lambda s: s, lambda s: s.execute, lambda s: s.set_shape, lambda s: lambda *a: _native.Session.set_shape(s, *a),
        lambda s: s.set_output_sizes, lambda s: s.set_loop, lambda s: s.set_aipp, lambda s: s.find_output,
        lambda s: s.run, lambda s: s.record, lambda s: lambda *a: list(aispipe.Pipeline(s).map(*a)),
        lambda s: lambda *a: _native.Stream(s, inflight=2).push(*a), lambda s: _native.Stream,
        lambda s: aispipe.Tensor, lambda s: aispipe.Tensor.empty, lambda s: aispipe.Tensor(GOOD).view,
        lambda s: aispipe.Tensor(GOOD).to_device, lambda s: aispipe.Tensor(GOOD).__dlpack__,
        lambda s: lambda *a: aispipe.Tensor(GOOD).__dlpack__(max_version=a[0] if a else None),
        lambda s: _native.aipp_read, lambda s: _native.transfers, lambda s: _native.dtype_name,
        lambda s: lambda *a: aispipe.Session(relu, **{rng.choice(["device", "backend", "engine_device", "threads",
                                                                 "engine_options", "aipp_config", "acl_json"]): a[0]
                                                      if a else None}).close(),
        lambda s: s.__init__,
    ]
    allowed = (TypeError, ValueError, RuntimeError, BufferError, OverflowError, MemoryError, AttributeError, OSError,
               UnicodeError)
    outcomes = {"fine": 0, "refused": 0}
    for step in range(COUNT):
        session = closed if rng.random() < 0.05 else rng.choice(sessions)
        values = [odd_value(rng) for _ in range(rng.randint(0, 4))]
        if rng.random() < 0.3 and values:
            values[0] = [values[0]] * rng.randint(0, 3)
        try:
            rng.choice(targets)(session)(*values)
            outcomes["fine"] += 1
        except allowed as error:
            assert str(error) or isinstance(error, (AttributeError, MemoryError)), f"step {step}: {error!r} says nothing"
            assert not isinstance(error, SystemError)
            outcomes["refused"] += 1
        if step % 500 == 0:
            sessions[0].set_loop(1)
            _native.Session.set_shape(sessions[0], _native.STATIC)
            assert sessions[0](GOOD)[0, 15] == 1, f"step {step}: the session is broken"
    assert outcomes["fine"] > COUNT / 50 and outcomes["refused"] > COUNT / 3, outcomes


# ---------------------------------------------------------------- processes

def run(code, *arguments, status=0, timeout=60):
    """Runs a program of its own; its output."""
    program = "import os, sys, threading, time, numpy, aispipe\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program, *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
    assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr[-4000:])
    assert b"Fatal" not in done.stderr and b"Traceback" not in done.stderr, done.stderr
    return done.stdout.decode()


def test_exit_with_everything_open(relu):
    assert run("""
        session = aispipe.Session(sys.argv[1])
        x = numpy.ones((1, 16), "float32")
        y = session(x)
        tensor = session.on_device(x)[0]
        results = iter(aispipe.Pipeline(session).map([x] * 1000))
        next(results)
        print("end")
        """, relu) == "end\n"


def test_exit_with_runs_in_flight(slow):
    assert run("""
        session = aispipe.Session(sys.argv[1], threads=2)
        x = numpy.ones((512, 512), "float32")
        def work():
            try:
                while True:
                    session(x)
            except aispipe.ClosedError:
                pass
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        while session.stats()["executions"] < 2:
            time.sleep(0.001)
        print("end")
        """, slow) == "end\n"


def test_exit_with_a_pipeline_in_another_thread(slow):
    assert run("""
        session = aispipe.Session(sys.argv[1])
        x = numpy.ones((512, 512), "float32")
        began = threading.Event()
        def work():
            try:
                for _ in aispipe.Pipeline(session).map(x for _ in range(10**9)):
                    began.set()
            except aispipe.ClosedError:
                pass
        threading.Thread(target=work, daemon=True).start()
        began.wait()
        print("end")
        """, slow) == "end\n"


def test_child_of_a_fork_is_told(relu):
    assert run("""
        session = aispipe.Session(sys.argv[1])
        x = numpy.ones((1, 16), "float32")
        y = session(x)
        results = iter(aispipe.Pipeline(session).map([x] * 1000))
        next(results)
        child = os.fork()
        if child == 0:
            for use in (lambda: session(x), session.stats, lambda: next(results), lambda: session.inputs):
                try:
                    use()
                    os._exit(3)
                except aispipe.ClosedError as error:
                    assert "forked" in str(error), error
            assert session.closed
            session.close()
            del session, results
            assert y[0, 0] == 1
            sys.exit(7)
        _, status = os.waitpid(child, 0)
        assert os.WEXITSTATUS(status) == 7, status
        assert len(list(results)) == 999
        print(session(x)[0, 0])
        """, relu) == "1.0\n"


def test_fork_while_another_thread_calls(relu):
    assert run("""
        session = aispipe.Session(sys.argv[1])
        x = numpy.ones((1, 16), "float32")
        def work():
            try:
                while True:
                    session(x)
            except aispipe.ClosedError:
                pass
        threading.Thread(target=work, daemon=True).start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                try:
                    session(x)
                except aispipe.ClosedError:
                    os._exit(7)
                os._exit(3)
            assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
        print("end")
        """, relu, timeout=120) == "end\n"


def test_interrupt_ends_a_wait(slow):
    code = """
        session = aispipe.Session(sys.argv[1])
        x = numpy.ones((512, 512), "float32")
        try:
            for _ in aispipe.Pipeline(session, inflight=2).map(x for _ in range(10**9)):
                print("go", flush=True)
        except KeyboardInterrupt:
            print("stopped")
        """
    program = "import sys, numpy, aispipe\n" + textwrap.dedent(code)
    process = subprocess.Popen([sys.executable, "-c", program, str(slow)], stdout=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell may ignore it
    assert process.stdout.readline() == b"go\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.endswith(b"stopped\n")


# ---------------------------------------------------------------- memory

flat = pytest.mark.skipif(os.environ.get("AISPIPE_SANITIZER", "none") != "none",
                          reason="a sanitizer keeps what was freed for a while")


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def assert_flat(calls, before, then):
    """`calls(then)` takes no memory that lasts, once `calls(before)` has taken what is taken once."""
    calls(before)
    gc.collect()
    used = resident()
    calls(then)
    gc.collect()
    assert resident() - used < 2 << 20


@flat
def test_many_calls_hold_memory_flat(relu):
    with aispipe.Session(relu) as session:
        def calls(n):
            for _ in range(n):
                session(GOOD)
                session.execute([GOOD], False, aispipe.Tensor)

        assert_flat(calls, 5000, 100000)


@flat
def test_refused_calls_hold_memory_flat(relu):
    with aispipe.Session(relu) as session:
        def calls(n):
            for _ in range(n):
                for bad in (GOOD[:, :3], None, GOOD.astype("O"), GOOD[:, ::-1].astype(">f8")):
                    try:
                        session(bad)
                    except (TypeError, ValueError):
                        pass

        assert_flat(calls, 500, 5000)


@flat
def test_many_sessions_and_streams_hold_memory_flat(relu):
    def rounds(n):
        for _ in range(n):
            session = aispipe.Session(relu)
            session(GOOD)
            results = iter(aispipe.Pipeline(session, inflight=4).map([GOOD] * 10))
            next(results)
            del results, session  # nobody closes anything
        gc.collect()

    rounds(15)
    before, descriptors = resident(), len(os.listdir("/proc/self/fd"))
    rounds(40)
    assert resident() - before < 8 << 20
    assert len(os.listdir("/proc/self/fd")) <= descriptors
