# SPDX-License-Identifier: MIT
"""`InferSession`, `MultiDeviceSession`, `MemorySummary`: a model, fed from Python.

    session = InferSession(0, "resnet50.om")
    outputs = session.infer([images])

Every failure is a RuntimeError; where Python has a more exact class (ValueError, TypeError) it is of both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import aclruntime
from aclruntime import _feeds
from aclruntime._errors import ArgumentError, ArgumentTypeError, all_translating, translated, translating
from aispipe import _native

from ._aipp_file import AippFile
from ._devices import DeviceTimes, run_side_by_side

__all__ = ["InferSession", "MemorySummary", "MultiDeviceSession"]

_ndarray = np.ndarray
_STATIC = _feeds.STATIC

DEFAULT_OUTPUT_SIZE = 100000
"""Bytes for an output whose size is known only after execution."""


@all_translating(but=("infer",))
class InferSession(AippFile):
    """A model loaded on a device.

    Feeds of an execution are a list with one entry for each input: NumPy arrays (made contiguous where they are not),
    NumPy scalars, torch tensors on the CPU, or tensors of `aclruntime`. One fits when its number of bytes is the
    input's: type and shape need not match. Modes say what is set from the feeds' shapes before the execution:

    static    nothing; the model's own shape is set
    dymbatch  the batch: the dimension that the model leaves open
    dymhw     the image size: dimensions 2 and 3 of the first input that leaves both open
    dymdims   all dimensions of all inputs, as one of the model's gears
    dymshape  all dimensions of all inputs

    All calls may be made by several threads at once; executions with different shapes wait for each other. After
    `free_resource` each call is an error.
    """

    def __init__(
        self, device_id: int, model_path: str, acl_json_path: str | None = None, debug: bool = False, loop: int = 1
    ) -> None:
        """
        device_id      0 to 255
        model_path     .om on Ascend; .onnx, .xml, .tflite, .pb, .pdmodel on the CPU
        acl_json_path  configuration of the Ascend runtime, once for the process
        debug          prints the model's description, and what the library says at its most talkative
        loop           executions for each call, each one timed; 1 or more
        """
        self.device_id = device_id
        self.model_path = model_path
        self.loop = loop
        self.acl_json_path = acl_json_path
        self.debug = debug
        self.options = aclruntime.session_options()
        self.options.loop = loop
        self.options.log_level = 1 if debug else 2
        if acl_json_path is not None:
            self.options.acl_json_path = os.fspath(acl_json_path)
        self.session = aclruntime.InferenceSession(model_path, device_id, self.options)
        self.intensors_desc = self.session.get_inputs()
        self.outtensors_desc = self.session.get_outputs()
        self.outputs_names = [desc.name for desc in self.outtensors_desc]
        self._execute = self.session._native.execute
        if debug:
            print(self.session, flush=True)

    # --- the model --------------------------------------------------------------------------------------------------

    def get_inputs(self) -> list[aclruntime.tensor_desc]:
        """Inputs: `name`, `datatype`, `format`, `shape` (-1 where open), `size` and `realsize` (bytes)."""
        self.intensors_desc = self.session.get_inputs()
        return self.intensors_desc

    def get_outputs(self) -> list[aclruntime.tensor_desc]:
        """Outputs, described as the inputs are."""
        self.outtensors_desc = self.session.get_outputs()
        return self.outtensors_desc

    def set_loop_count(self, loop: int) -> int:
        """Executions for each call from now on; 1 or more."""
        self.options.loop = loop
        self.session._native.set_loop(self.options.checked_loop())
        self.loop = loop
        return 0

    def set_staticbatch(self) -> int:
        """The model's own shape. All these calls return 0."""
        return self.session.set_staticbatch()

    def set_dynamic_batchsize(self, dym_batch: int) -> int:
        """One of the model's batch sizes."""
        return self.session.set_dynamic_batchsize(dym_batch)

    def set_dynamic_hw(self, w: int, h: int) -> int:
        """One of the model's image sizes. The first argument is the height, whatever its name: as ever."""
        return self.session.set_dynamic_hw(w, h)

    def set_dynamic_dims(self, dym_dims: str) -> int:
        """One of the model's sets of dimensions, "a:1,2;b:3"."""
        return self.session.set_dynamic_dims(dym_dims)

    def set_dynamic_shape(self, dym_shape: str) -> int:
        """Dimensions of all inputs, "a:1,2;b:3"."""
        return self.session.set_dynamic_shape(dym_shape)

    def set_custom_outsize(self, custom_sizes: Sequence[int]) -> int:
        """Bytes for each output whose size is known only after execution."""
        return self.session.set_custom_outsize(custom_sizes)

    def get_max_dym_batchsize(self) -> int:
        """The largest batch size that the model was made for; 0 where it has none."""
        return self.session.get_max_dym_batchsize()

    # --- tensors ----------------------------------------------------------------------------------------------------

    def create_tensor_from_fileslist(self, desc: aclruntime.tensor_desc, files: Sequence[str]) -> aclruntime.Tensor:
        """Reads .npy or .bin files one behind the other into a tensor on the device."""
        return self.session.create_tensor_from_fileslist(desc, files)

    def create_tensor_from_arrays_to_device(self, arrays: Any) -> aclruntime.Tensor:
        """A copy of an array on the device."""
        return self.session.to_own_device(aclruntime.Tensor(arrays))

    @staticmethod
    def convert_tensors_to_host(tensors: Sequence[aclruntime.Tensor]) -> Sequence[aclruntime.Tensor]:
        """Moves the tensors themselves to the host, and returns them."""
        for tensor in _all_tensors(tensors):
            tensor.to_host()
        return tensors

    @staticmethod
    def convert_tensors_to_arrays(tensors: Sequence[aclruntime.Tensor]) -> list[np.ndarray]:
        """Arrays of tensors that are on the host, without a copy."""
        arrays = []
        for tensor in _all_tensors(tensors):
            if tensor.device >= 0:
                raise ArgumentError(
                    f"a tensor is on device {tensor.device}; convert_tensors_to_host brings it to the host"
                )
            arrays.append(tensor.numpy())
        return arrays

    # --- executing --------------------------------------------------------------------------------------------------

    def infer(
        self,
        feeds: Sequence[Any],
        mode: str = "static",
        custom_sizes: int | Sequence[int] = DEFAULT_OUTPUT_SIZE,
        out_array: bool = True,
    ) -> list:
        """Executes the model on `feeds` (see the class).

        custom_sizes  dymshape: bytes for every output, or a list with the bytes of each, where the model does not
                      say how large an output is
        out_array     True: a list of arrays; False: a list of tensors on the device, which can be fed again as they are
        """
        if type(feeds) is list and type(mode) is str and mode == "static" and out_array is True:
            for feed in feeds:
                if type(feed) is not _ndarray:
                    break
            else:  # the short way: nothing to convert, and the extension checks the rest
                try:
                    return self._execute(feeds, False, None, False, None, 0, _STATIC)
                except RuntimeError:
                    raise
                except Exception as error:
                    raise translated(error) from error
        return self._infer(feeds, mode, custom_sizes, out_array)

    @translating
    def _infer(self, feeds: Any, mode: str, custom_sizes: Any, out_array: bool) -> list:
        """The long way."""
        taken, shape = self._prepare(feeds, mode, custom_sizes)
        out = None if out_array else aclruntime.Tensor
        return self.session.execute(taken, out, not out_array, None, shape)

    def _prepare(self, feeds: Any, mode: str, custom_sizes: Any) -> tuple[list, _native.Shape]:
        """Feeds as the extension takes them, and the shape that is to be set for them."""
        taken = self.session.take(feeds)
        if mode == "static":
            return taken, _STATIC
        if isinstance(feeds, Mapping):
            feeds = _feeds.named(self.session._native.inputs(), feeds)
        if mode not in _feeds.MODES:  # before the shapes are looked at
            raise ArgumentError(f"wrong infer_mode:{mode}, only support {', '.join(_feeds.MODES)}")
        return taken, self.session.shape_in(mode, [_feeds.shape_of(feed) for feed in feeds], custom_sizes)

    def run(self, feeds: Any, out_array: bool = False) -> list:
        """Executes the model in the shape that is set. Feeds as for `infer`, or by name, or `BaseTensor`.
        Returns tensors on the device, or arrays."""
        out = None if out_array else aclruntime.Tensor
        return self.session.execute(self.session.take(feeds), out, not out_array)

    def infer_pipeline(
        self,
        feeds_list: Sequence[Sequence[Any]],
        mode: str = "static",
        custom_sizes: int | Sequence[int] = DEFAULT_OUTPUT_SIZE,
    ) -> list[list[np.ndarray]]:
        """`infer` for each entry of a list, in order; transfers run beside executions. Shapes may differ from entry to
        entry in the modes dymdims and dymshape only."""
        items = [self._prepare(feeds, mode, custom_sizes) for feeds in feeds_list]
        if mode in ("dymbatch", "dymhw") and any(shape != items[0][1] for _, shape in items):
            raise ArgumentError(f"the feeds differ in shape, which mode {mode} does not allow; dymdims and dymshape do")
        return self.session.map(items, None, None)

    def infer_iteration(
        self,
        feeds: Sequence[Any],
        in_out_list: Sequence[int] | None = None,
        iteration_times: int = 1,
        mode: str = "static",
        custom_sizes: int | Sequence[int] = DEFAULT_OUTPUT_SIZE,
        mem_copy: bool = True,
    ) -> list[np.ndarray]:
        """Executes the model several times in a row, each time on what the time before gave, without a copy between.

        in_out_list      an entry for each input: the output of the last time that becomes this input, or -1 where the
                         input stays as it is
        iteration_times  1 or more; 1 is `infer`
        mem_copy         True or False: the results are the same, since outputs are fed where they lie

        Returns the last outputs as arrays.
        """
        session = self.session
        sources = _feeds.check_in_out_list(in_out_list, len(self.intensors_desc), len(self.outputs_names))
        times = _number_of("iteration_times", iteration_times)
        taken, shape = self._prepare(feeds, mode, custom_sizes)
        if times == 1:
            return session.execute(taken, None, False, None, shape)
        inputs, outputs = session.first_round(taken, shape)
        for _ in range(times - 2):
            inputs = _feeds.next_inputs(sources, inputs, outputs)
            outputs = session.execute(inputs, aclruntime.Tensor, True, None, shape)
        return session.execute(_feeds.next_inputs(sources, inputs, outputs), None, False, None, shape)

    def first_inner_run(
        self,
        feeds: Sequence[Any],
        mode: str = "static",
        custom_sizes: int | Sequence[int] = DEFAULT_OUTPUT_SIZE,
    ) -> list:
        """The first of several executions that feed each other; inputs and outputs stay on the device. Returns []."""
        taken, shape = self._prepare(feeds, mode, custom_sizes)
        return self.session.begin_rounds(taken, shape)

    def inner_run(
        self, in_out_list: Sequence[int], get_outputs: bool = False, mem_copy: bool = True
    ) -> list[aclruntime.Tensor]:
        """The next one; see `infer_iteration`. Returns tensors on the device with `get_outputs`, else []."""
        return self.session.inner_run(in_out_list, self.outputs_names, get_outputs, mem_copy)

    def run_pipeline(
        self,
        infilelist: Sequence[Sequence[Any]],
        output: str | None,
        auto_shape: bool = False,
        auto_dims: bool = False,
        outfmt: str = "BIN",
        pure_infer_mode: bool = False,
        extra_session: Sequence[InferSession] | None = None,
    ) -> None:
        """Files in, files out.

        infilelist       for each execution a path for each input, or a list of paths, which are joined
        output           directory of the results; None or '': nothing is saved
        auto_shape       dymshape with the shape of each .npy file; auto_dims: dymdims
        outfmt           BIN, NPY or TXT
        pure_infer_mode  no file is read: the inputs are zeros
        extra_session    each is one more execution at a time
        """
        options = aclruntime.infer_options()
        options.output_dir = os.fspath(output) if output else ""
        options.auto_dym_shape = auto_shape
        options.auto_dym_dims = auto_dims
        options.out_format = outfmt
        options.pure_infer_mode = pure_infer_mode
        options.output_names = self.outputs_names
        if not all(isinstance(s, InferSession) for s in extra_session or ()):
            raise ArgumentTypeError("extra_session is a list of InferSession")
        extra = [s.session for s in extra_session or ()]
        self.session.run_pipeline(infilelist, options, extra)

    # --- statistics, the end ----------------------------------------------------------------------------------------

    def summary(self) -> aclruntime.sumary_info:
        """`exec_time_list`: (start, end) of each execution, ms since this process' first one."""
        return self.session.sumary()

    def sumary(self) -> aclruntime.sumary_info:
        """`summary`, as older programs spell it."""
        return self.session.sumary()

    def reset_summaryinfo(self) -> int:
        """Forgets the times."""
        return self.session.reset_sumaryinfo()

    def reset_sumaryinfo(self) -> int:
        """`reset_summaryinfo`, as older programs spell it."""
        return self.session.reset_sumaryinfo()

    def free_resource(self) -> int:
        """Waits for executions that run and unloads the model. May be called again."""
        return self.session.free_resource()

    @staticmethod
    def finalize() -> int:
        """Ends all sessions, devices and their runtimes. May be called again."""
        return aclruntime.InferenceSession.finalize()


