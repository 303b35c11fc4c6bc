# SPDX-License-Identifier: MIT
"""Copies that are not made, threads, sessions nobody frees, the end of the interpreter in several orders, and fork: each
in a process of its own, whose simulated device must have nothing to complain of."""

from compat import (  # noqa: F401
    close, each_engine, harness, made, model, no_complaints, nothing_left, opened, program, shapes, wanted,
)

import textwrap
import threading

import ascend
import pytest

OPEN = """
    s = InferSession(0, sys.argv[1])
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    w = np.ones((2, 6), np.float32)
"""


def run(engine, text, **how):
    return program(textwrap.dedent(OPEN) + textwrap.dedent(text), model(engine, "static"), **how)


def copies(calls) -> int:
    return calls.get("aclrtMemcpy", 0) + calls.get("aclrtMemcpyAsync", 0)


@ascend.needed
def test_device_tensors_go_round_without_copies():
    few, many = (
        run("acl", f"""
            s.infer_iteration([x, w], [0, -1], {times})
            s.free_resource(); s.finalize()
        """).calls
        for times in (2, 1000)
    )
    assert copies(few) == copies(many) == 4  # two inputs, two outputs
    assert (few["aclmdlExecute"], many["aclmdlExecute"]) == (2, 1000)
    assert few["aclrtMalloc"] <= many["aclrtMalloc"] <= few["aclrtMalloc"] + 4, "rounds allocate nothing"


@ascend.needed
def test_out_array_false_copies_nothing_back():
    calls = run("acl", """
        t = [s.create_tensor_from_arrays_to_device(a) for a in (x, w)]
        for _ in range(50):
            t = s.infer(t, out_array=False)
        s.first_inner_run(t)
        for _ in range(50):
            s.inner_run([0, -1])
        u = s.inner_run([0, -1], get_outputs=True, mem_copy=False)
        s.session.run(s.outputs_names, t)
    """).calls
    assert copies(calls) == 2 and calls["aclmdlExecute"] == 103


@each_engine
def test_threads_share_a_session(opened, engine):
    sessions = {mode: opened(engine, mode) for mode in ("static", "dymshape")}
    failures = []

    def work(mode, number):
        try:
            for k in range(30):
                shape = shapes(mode)[(number + k) % len(shapes(mode))]
                feeds = made(shape, number * 100 + k)
                close(sessions[mode].infer(feeds, mode), wanted(mode, feeds))
                if k % 10 == 0:
                    outputs = sessions[mode].infer_pipeline([feeds] * 3, mode)
                    close(outputs[2], wanted(mode, feeds))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(mode, k)) for k in range(3) for mode in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@each_engine
def test_freed_while_others_execute(engine):
    run(engine, """
        import threading
        stopped = []
        def work():
            try:
                while True:
                    s.infer([x, w]); s.infer([x, w], out_array=False)
            except RuntimeError as error:
                stopped.append(str(error))
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads: t.start()
        import time; time.sleep(0.05)
        s.free_resource()
        for t in threads: t.join(20)
        assert len(stopped) == 4, stopped
    """)


@each_engine
def test_tensors_that_move_while_they_are_fed(engine):
    run(engine, """
        import threading
        t = aclruntime.Tensor(x)
        done = False
        want = s.infer([x, w])[0]
        def move():
            while not done:
                t.to_device(0); t.to_host()
        mover = threading.Thread(target=move)
        mover.start()
        for _ in range(300):
            assert (s.infer([t, w])[0] == want).all()
        done = True
        mover.join()
    """)


ENDS = {
    "nothing": "",
    "free": "s.free_resource()",
    "free and finalize": "s.free_resource(); s.finalize()",
    "finalize": "InferSession.finalize()",
    "finalize twice, then free": "s.finalize(); s.finalize(); s.free_resource(); s.free_resource()",
    "drop": "del s",
    "drop all": "del s, out, dev, seen, t",
    "tensors first": "del out, dev, t; s.finalize()",
    "cycle": "s.me = s; out.append(out); del s, out; import gc; gc.collect()",
    "cycle that stays": "s.me = s; dev.append(dev); del s, dev",
    "atexit": "import atexit; atexit.register(s.free_resource); atexit.register(lambda: dev[0].to_host())",
    "atexit finalize": "import atexit; atexit.register(s.finalize)",
    "in a module": "sys.kept = (s, dev, out); del s",
    "exit": "sys.exit(0)",
}


@each_engine
@pytest.mark.parametrize("end", ENDS)
def test_the_end(engine, end):
    run(engine, f"""
        t = aclruntime.Tensor(x); seen = np.asarray(t); t.to_device(0)
        out = s.infer([t, w]); dev = s.infer([x, w], out_array=False)
        s.first_inner_run([x, w])
        extra = InferSession(0, sys.argv[1]); extra.infer(dev)
        del extra
        {ENDS[end]}
    """)


