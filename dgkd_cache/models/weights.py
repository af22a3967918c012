"""The stored tensors of a model, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dgkd_cache.errors import InvalidInput
from dgkd_cache.run_files.tensor_file import TensorFile, tensor_record
from dgkd_stores.arguments import require_kind

__all__ = ["check_state", "model_tensors", "read_tensors", "tensors_digest", "weights_digest"]


def weights_digest(model: nn.Module) -> str:
    """Returns the SHA-256 (hex) over all parameters and persistent buffers, in name order.

    A tensor's record is: name in UTF-8, 0x00, dtype ("float32"), 0x00, number of dimensions and sizes as
    int64 and the elements in C order, all little-endian. Device and memory format make no difference.
    """
    return tensors_digest(model_tensors(model))


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Returns all parameters and persistent buffers by name, copied to the CPU; tied weights once for each name.

    Raises what `check_state` raises.
    """
    state = check_state(model)
    return {name: it.to("cpu").clone(memory_format=torch.contiguous_format) for name, it in state.items()}


def check_state(model: nn.Module) -> dict[str, Tensor]:
    """Returns all parameters and persistent buffers by name, on their devices.

    Raises InvalidInput (exit 2) for state that is not a tensor, which could only be pickled, and for tensors without
    plain elements: those of lazy layers, sparse and quantised ones, and those on the meta device.
    """
    require_kind("weights_digest", "model", model, nn.Module, expected="a torch.nn.Module")
    state: Mapping[str, object] = model.state_dict()
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise InvalidInput(
                f"the model's state {name!r} cannot be saved",
                expected="tensors only",
                found=type(value).__name__,
                do="keep such state out of the model's state_dict: get_extra_state is not supported, nor what "
                "quantize_dynamic makes (use the model that it was given)",
            )
        if lacking := _explain_lack(value):
            found, do = lacking
            raise InvalidInput(
                f"the model's state {name!r} cannot be saved", expected="a dense tensor with values", found=found, do=do
            )
        tensors[name] = value.detach()
    return tensors


def _explain_lack(tensor: Tensor) -> tuple[str, str] | None:
    """Returns why a tensor has no plain elements, and what to do about it; None if it has."""
    if is_lazy(tensor):
        return "a lazy layer's, without a size yet", "forward one batch through the model first"
    if tensor.device.type == "meta":
        return "a tensor on the device meta, without values", "load the model's weights first"
    if tensor.is_quantized or tensor.layout != torch.strided:
        kind = str(tensor.dtype if tensor.is_quantized else tensor.layout).removeprefix("torch.")
        return f"a tensor of {kind}", "use the model as it was before its weights were packed"
    return None


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Returns the `weights_digest` of tensors that are on the CPU already."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(tensor_record(name, str(tensor.dtype).removeprefix("torch."), tensor.shape))
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def read_tensors(file: TensorFile) -> dict[str, Tensor]:
    """Returns all tensors of an open file, on the CPU; they share the memory into which the file was read."""
    return {name: _tensor(file, name) for name in file.entries}


def _tensor(file: TensorFile, name: str) -> Tensor:
    entry, dtype = file.entries[name], getattr(torch, file.entries[name].dtype)
    content = torch.from_numpy(file.read(name))
    if content.data_ptr() % dtype.itemsize:  # only in a file that another program wrote
        content = content.clone()
    return content.view(dtype).reshape(entry.shape)
