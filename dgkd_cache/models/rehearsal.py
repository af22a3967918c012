"""The rehearsal of a guide: its first batch is forwarded twice, and a model that cannot be a guide is refused.

A store's rows are computed again when a dump is resumed, repaired or checked, and its header names the weights. The
logits must therefore depend on the pixels and those weights alone. Nothing is written before the rehearsal. An
untrained network is rehearsed, too, so that no hours are spent on training one that cannot be a guide.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dgkd_cache.device.environment import TOLERANCES
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.models.called_modules import CalledModules, Forward
from dgkd_stores.arguments import describe_value

__all__ = ["Rehearsal", "refuse_probabilities", "require_evaluation_mode"]

_BF16 = 2.0**-8
"""Tolerance of a row's sum of probabilities to 1: the rounding of bf16."""

_SOFTMAX = (
    "return the input of the softmax; if these really are logits, say accept_probabilities (= true in table [cache] of "
    "dgkd.toml; --accept-probabilities of `dump` and `models`; =True in your own program)"
)


def require_evaluation_mode(model: nn.Module, guide: str) -> None:
    """Raises InvalidInput if the model or a part of it is in training mode, and names the first one.

    A model from torch.jit.freeze has no mode and no weights; one from torch.export cannot change its mode.
    """
    for name, part in model.named_modules():
        what = f"the part {name!r} of guide {guide!r}" if name else f"guide {guide!r}"
        if not hasattr(part, "training"):
            raise InvalidInput(
                f"{what} has no weights of its own",
                expected="a model whose weights can be read: the store records their digest",
                found=f"{type(part).__name__} without a mode, as torch.jit.freeze makes it, with the weights inside",
                do="give the model that was frozen, as it was before",
            )
        if part.training and "eval" in vars(part):
            raise InvalidInput(
                f"{what} does not tell whether it is in evaluation mode",
                expected="a model that model.eval() puts into evaluation mode",
                found=f"{type(part).__name__} whose eval() cannot be called, as torch.export makes it",
                do="give the model that was exported, after model.eval()",
            )
        if part.training:
            raise InvalidInput(
                f"{what} is in training mode",
                expected="a model in evaluation mode, all parts of it: neither dropout nor batch statistics may decide "
                "its logits",
                found=f"{type(part).__name__} with training = True",
                do="call model.eval() first, and put no part of it back into training mode",
            )


