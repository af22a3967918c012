"""Takes the logits out of what a network made elsewhere returns, by one rule."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

__all__ = ["give_logits_alone", "logits_in"]


def logits_in(given: object) -> object:
    """Returns the logits in what a network returned; anything that the rule does not cover is returned as it is.

    A tensor is the logits. Of a mapping they are the entry `logits`; of an object with that attribute, such as a named
    tuple of torchvision's or an output of transformers, the attribute; of another tuple or list the first item, whose
    others are those of auxiliary heads.
    """
    if isinstance(given, Tensor):
        return given
    if isinstance(given, Mapping):
        return given.get("logits", given)
    found: object = getattr(given, "logits", None)
    if found is not None:
        return found
    return given[0] if isinstance(given, tuple | list) and given else given


def give_logits_alone(model: nn.Module) -> nn.Module:
    """Returns the model, whose forward pass from now on returns `logits_in` what it returned; its weights stay."""
    model.register_forward_hook(lambda _module, _given, returned: logits_in(returned))
    return model
