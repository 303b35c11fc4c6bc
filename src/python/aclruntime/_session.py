# SPDX-License-Identifier: MIT
"""A model on a device."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aispipe import _native

from . import _feeds, _files, _pipeline
from ._aipp import AippCalls, AippSettings
from ._errors import ArgumentError, ArgumentTypeError, all_translating, translating
from ._options import infer_options, session_options, sumary_info, tensor_desc
from ._tensor import Tensor

_MOST_DEVICES = 255

_DONE = 0
"""What the calls return that have nothing to say."""


@all_translating()
class InferenceSession(AippCalls):
    """A model loaded on a device. `str()` describes it.

    Every failure is a RuntimeError; where Python has a more exact class (ValueError, TypeError) it is of both. All
    calls may be made by several threads at once. After `free_resource` each is an error.
    """

    def __init__(self, path: str, device_id: int = 0, options: session_options | None = None) -> None:
        """`path`: an .om file for Ascend; .onnx, .xml, .tflite, .pb, .pdmodel for the CPU. `device_id`: 0 to 255."""
        options = session_options() if options is None else options
        if not isinstance(options, session_options):
            raise ArgumentTypeError(f"options are session_options, not {type(options)}")
        loop = options.checked_loop()
        device = _number("device id", device_id, 0, _MOST_DEVICES)
        self._native = _native.Session(
            _existing(path),
            device=device,
            acl_json=options.acl_json_path or None,
            aipp_later=True,
            hold=True,
            debug=options.log_level == 1,
            log=options.logger(),
        )
        self._native.record(True)
        self._native.set_loop(loop)
        self._outputs = [o.name for o in self._native.outputs()]
        self._options = options
        self._aipp = AippSettings()
        self._round: tuple[list, list] | None = None
        self._round_lock = threading.Lock()

    # --- the model --------------------------------------------------------------------------------------------------

    def get_inputs(self) -> list[tensor_desc]:
        """Inputs in the model's order; those that the device adds by itself are left out."""
        return [tensor_desc(info) for info in self._native.inputs()]

    def get_outputs(self) -> list[tensor_desc]:
        """Outputs in the model's order."""
        return [tensor_desc(info) for info in self._native.outputs()]

    def options(self) -> session_options:
        """What it was opened with."""
        return self._options

    def __str__(self) -> str:
        lines = ["<Model>", f"device:\t{self._native.device}", "input:"]
        lines += [desc.line(i) for i, desc in enumerate(self.get_inputs())]
        lines += ["output:"]
        lines += [desc.line(i) for i, desc in enumerate(self.get_outputs())]
        return "\n".join(lines)

    __repr__ = __str__

    # --- executing --------------------------------------------------------------------------------------------------

    def run(self, output_names: Sequence[str], feeds: Sequence[Any] | Mapping[str, Any]) -> list[Tensor]:
        """Executes the model in the shape that is set.

        `feeds`: a Tensor or BaseTensor for each input, in order or by name. They fit by their number of bytes alone.
        Returns the named outputs, in that order, on the device: [] for no names.
        """
        wanted = self.indexes(output_names)
        return self.execute(self.take(feeds), Tensor, True, wanted)

    def take(self, feeds: Any) -> list:
        """Feeds in order or by name, as the extension takes them."""
        if isinstance(feeds, Mapping):
            feeds = _feeds.named(self._native.inputs(), feeds)
        return _feeds.take_all(feeds)

    def execute(
        self,
        feeds: Sequence[Any],
        out: type[Tensor] | None = None,
        on_device: bool = False,
        outputs: Sequence[int] | None = None,
        shape: _native.Shape | None = None,
    ) -> list:
        """One execution by the extension's rules, with its errors as RuntimeError."""
        return self._native.execute(feeds, False, out, on_device, outputs, 0, shape)

    def indexes(self, output_names: Sequence[str]) -> list[int]:
        """Numbers of the outputs with these names."""
        if isinstance(output_names, str) or not isinstance(output_names, (list, tuple)):
            raise ArgumentTypeError(f"output_names is a list of str, not {type(output_names)}")
        for name in output_names:
            if not isinstance(name, str):
                raise ArgumentTypeError(f"output_names holds {name!r}; the name of an output is wanted")
            if name not in self._outputs:
                raise ArgumentError(f"the model has no output {name}; its outputs are {', '.join(self._outputs)}")
        return [self._outputs.index(name) for name in output_names]

    def first_inner_run(self, output_names: Sequence[str], base_tensors: Sequence[Any]) -> list:
        """Executes the model once; inputs and outputs stay on the device, for `inner_run`. Returns []."""
        self.indexes(output_names)
        return self.begin_rounds(self.take(base_tensors))

    def begin_rounds(self, feeds: Sequence[Any], shape: _native.Shape | None = None) -> list:
        """The first of several executions that feed each other."""
        with self._round_lock:
            self._round = self.first_round(feeds, shape)
        return []

    def first_round(self, feeds: Sequence[Any], shape: _native.Shape | None = None) -> tuple[list, list]:
        """Inputs, moved to the device, and outputs of one execution there."""
        if shape is not None:
            self._native.set_shape(*shape)
        inputs = [self.on_device(feed) for feed in feeds]
        return inputs, self.execute(inputs, Tensor, True, None, shape)

    def on_device(self, feed: Any) -> Tensor:
        """A copy of what is fed, on this session's device; itself where it is a tensor there."""
        device = self._native.device
        self._native.info()  # an error after the end, before a device is opened again for the copy
        if isinstance(feed, _native.Tensor):
            # the plain class': what is fed is not to move itself
            return feed if feed.device == device else _native.Tensor.to_device(feed, device, self._native.backend)
        return _native.Tensor(feed, copy=False).to_device(device, self._native.backend)

    def inner_run(
        self, in_out_list: Sequence[int], output_names: Sequence[str], get_outputs: bool, mem_copy: bool
    ) -> list[Tensor]:
        """Executes once more on the last execution's data.

        in_out_list  entry k: which output of the last execution is input k now; -1: input k stays
        get_outputs  whether the named outputs are returned, on the device; else []
        mem_copy     of no effect on results: every execution has outputs of its own, which are fed where they lie
        """
        wanted = self.indexes(output_names)
        with self._round_lock:
            if self._round is None:
                raise ArgumentError("inner_run goes on where first_inner_run has begun; call that first")
            inputs, outputs = self._round
            sources = _feeds.check_in_out_list(in_out_list, len(inputs), len(self._outputs))
            inputs = _feeds.next_inputs(sources, inputs, outputs)
            outputs = self.execute(inputs, Tensor, True)
            self._round = inputs, outputs
        return [_view(outputs[k]) for k in wanted] if get_outputs else []

    # --- many executions --------------------------------------------------------------------------------------------

    def run_pipeline(self, first: Sequence, second: Any, *others: Any) -> list[list[Tensor]] | None:
        """Many executions, while files are read and results fetched and saved beside them. Two forms:

        run_pipeline(files, infer_options, extra_sessions=[])
            `files`: for each execution a path (or a list of paths, which are joined) for each input. Results are saved
            in `infer_options.output_dir` as <name of the first file>_<output>.<bin|npy|txt>. Each extra session is one
            more execution at a time.
        run_pipeline(output_names, inputs, shapes, auto_shape, auto_dims)
            `inputs`: for each execution a BaseTensor for each input; `shapes`: their shapes, which are set with
            `auto_shape` (dynamic shape) or `auto_dims` (dynamic dims). Returns for each execution the named outputs,
            on the host, in order.
        """
        if isinstance(second, infer_options):
            return self._run_files(first, second, *others)
        return self._run_tensors(first, second, *others)

    def _run_tensors(
        self,
        output_names: Sequence[str],
        inputs: Sequence[Sequence[Any]],
        shapes: Sequence[Sequence[Sequence[int]]] = (),
        auto_shape: bool = False,
        auto_dims: bool = False,
    ) -> list[list[Tensor]]:
        wanted = self.indexes(output_names)
        items = [self.take(feeds) for feeds in inputs]
        mode = _auto_mode(auto_shape, auto_dims)
        if mode and len(shapes) != len(items):
            raise ArgumentError(f"{len(items)} sets of inputs, but {len(shapes)} of shapes; one for each is wanted")
        chosen = [self.shape_as_sized(mode, s) for s in shapes] if mode else [None] * len(items)
        return self.map(list(zip(items, chosen)), Tensor, wanted)

    def shape_in(self, mode: str, shapes: Sequence[Sequence[int]], sizes: Any) -> _native.Shape:
        """What is set for feeds of these shapes. `sizes`: see InferSession.infer."""
        return _feeds.chosen(mode, self._native.inputs(), shapes, sizes, len(self._outputs))

    def shape_as_sized(self, mode: str, shapes: Sequence[Sequence[int]]) -> _native.Shape:
        """The same with the sizes of outputs that `set_custom_outsize` has set."""
        return (*self.shape_in(mode, shapes, 0)[:5], None, False)

    def map(
        self, items: Iterable[tuple[Sequence[Any], Any]], out: type[Tensor] | None, outputs: Sequence[int] | None
    ) -> list[list]:
        """Executes for each (feeds, shape); results on the host, in order. Arrays where `out` is None."""
        if not self.transfers:
            return [self.execute(feeds, out, False, outputs, shape) for feeds, shape in items]

        def work(session: InferenceSession, item: tuple[Sequence[Any], Any]) -> list:
            feeds, shape = item
            moved = [session.on_device(feed) for feed in feeds]
            results = session.execute(moved, Tensor, True, outputs, shape)
            hosts = [result.to_host() for result in results]
            return hosts if out else [host.numpy() for host in hosts]

        return list(_pipeline.each([self], items, work))

    @property
    def transfers(self) -> bool:
        """Whether the device has memory of its own."""
        return self._native.backend != "openvino"

    def _run_files(
        self, files: Sequence[Sequence[Any]], options: infer_options, extra_sessions: Sequence[InferenceSession] = ()
    ) -> None:
        sessions = [self, *(extra_sessions or ())]
        if not all(isinstance(s, InferenceSession) for s in sessions):
            raise ArgumentTypeError("extra_sessions is a list of InferenceSession")
        job = _FileJob(self, files, options)
        for _ in _pipeline.each(sessions, range(len(job.files)), job.work):
            pass

    # --- shapes -----------------------------------------------------------------------------------------------------

    def _set(self, *shape: Any) -> int:
        self._native.set_shape(*shape)
        return _DONE

    def set_staticbatch(self) -> int:
        """The model's own dimensions. All `set_` calls return 0."""
        return self._set(_native.STATIC)

    def set_dynamic_batchsize(self, batch_size: int) -> int:
        """One of the model's batch sizes; on the CPU any."""
        return self._set(_native.BATCH, _count("batch size", batch_size))

    def set_dynamic_hw(self, height: int, width: int) -> int:
        """One of the model's image sizes, pixels; on the CPU any."""
        return self._set(_native.HW, 0, _count("height", height), _count("width", width))

    def set_dynamic_dims(self, dims: str) -> int:
        """One of the model's sets of dimensions, "a:1,2;b:3"."""
        return self._set(_native.DIMS, 0, 0, 0, _text("dims", dims))

    def set_dynamic_shape(self, shape: str) -> int:
        """Dimensions of all inputs, "a:1,2;b:3"."""
        return self._set(_native.SHAPE, 0, 0, 0, _text("shape", shape))

    def set_custom_outsize(self, sizes: Sequence[int]) -> int:
        """Bytes for each output whose size is known only after execution; one entry counts for all."""
        if isinstance(sizes, (str, bytes)) or not isinstance(sizes, Sequence):
            raise ArgumentTypeError(f"the sizes of outputs are a list of int, not {type(sizes)}")
        n_outputs = len(self._outputs)
        sizes = _feeds.output_sizes(sizes[0] if len(sizes) == 1 else list(sizes), n_outputs)
        self._native.set_output_sizes(sizes)
        return _DONE

    def get_max_dym_batchsize(self) -> int:
        """The largest batch size that the model was made for; 0 where it has none."""
        return self._native.info().largest_batch

    # --- files, statistics, the end ---------------------------------------------------------------------------------

    def create_tensor_from_fileslist(self, desc: tensor_desc, files: Sequence[str]) -> Tensor:
        """Reads .npy or .bin files one behind the other into a tensor on the device; together they must have
        `desc.realsize` bytes."""
        if not isinstance(desc, tensor_desc):
            raise ArgumentTypeError(f"a tensor_desc is wanted, not {type(desc)}")
        itemsize = _native.dtype_size(desc.datatype.value)
        known = all(n >= 0 for n in desc.shape)
        shape = desc.shape if known and np.prod(desc.shape, dtype=int) * itemsize == desc.realsize else None
        tensor = Tensor.empty(desc.datatype.value, shape if shape is not None else [desc.realsize // itemsize])
        _files.fill(tensor, _files.paths_of(files), f"input {desc.name}")
        return self.to_own_device(tensor)

    def to_own_device(self, tensor: Tensor) -> Tensor:
        """Moves a tensor to this session's device and returns it."""
        self._native.info()
        tensor.replace(_native.Tensor.to_device(tensor, self._native.device, self._native.backend))
        return tensor

    def sumary(self) -> sumary_info:
        """Start and end of each execution since it was opened, or since `reset_sumaryinfo`."""
        self._native.info()  # an error after the end, also after one by `finalize`
        return sumary_info(self._native.intervals())

    def reset_sumaryinfo(self) -> int:
        """Forgets the times."""
        self._native.info()
        self._native.reset_stats()
        return _DONE

    def free_resource(self) -> int:
        """Waits for executions that run and unloads the model. May be called again."""
        self._native.close()
        self._round = None
        return _DONE

    @staticmethod
    def finalize() -> int:
        """Ends all sessions, devices and their runtimes. May be called again."""
        _native.finalize()
        return _DONE


class _FileJob:
    """What one item of `run_pipeline(files, …)` takes."""

    def __init__(self, session: InferenceSession, files: Sequence[Sequence[Any]], options: infer_options) -> None:
        self.files = _file_lists(files, len(session.get_inputs()))
        self.options = options
        self.format = _files.format_of(options.out_format)
        self.mode = _auto_mode(options.auto_dym_shape, options.auto_dym_dims)
        self.wanted = session.indexes(options.output_names) if options.output_names else None
        if options.shapes_list and len(options.shapes_list) != len(self.files):
            raise ArgumentError(
                f"shapes_list has {len(options.shapes_list)} entries, but there are {len(self.files)} sets of files"
            )
        if options.pure_infer_mode:
            self.stems = ["pure_infer_data"] * len(self.files)
        else:
            self.stems = _files.check_stems(self.files)
        if options.output_dir:
            _make_directory(options.output_dir)

    def work(self, session: InferenceSession, index: int) -> None:
        """Reads, executes, saves."""
        shapes = self._shapes(index)
        shape = session.shape_as_sized(self.mode, shapes) if self.mode else None
        feeds = self._read(session, index, shapes)
        if session.transfers:
            feeds = [session.on_device(feed) for feed in feeds]
        results = session.execute(feeds, Tensor, True, self.wanted, shape)
        if self.options.output_dir and (index == 0 or not self.options.pure_infer_mode):
            arrays = [result.to_host().numpy() for result in results]
            _files.save(self.options.output_dir, self.stems[index], arrays, self.format)

    def _shapes(self, index: int) -> list[Sequence[int]]:
        """Of the inputs, where they are to be set."""
        if not self.mode:
            return []
        if self.options.shapes_list:
            return list(self.options.shapes_list[index])
        return [_files.shape_of_file(_files.paths_of(entry)[0]) for entry in self.files[index]]

    def _read(self, session: InferenceSession, index: int, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        tensors = []
        for k, info in enumerate(session._native.inputs()):
            itemsize = _native.dtype_size(info.dtype)
            count = int(np.prod(shapes[k], dtype=int)) if shapes else info.real_size // itemsize
            tensor = Tensor.empty(info.dtype, [count])
            if self.options.pure_infer_mode:
                tensor.numpy().view(np.uint8)[...] = 0
            else:
                _files.fill(tensor, _files.paths_of(self.files[index][k]), f"input {info.name}")
            tensors.append(tensor)
        return tensors


def _file_lists(files: Any, n_inputs: int) -> list[Sequence[Any]]:
    if isinstance(files, (str, bytes)) or not isinstance(files, Sequence):
        raise ArgumentTypeError(f"files are a list with a list of paths for each execution, not {type(files)}")
    for index, entry in enumerate(files):
        if isinstance(entry, (str, bytes)) or not isinstance(entry, (list, tuple)):
            raise ArgumentTypeError(f"set {index} of files is {entry!r}; a list with a path for each input is wanted")
        if len(entry) != n_inputs:
            raise ArgumentError(f"set {index} of files has {len(entry)}, but the model has {n_inputs} inputs")
    return list(files)


def _make_directory(path: str) -> None:
    try:
        os.makedirs(path, _files.DIRECTORY_MODE, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"cannot make the output directory '{path}': {error.strerror}") from None


def _auto_mode(auto_shape: bool, auto_dims: bool) -> str:
    if auto_shape and auto_dims:
        raise ArgumentError("a model has dynamic shape or dynamic dims, not both; set one of the two")
    return "dymshape" if auto_shape else "dymdims" if auto_dims else ""


def _view(tensor: Tensor) -> Tensor:
    """Another object for the same memory: moving it does not move the first."""
    return tensor.view(tensor.dtype_code, tensor.shape)


def _existing(path: Any) -> str:
    """A model's path; what is not there is refused before a device is opened for it."""
    text = os.fsdecode(path)
    if text and not os.path.exists(text):
        raise ArgumentError(f"model '{text}': no such file")
    return text


def _number(what: str, value: Any, least: int, most: int = 2**31 - 1) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(f"the {what} is {value!r}; a whole number is wanted")
    if not least <= value <= most:
        raise ArgumentError(f"the {what} is {value}; {least} to {most} is wanted")
    return int(value)


def _count(what: str, value: Any) -> int:
    return _number(what, value, 1)


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"the {what} is {value!r}; a text such as in1:1,600;in2:1,600 is wanted")
    return value


@translating
def model(modelPath: str, deviceId: int = 0, options: session_options | None = None) -> InferenceSession:
    """Loads a model: `InferenceSession(modelPath, deviceId, options)`."""
    return InferenceSession(modelPath, deviceId, options)