@each_engine
@pytest.mark.parametrize("call", ["s.infer([x, w])", "s.infer_pipeline([[x, w]] * 4)", "s.infer_iteration([x, w], [0, -1], 5)"])
def test_the_end_with_a_run_in_flight(engine, call):
    run(engine, f"""
        import threading
        def work():
            try:
                while True:
                    {call}
            except RuntimeError:
                pass
        threading.Thread(target=work, daemon=True).start()
        import time; time.sleep(0.05)
    """)


@each_engine
def test_after_finalize(engine):
    run(engine, """
        t = aclruntime.Tensor(x).to_device(0)
        dev = s.infer([t, w], out_array=False)
        want = [np.array(d.to_host()) for d in s.infer([t, w], out_array=False)]
        s.first_inner_run([t, w])
        assert InferSession.finalize() == InferSession.finalize() == 0
        calls = [lambda: s.infer([x, w]), lambda: s.infer([t, w]), lambda: s.run([x, w]), lambda: s.inner_run([0, -1]),
                 lambda: s.get_inputs(), lambda: s.summary(), lambda: s.infer_iteration([x, w], [0, -1], 4),
                 lambda: s.infer_pipeline([[x, w]] * 3), lambda: s.set_staticbatch()]
        for number, call in enumerate(calls):
            try:
                call()
            except RuntimeError:
                continue
            raise AssertionError(f"no error of call {number}")
        for tensor in (t, *dev):
            try:
                tensor.to_host()
            except RuntimeError:
                pass
        assert s.free_resource() == 0 and s.finalize() == 0
    """)


@each_engine
def test_sessions_come_and_go(engine):
    run(engine, """
        want = s.infer([x, w])
        for k in range(30):
            other = InferSession(0, sys.argv[1])
            got = other.infer([x, w])
            assert all((g == v).all() for g, v in zip(got, want))
            if k % 3 == 0: other.free_resource()
    """)


@ascend.needed
def test_a_model_that_fails_to_load_does_no_harm(tmp_path):
    (tmp_path / "bad.om").write_bytes(b"no model")
    program("""
        for path, device in ((sys.argv[1], 9), (sys.argv[2], 0), (sys.argv[1], 9), (sys.argv[2], 0)):
            try:
                InferSession(device, path)
            except RuntimeError as error:
                print(error)
            else:
                raise AssertionError(path)
        s = InferSession(0, sys.argv[1])
        s.infer([np.zeros((2, 6), np.float32)] * 2)
    """, model("acl", "static"), tmp_path / "bad.om")


@each_engine
def test_fork(engine):
    run(engine, """
        import os, warnings
        warnings.simplefilter("ignore")
        t = aclruntime.Tensor(x).to_device(0)
        out = s.infer([t, w])
        child = os.fork()
        if child == 0:
            status = 0
            for call in (lambda: s.infer([x, w]), lambda: s.infer([t, w], out_array=False), lambda: s.get_inputs(),
                         lambda: s.infer_iteration([x, w], [0, -1], 3), lambda: s.set_staticbatch(),
                         lambda: s.infer_pipeline([[x, w]])):
                try:
                    call()
                    status = 3
                except RuntimeError as error:
                    if "fork" not in str(error):
                        print(error, flush=True); status = 4
            s.free_resource(); s.finalize()
            sys.stdout.flush()
            os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        again = s.infer([t, w])
        assert all((a == b).all() for a, b in zip(out, again))
    """)


@each_engine
def test_a_forked_child_that_ends_by_itself(engine):
    run(engine, """
        import os, warnings
        warnings.simplefilter("ignore")
        kept = s.infer([x, w], out_array=False)
        child = os.fork()
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            s.infer([x, w])
    """)


@pytest.mark.parametrize("engine", ["openvino", pytest.param("acl", marks=ascend.needed)])
def test_memory_stays_flat(engine):
    if harness.SANITIZED:
        pytest.skip("sanitizers keep memory")
    run(engine, """
        import resource
        def many(n):
            for k in range(n):
                s.infer([x, w])
                s.convert_tensors_to_host(s.infer([x, w], out_array=False))
                s.infer_iteration([x, w], [0, -1], 3)
                aclruntime.Tensor(x).to_device(0)
                try: s.infer([x])
                except RuntimeError: pass
        def used():
            with open("/proc/self/statm") as f: return int(f.read().split()[1]) * resource.getpagesize()
        many(500)
        before = used()
        many(3000)
        grown = used() - before
        assert grown < 2 << 20, grown
    """)
