"""The modules that a forward pass calls, noted while it runs, and whether it changed a buffer of any of them."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

__all__ = ["CalledModules", "Forward"]

Forward = Callable[[Tensor], object]
"""A forward pass over a batch of pixels, before it is known that it returns logits."""


class CalledModules:
    """The modules that a forward pass calls, in order, and the buffers of `model` and of each as they were before."""

    def __init__(self, model: nn.Module) -> None:
        self._called: dict[int, nn.Module] = {}
        self._before: dict[int, tuple[str, nn.Module, dict[str, Tensor]]] = {}
        for name, part in model.named_modules():
            self._note(part, name or type(part).__name__)

    @property
    def modules(self) -> list[nn.Module]:
        """The modules called, each once."""
        return list(self._called.values())

    def watched(self, forward: Forward) -> Forward:
        """`forward`, whose calls of modules are noted; those of other threads are none of its own."""

        def noted(pixels_BIHW: Tensor) -> object:
            with self._noting(threading.get_ident()):
                return forward(pixels_BIHW)

        return noted

    def changed_buffer(self) -> str | None:
        """The name of the first buffer that is not as it was, or None."""
        for owner, module, before in self._before.values():
            now = dict(module.named_buffers(recurse=False))
            for name, value in before.items():
                if name not in now or not _same(now[name], value):
                    return f"{owner}.{name}"
        return None

    @contextmanager
    def _noting(self, thread: int) -> Iterator[None]:
        def note(module: nn.Module, _: object) -> None:
            if threading.get_ident() == thread:
                self._called[id(module)] = module
                self._note(module, type(module).__name__)

        with warnings.catch_warnings(), _eager():
            # That a compiled module is noted twice does no harm.
            warnings.filterwarnings("ignore", "Using `torch.compile", UserWarning)
            hook = register_module_forward_pre_hook(note)
            try:
                yield
            finally:
                hook.remove()

    def _note(self, module: nn.Module, name: str) -> None:
        if id(module) not in self._before:
            buffers = {key: value.clone() for key, value in module.named_buffers(recurse=False)}
            self._before[id(module)] = name, module, buffers


def _eager() -> AbstractContextManager[object]:
    """The context in which what torch.compile made runs as it was written: it would compile the noting, too.

    Without its module, which takes seconds to load, nothing was compiled.
    """
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def _same(now: Tensor, before: Tensor) -> bool:
    if now.shape != before.shape or now.dtype != before.dtype:
        return False
    return torch.equal(now, before) or torch.equal(_bits(now), _bits(before))


def _bits(value: Tensor) -> Tensor:
    """What is equal where all bytes are: NaN is equal to itself."""
    return value.contiguous().reshape(-1).view(torch.uint8)
