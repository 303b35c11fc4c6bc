# SPDX-License-Identifier: MIT
"""A walk through the argument space of `aclruntime` and `ais_bench`: whatever is passed to whatever call, in whatever
order, is done or is a RuntimeError; nothing crashes, hangs or spoils the next right call.

AISPIPE_FUZZ_SEED and AISPIPE_FUZZ_COUNT choose another, or a longer, walk.
"""

from compat import HOME, close, each_engine, made, model, no_complaints, nothing_left, shapes, wanted  # noqa: F401

import os
import random

import aclruntime
import numpy as np
import pytest
from ais_bench.infer.interface import InferSession, MultiDeviceSession

SEED = int(os.environ.get("AISPIPE_FUZZ_SEED", "20241128"))
COUNT = int(os.environ.get("AISPIPE_FUZZ_COUNT", "1500"))

MODES = ["static", "dymbatch", "dymhw", "dymdims", "dymshape"]


class Walk:
    """Draws calls and arguments; keeps what came out, to pass it in again."""

    def __init__(self, engine, mode):
        self.random = random.Random(f"{SEED} {engine} {mode}")
        self.engine, self.mode = engine, mode
        self.session = InferSession(0, model(engine, mode))
        self.spare = [aclruntime.Tensor(a) for a in made(shapes(mode)[0])]
        (HOME / "fuzz").mkdir(exist_ok=True)
        self.files = []
        for k, array in enumerate(made(shapes(mode)[0])):
            self.files.append(str(HOME / "fuzz" / f"{mode}{k}.npy"))
            np.save(self.files[-1], array)

    def odd(self):
        """Anything at all."""
        return self.random.choice([
            None, True, False, 0, 1, -1, 2, 7, 10**6, 2**31, 2**63, -(2**63), 1.5, float("nan"), float("inf"), "", "x", "y",
            "x:2,6;w:2,6", "x:1,2", ":;,", "a" * 5000, "\0", "é", b"bytes", bytearray(48), [], [0], [0, -1], [1, 0], [-1, -1],
            [10**9, 3], ["x"], [None], (), (1, 2), {}, {"x": 1}, {0: []}, object(), int, len, Ellipsis, 3j,
            np.float32(1), np.int64(3), np.str_("s"), np.zeros(0), np.zeros((2, 6), np.float32), np.array(None), np.arange(3),
            np.array(["s"]), np.zeros((2, 6), ">f4"), np.zeros((1,) * 32, np.int8), range(2), iter([1]), self.spare, self.files,
            self.files[0], [self.files], self.spare[0], aclruntime.infer_options(), aclruntime.session_options(),
            aclruntime.float32, self.session.intensors_desc, self.session.intensors_desc[0], self.session.outputs_names,
        ])

    def number(self, *good):
        """How often something is done: not for ever."""
        odd = self.either(*good)
        return 3 if isinstance(odd, int) and odd > 10 else odd

    def feed(self):
        """Something that may well be fed."""
        shape = self.random.choice(shapes(self.mode))
        array = self.random.choice(made(shape, self.random.randrange(5)))
        draw = self.random.randrange(9)
        if draw == 0:
            return self.odd()
        if draw == 1 and self.spare:
            return self.random.choice(self.spare)
        if draw == 2:
            return aclruntime.BaseTensor(array.ctypes.data, array.nbytes) if array.base is None else array
        if draw == 3:
            return array.astype(self.random.choice([np.float64, np.int8, ">f4", np.float16]))
        if draw == 4:
            return np.asfortranarray(array)
        if draw == 5:
            return array[..., ::2]
        return array

    def feeds(self):
        if self.random.random() < 0.05:
            return self.odd()
        return [self.feed() for _ in range(self.random.choice([2, 2, 2, 2, 2, 1, 3, 0]))]

    def sets(self):
        return self.odd() if self.random.random() < 0.1 else [self.feeds() for _ in range(self.random.randrange(4))]

    def either(self, *good):
        return self.odd() if self.random.random() < 0.25 else self.random.choice(good)

    def how(self):
        mode = self.either(self.mode, self.mode, self.mode, *MODES)
        return (mode,) if self.random.random() < 0.6 else (mode, self.either(100000, [4096, 4096], 0, 1))

    def calls(self):
        s, r = self.session, self.session.session
        names = self.either(s.outputs_names, s.outputs_names[:1], [])
        in_out = self.either([0, -1], [1, 0], [-1, -1])
        tensor = self.random.choice(self.spare)
        shape = self.random.choice(shapes(self.mode))
        text = f"x:{','.join(map(str, shape))};w:{','.join(map(str, shape))}"
        return [
            lambda: s.infer(self.feeds(), *self.how(), **self.random.choice([{}, {"out_array": False}])),
            lambda: s.run(self.feeds(), self.either(True, False)),
            lambda: s.infer_pipeline(self.sets(), *self.how()),
            lambda: s.infer_iteration(self.feeds(), in_out, self.number(1, 2, 3), *self.how()),
            lambda: s.first_inner_run(self.feeds(), *self.how()),
            lambda: s.inner_run(in_out, self.either(True, False), self.either(True, False)),
            lambda: s.run_pipeline(self.either([self.files]), self.either(None, str(HOME / "fuzz" / "out")),
                                   self.either(False, True), self.either(False, True), self.either("BIN", "NPY", "TXT"),
                                   self.either(False, True), self.either(None, [s])),
            lambda: s.set_loop_count(self.number(1, 2)), lambda: s.set_staticbatch(),
            lambda: s.set_dynamic_batchsize(self.either(shape[0])), lambda: s.set_dynamic_hw(self.either(8), self.either(8)),
            lambda: s.set_dynamic_dims(self.either(text)), lambda: s.set_dynamic_shape(self.either(text)),
            lambda: s.set_custom_outsize(self.either([4096, 4096], [100000], [])),
            lambda: s.create_tensor_from_fileslist(self.either(*s.get_inputs()), self.either(self.files[:1], self.files)),
            lambda: self.keep(s.create_tensor_from_arrays_to_device(self.feed())),
            lambda: s.convert_tensors_to_host(self.either(self.spare, [])),
            lambda: s.convert_tensors_to_arrays(self.either(self.spare, [])),
            lambda: s.load_aipp_config_file(self.odd(), self.odd()), lambda: s.get_dym_aipp_input_exist(),
            lambda: s.aipp_set_csc_params(self.odd(), self.odd()), lambda: s.aipp_set_input_format(self.odd()),
            lambda: (s.get_inputs(), s.get_outputs(), s.summary(), s.reset_summaryinfo(), str(r)),
            lambda: r.run(names, self.feeds()), lambda: r.first_inner_run(names, self.feeds()),
            lambda: r.inner_run(in_out, names, self.either(True, False), self.odd()),
            lambda: r.run_pipeline(names, self.sets(), self.either([]), self.either(False), self.either(False)),
            lambda: r.run_pipeline(self.either([self.files]), self.either(aclruntime.infer_options()), self.either([])),
            lambda: r.run_pipeline(self.odd(), self.odd()),
            lambda: r.aipp_set_crop_params(self.odd()), lambda: r.aipp_set_pixel_var_reci(self.odd()),
            lambda: r.aipp_set_max_batch_size(self.odd()), lambda: r.set_dym_aipp_info_set(),
            lambda: self.keep(aclruntime.Tensor(self.feed())), lambda: aclruntime.BaseTensor(self.odd(), 0),
            lambda: tensor.to_device(self.either(0, 1)), lambda: tensor.to_host(), lambda: (str(tensor), tensor.shape),
            lambda: aclruntime.batch(self.either(self.spare, self.spare[:1]), self.either(True, False)),
            lambda: aclruntime.InferenceSession(self.odd(), self.odd(), self.odd()),
            lambda: InferSession(self.odd(), self.odd(), self.odd(), False, self.number(1)),
            lambda: MultiDeviceSession(s.model_path).infer(self.odd(), *self.how()),
        ]

    def keep(self, tensor):
        self.spare = (self.spare + [tensor])[-6:]

    def step(self):
        result = self.random.choice(self.calls())()
        if isinstance(result, list) and result and isinstance(result[0], aclruntime.Tensor):
            self.keep(result[0])

    def check(self):
        """Right arguments give right results, whatever was before."""
        feeds = made(self.random.choice(shapes(self.mode)), 3)
        self.session.set_custom_outsize([4096])
        close(self.session.infer(feeds, self.mode), wanted(self.mode, feeds))


@each_engine
@pytest.mark.parametrize("mode", MODES)
def test_fuzz(engine, mode, capfd):
    walk = Walk(engine, mode)
    done = refused = 0
    for k in range(COUNT // len(MODES)):
        state = walk.random.getstate()
        try:
            walk.step()
            done += 1
        except RuntimeError as error:
            assert str(error), (SEED, k)
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {SEED}, {engine}, {mode}, step {k}: {type(error)}: {error}\n{state[1][:2]}") from error
        if k % 10 == 0:
            walk.check()
    walk.session.free_resource()
    assert done > 20 and refused > 20, "the walk reaches both kinds of calls"