class Rehearsal:
    """Checks the first batch of one guide: called once with it, and `done` after that.

    The second pass must give the same bits on a CPU, and elsewhere logits within the tolerance between machines;
    neither may draw random numbers. The forward pass must use weights of `model`, call no other module with parameters,
    and not change the pixels. It must not change the buffers of the model's state_dict, nor, after the first pass, any
    other buffer. `classes` is the number of logits in a row, if known. Rows of probabilities, as after a final softmax,
    are refused unless `accept_probabilities`: softened again, they would be nearly uniform targets. `what` describes
    the guide in messages.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        what: str,
        device: torch.device,
        precision: str,
        classes: int | None = None,
        accept_probabilities: bool = False,
    ) -> None:
        self.done = False
        self._model, self.what, self._classes, self._device = model, what, classes, device
        self._tolerance = 0.0 if device.type == "cpu" else TOLERANCES[precision]
        self._accept_probabilities = accept_probabilities

    def __call__(self, forward: Forward, run: Callable[[Forward], object], *, batch: int) -> Tensor:
        """Returns the logits (B, C), float32. `run` calls its argument with the first `batch` images and returns the
        result.

        Raises Mismatch for another number of classes, InvalidInput for everything else.
        """
        called = CalledModules(self._model)
        before = self._random_state()
        once = self.logits(run(called.watch(forward)), batch)
        called.first_pass_done()
        if called.changes_input:
            raise InvalidInput(
                f"the forward pass of {self.what} changes the images that it is given",
                expected="images that are as they were after it",
                found="other pixels in the same tensor",
                do="do not use operations in place on them (such as mul_ or images -= mean): they would change the "
                "data set, and each pass would see other images",
            )
        self._require_own(called)
        between = self._random_state()
        again = self.logits(run(forward), batch)
        # Compiling a model may also draw random numbers, but only in the second pass.
        draws = before != between and between != self._random_state()
        if self._differing(once, again):
            # A compiled model runs uncompiled while its calls are recorded, which may change the last bits.
            once, again = again, self.logits(run(forward), batch)
        self._require_buffers(called)
        if rows := self._differing(once, again):
            raise self._other_each_time(f"{rows} of {batch} rows that differ")
        if draws:  # a layer that is rarely dropped may be kept in both passes
            raise self._other_each_time("random numbers that it draws, though these two passes gave the same")
        if not self._accept_probabilities:
            refuse_probabilities(again, self.what, do=_SOFTMAX)
        self.done = True
        return again

    def logits(self, given: object, batch: int) -> Tensor:
        """Returns the result of a forward pass as float32 logits (B, C)."""
        if isinstance(given, Tensor) and given.is_floating_point() and given.ndim == 2 and len(given) == batch:
            if self._classes not in (None, given.shape[1]):
                raise Mismatch(
                    f"{self.what} has a different number of classes than the data set",
                    expected=f"logits of {self._classes} classes",
                    found=f"logits of {given.shape[1]} classes",
                    do="use a guide that was trained on the classes of this data set",
                )
            return given.float()
        raise InvalidInput(
            f"the forward pass of {self.what} returns no logits",
            expected=f"a tensor of numbers [{batch}, {'classes' if self._classes is None else self._classes}]",
            found=describe_value(given),
            do="return the logits alone, a row for each image",
        )

    def _require_own(self, called: CalledModules) -> None:
        if not called.reads_weights:
            raise InvalidInput(
                f"the forward pass of {self.what} uses another model",
                expected=f"use of the weights of the {type(self._model).__name__} that is given as the model",
                found=f"calls of {_kinds(called.modules) or 'no module'}, and no operation on any weight of that model",
                do="give the model that the forward pass calls; a copy, or an engine that other tools made of it, is "
                "another model",
            )
        own = {id(part) for part in self._model.modules()}
        weights = {parameter.data_ptr() for parameter in self._model.parameters()}
        # A module that shares the model's parameters or their memory counts as a part of it.
        others = [
            module
            for module in called.modules
            if id(module) not in own and not all(one.data_ptr() in weights for one in module.parameters(recurse=False))
        ]
        if others:
            raise InvalidInput(
                f"the forward pass of {self.what} uses parameters that are not the model's",
                expected="logits that follow from the weights that the store records",
                found=f"calls of {_kinds(others)} outside the model",
                do="put all of it into one torch.nn.Module, and give that as the model",
            )

    def _require_buffers(self, called: CalledModules) -> None:
        changed = called.find_changed_buffer()
        if changed:
            raise InvalidInput(
                f"the forward pass of {self.what} changes the buffer {changed}",
                expected="buffers that stay as they are",
                found="other values, or another size, after two passes",
                do="call .eval() on every module that the forward pass uses, because batch normalisation in training "
                "mode updates its statistics; give register_buffer persistent=False for what the first pass "
                "alone fills, and take out of the model what counts or collects from pass to pass",
            )

    def _differing(self, once_BC: Tensor, again_BC: Tensor) -> int:
        """Counts the rows that differ by more than the tolerance."""
        differs_B = (once_BC.view(torch.int32) != again_BC.view(torch.int32)).any(1)
        if self._tolerance:
            away_B = (once_BC - again_BC).abs().amax(1)
            differs_B &= ~(away_B <= self._tolerance * once_BC.abs().amax(1))
        return int(differs_B.sum())

    def _random_state(self) -> list[object]:
        """Returns the random states of torch (CPU and guide's device), numpy and Python."""
        of_torch = [torch.get_rng_state()]
        if self._device.type == "cuda" and torch.cuda.is_initialized():
            of_torch.append(torch.cuda.get_rng_state(self._device))
        name, keys, *rest = np.random.get_state(legacy=True)
        states = [state.numpy().tobytes() for state in of_torch]
        return [*states, name, np.asarray(keys).tobytes(), rest, random.getstate()]

    def _other_each_time(self, found: str) -> InvalidInput:
        return InvalidInput(
            f"{self.what} returns different logits for the same images",
            expected=f"logits within {self._tolerance:.0%} of a row's largest one each time"
            if self._tolerance
            else "the same bits each time",
            found=found,
            do="remove what draws random numbers in evaluation mode, for example functional.dropout without "
            "training=self.training",
        )


def refuse_probabilities(logits_BC: Tensor, what: str, *, do: str) -> None:
    """Raises InvalidInput with the hint `do` for rows of probabilities, which `what` gives in its first batch."""
    if logits_BC.shape[1] == 1:  # the softmax of one class is always 1, which is also a valid logit
        return
    near_B = (logits_BC.sum(1) - 1).abs() <= _BF16
    if bool((logits_BC >= 0).all()) and bool(near_B.all()):
        raise InvalidInput(
            f"{what} gives probabilities, as a softmax at its end does",
            expected="logits, before any softmax",
            found=f"no negative number, and a sum of 1 in each of the first {len(logits_BC)} rows",
            do=do,
        )


def _kinds(modules: Sequence[nn.Module]) -> str:
    names = list(dict.fromkeys(type(module).__name__ for module in modules))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