def _all_tensors(tensors: Any) -> list[aclruntime.Tensor]:
    listed = list(tensors)
    for tensor in listed:
        if not isinstance(tensor, aclruntime.Tensor):
            raise ArgumentTypeError(f"a list of aclruntime.Tensor is wanted; it holds {type(tensor)}")
    return listed


def _number_of(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(f"{what} is {value!r}; a whole number is wanted")
    if value < 1:
        raise ArgumentError(f"{what} is {value}; 1 or more is wanted")
    return int(value)


@all_translating()
class MultiDeviceSession:
    """One model on several devices at once: threads of this process, a session for each entry of a device's list.

    Nothing is loaded until a call. Results come in the order of the entries. Where a device fails, the others end
    first, and then the failure is raised, with the device's number in front.
    """

    def __init__(
        self, model_path: str, acl_json_path: str | None = None, debug: bool = False, loop: int = 1
    ) -> None:
        """As for `InferSession`."""
        self.model_path = model_path
        self.acl_json_path = acl_json_path
        self.debug = debug
        self.loop = loop
        self.summary = DeviceTimes()
        """Of the last call: `summary()`, or `summary[id]`: [ms from load to end, …], an entry for each session."""

    def infer(
        self,
        device_feeds: Mapping[int, Sequence[Sequence[Any]]],
        mode: str = "static",
        custom_sizes: int | Sequence[int] = DEFAULT_OUTPUT_SIZE,
    ) -> dict[int, list[list[np.ndarray]]]:
        """`InferSession.infer` for {id: [feeds, …]}; gives {id: [outputs, …]}."""
        return self._run(device_feeds, lambda session, feeds: session.infer(feeds, mode, custom_sizes))

    def infer_pipeline(
        self,
        device_feeds_list: Mapping[int, Sequence[Sequence[Sequence[Any]]]],
        mode: str = "static",
        custom_sizes: int | Sequence[int] = DEFAULT_OUTPUT_SIZE,
    ) -> dict[int, list[list[list[np.ndarray]]]]:
        """`InferSession.infer_pipeline` for {id: [feeds_list, …]}."""
        return self._run(device_feeds_list, lambda session, feeds: session.infer_pipeline(feeds, mode, custom_sizes))

    def infer_iteration(
        self,
        device_feeds: Mapping[int, Sequence[Sequence[Any]]],
        in_out_list: Sequence[int] | None = None,
        iteration_times: int = 1,
        mode: str = "static",
        custom_sizes: int | Sequence[int] = DEFAULT_OUTPUT_SIZE,
        mem_copy: bool = True,
    ) -> dict[int, list[list[np.ndarray]]]:
        """`InferSession.infer_iteration` for {id: [feeds, …]}."""
        return self._run(
            device_feeds,
            lambda session, feeds: session.infer_iteration(
                feeds, in_out_list, iteration_times, mode, custom_sizes, mem_copy
            ),
        )

    def _run(self, entries: Any, work: Any) -> dict[int, list]:
        def one(device_id: int, feeds: Any) -> Any:
            session = InferSession(device_id, self.model_path, self.acl_json_path, self.debug, self.loop)
            try:
                return work(session, feeds)
            finally:
                session.free_resource()

        results, self.summary = run_side_by_side(entries, one)
        return results


class MemorySummary:
    """Transfers between host and devices, of the whole process."""

    @staticmethod
    def get_h2d_time_list() -> list[float]:
        """ms of each transfer to a device."""
        return aclruntime.MemorySummary().H2D_time_list

    @staticmethod
    def get_d2h_time_list() -> list[float]:
        """ms of each transfer to the host."""
        return aclruntime.MemorySummary().D2H_time_list

    @staticmethod
    def reset() -> None:
        """Forgets both lists."""
        aclruntime.MemorySummary().reset()
