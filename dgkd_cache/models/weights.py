"""The stored tensors of a model, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dgkd_cache.errors import InvalidInput
from dgkd_cache.run_files.sparse_tensors import BITMAP, VALUES, DenseTensors, pack_elements, sparse_metadata
from dgkd_cache.run_files.tensor_file import TensorFile, tensor_record
from dgkd_stores.arguments import require_kind

__all__ = [
    "check_state",
    "model_tensors",
    "pack_zeros",
    "read_dense",
    "read_tensors",
    "tensors_digest",
    "weights_digest",
]


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


def read_dense(file: DenseTensors) -> dict[str, Tensor]:
    """Returns all tensors as the model has them, on the CPU, whatever form each is stored in.

    Raises Damaged (exit 12) for a sparse one whose bitmap does not fit its values.
    """
    return {name: _as_tensor(file.read(name), file.dtypes[name], file.shapes[name]) for name in file.shapes}


def pack_zeros(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Returns the tensors to store and the metadata of their file: sparse, as `sparse_tensors`, where that is smaller.

    `DenseTensors` reads the same tensors from that file, to the bit.
    """
    stored: dict[str, Tensor] = {}
    sparse: dict[str, tuple[int, ...]] = {}
    for name, tensor in tensors.items():
        elements_NS = tensor.reshape(-1, 1).view(torch.uint8).numpy()
        taken = name + VALUES in tensors or name + BITMAP in tensors
        if taken or (packed := pack_elements(elements_NS)) is None:
            stored[name] = tensor
            continue
        values_KS, bitmap = packed
        stored[name + VALUES] = torch.from_numpy(values_KS.reshape(-1)).view(tensor.dtype)
        stored[name + BITMAP] = torch.from_numpy(bitmap)
        sparse[name] = tuple(tensor.shape)
    return stored, sparse_metadata(sparse)


def _tensor(file: TensorFile, name: str) -> Tensor:
    return _as_tensor(file.read(name), file.entries[name].dtype, file.entries[name].shape)


def _as_tensor(content: NDArray[np.uint8], dtype_name: str, shape: tuple[int, ...]) -> Tensor:
    dtype, data = getattr(torch, dtype_name), torch.from_numpy(content)
    if data.data_ptr() % dtype.itemsize:  # only in a file that another program wrote
        data = data.clone()
    return data.view(dtype).reshape(shape)
