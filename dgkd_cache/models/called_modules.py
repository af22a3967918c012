"""Records a forward pass: the modules that it calls, and whether it reads weights or changes buffers or input."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["CalledModules", "Forward"]

Forward = Callable[[Tensor], object]
"""A forward pass over a batch of pixels, whose result is not checked yet."""


class CalledModules:
    """The modules that a forward pass calls, in order, and whether it changes a buffer of `model` or of any of them.

    `reads_weights` is True once an operation got a parameter of the model (a buffer, if it has no parameters), or
    another tensor in the same memory. It is also True for a model without either. `changes_input` is True once the
    pixels have changed.

    Buffers in the model's state_dict, which the weights digest covers, are compared with their values before the first
    pass. All others are compared with their values after the first pass, because a module may build a cache there.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._called: dict[int, nn.Module] = {}
        weights: list[Tensor] = [*model.parameters()] or [*model.buffers()]
        self._read = _Read(weights)
        self.reads_weights = not weights
        self.changes_input = False
        self._before = _clone(self._saved())
        self._after_first: list[tuple[str, nn.Module, dict[str, Tensor]]] = []

    @property
    def modules(self) -> list[nn.Module]:
        """The modules called, each once."""
        return list(self._called.values())

    def watch(self, forward: Forward) -> Forward:
        """Wraps `forward` so that the modules it calls on its own thread are recorded."""

        def forward_and_note(pixels_BIHW: Tensor) -> object:
            before = pixels_BIHW.clone()
            with self._note_calls(threading.get_ident()), self._read:
                given = forward(pixels_BIHW)
            self.reads_weights |= self._read.any
            self.changes_input |= not _equals(pixels_BIHW, before)
            return given

        return forward_and_note

    def first_pass_done(self) -> None:
        """Saves the buffers that the first pass may fill; no later pass may change them."""
        saved = {id(buffer) for buffer in self._saved().values()}
        parts = {id(part): (name or type(part).__name__, part) for name, part in self._model.named_modules()}
        for part in self.modules:
            parts.setdefault(id(part), (type(part).__name__, part))
        for owner, part in parts.values():
            others = {key: value for key, value in part.named_buffers(recurse=False) if id(value) not in saved}
            self._after_first.append((owner, part, _clone(others)))

    def find_changed_buffer(self) -> str | None:
        """Returns the name of the first buffer that has changed, or None."""
        now = self._saved()
        name = _find_changed(self._before, now) or next((name for name in now if name not in self._before), None)
        if name is not None:
            return name if "." in name else f"{type(self._model).__name__}.{name}"
        for owner, part, before in self._after_first:
            name = _find_changed(before, dict(part.named_buffers(recurse=False)))
            if name is not None:
                return f"{owner}.{name}"
        return None

    def _saved(self) -> dict[str, Tensor]:
        """Returns the model's buffers that are in its state_dict."""
        saved = self._model.state_dict()
        return {name: buffer for name, buffer in self._model.named_buffers(remove_duplicate=False) if name in saved}

    @contextmanager
    def _note_calls(self, thread: int) -> Iterator[None]:
        def note(module: nn.Module, _: object) -> None:
            if threading.get_ident() == thread:
                self._called[id(module)] = module

        with warnings.catch_warnings(), _force_eager():
            # A compiled module may be recorded twice, which is harmless.
            warnings.filterwarnings("ignore", "Using `torch.compile", UserWarning)
            hook = register_module_forward_pre_hook(note)
            try:
                yield
            finally:
                hook.remove()


class _Read(TorchDispatchMode):
    """Sets `any` once an operation gets one of these tensors, or another one in the same memory."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own __init__ has no annotations
        self.any = False
        self._places = {_place(tensor) for tensor in tensors} - {None}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.any:
            given = (leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
            self.any = any(_place(tensor) in self._places for tensor in given)
        return func(*args, **(kwargs or {}))


def _place(tensor: Tensor) -> int | None:
    """Returns the address at which the memory of a tensor begins.

    None for one without memory of its own: torch raises these errors for sparse tensors and for subclasses.
    """
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (NotImplementedError, RuntimeError):  # a tensor without storage: sparse, meta, or of a subclass
        return None


def _force_eager() -> AbstractContextManager[object]:
    """Returns a context that turns torch.compile off, since it would also compile the recording.

    If its module, which takes seconds to load, is not loaded, nothing was compiled.
    """
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def _clone(buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in buffers.items()}


def _find_changed(before: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> str | None:
    """Returns the name of the first buffer that has changed."""
    return next((name for name, value in before.items() if name not in now or not _equals(now[name], value)), None)


def _equals(now: Tensor, before: Tensor) -> bool:
    if (now.shape, now.dtype, now.device) != (before.shape, before.dtype, before.device):
        return False
    return torch.equal(now, before) or torch.equal(_bits(now), _bits(before))


def _bits(value: Tensor) -> Tensor:
    """Returns the bytes of a tensor, in which NaN equals itself."""
    return value.contiguous().reshape(-1).view(torch.uint8)
