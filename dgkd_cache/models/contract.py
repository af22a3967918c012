"""Checks that a network made elsewhere fulfils this project's contract, by a forward pass in each mode."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.rehearsal import Rehearsal
from dgkd_cache.user_code import convert_errors, describe_exception
from dgkd_stores.arguments import require_integer, require_kind

__all__ = ["check_forward"]


_LOGITS = "return the logits alone, one for each class, in evaluation and in training mode"
_BY_RULE = (
    "return one logit for each class: alone, as the entry or the attribute `logits`, or as the first item of a tuple"
)
"""For networks that may return more, of which `outputs.logits_in` takes the logits."""

_IMAGES = 8
"""Batch size for training mode, which networks with groups of two or four accept."""


def check_forward(
    architecture: str,
    model: object,
    *,
    channels: int,
    classes: int,
    height: int,
    width: int,
    accept_probabilities: bool = False,
    trains: bool = True,
) -> nn.Module:
    """Returns the model if it maps [B, channels, height, width] to [B, classes] in both modes.

    Raises InvalidInput otherwise. It runs on noise: in evaluation mode on one image, which also gives lazy layers their
    sizes, then on two in rehearsal (see `Rehearsal`), because a network that cannot be a guide is not worth training,
    and if it `trains` a copy of it in training mode on eight, with gradients. Torch's random state is restored, so the
    check does not change the training.
    """
    require_kind("check_forward", "architecture", architecture, str, expected="its name, for messages")
    for name, size in {"channels": channels, "classes": classes, "height": height, "width": width}.items():
        require_integer("check_forward", name, size, low=1)
    if not isinstance(model, nn.Module):
        raise InvalidInput(
            f"{architecture} made no model",
            expected="a torch.nn.Module",
            found=type(model).__name__,
            do="return the network from the factory",
        )
    with torch.random.fork_rng(devices=[]):
        images_BIHW = torch.randn(_IMAGES, channels, height, width)
    modes = _modes(architecture, model)
    with torch.no_grad():
        _require_logits(architecture, model, images_BIHW[:1], classes, do=_LOGITS if trains else _BY_RULE)
    rehearsal = Rehearsal(
        model,
        what=architecture,
        device=torch.device("cpu"),
        precision="float32",
        classes=classes,
        accept_probabilities=accept_probabilities,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        # It may change its input, because it always gets its own tensor.
        rehearsal(model, lambda forward: forward(images_BIHW[:2].clone()), batch=2)
    for part, training in modes:
        part.training = training
    trial = _copy(model) if trains else None
    if trial is not None:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            logits_BC = _require_logits(architecture, trial.train(), images_BIHW, classes, do=_LOGITS)
        _require_gradient(architecture, trial, logits_BC)
    return model


def _modes(architecture: str, model: nn.Module) -> list[tuple[nn.Module, bool]]:
    """Returns each part and whether it is in training mode, and sets the model to evaluation mode."""
    try:
        modes = [(part, part.training) for part in model.modules()]
        model.eval()
    # torch.jit.freeze leaves no attribute `training`, and torch.export replaces eval() by what is not implemented.
    except (AttributeError, NotImplementedError) as error:
        raise InvalidInput(
            f"{architecture} has no training and evaluation mode",
            expected="a torch.nn.Module whose train() and eval() set the mode of each of its parts",
            found=describe_exception(error),
            do="return the network as it was written, not what torch.export or torch.jit.freeze made of it",
        ) from error
    return modes


def _require_gradient(architecture: str, model: nn.Module, logits_BC: Tensor) -> None:
    if logits_BC.requires_grad:
        return
    parameters = list(model.parameters())
    found = "no parameter" if not parameters else "logits without a gradient"
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        found = "requires_grad = False in all of them"
    raise InvalidInput(
        f"{architecture} cannot be trained",
        expected="logits that are computed from parameters with requires_grad = True",
        found=found,
        do="leave some parameters trainable, and neither detach() nor no_grad() in its forward pass",
    )


def _copy(model: nn.Module) -> nn.Module | None:
    """Returns a copy that a training pass may change in any way, or None for a network that Python cannot copy.

    Such a network is tested only by its first training step: a pass in training mode may change parameters and
    attributes, which cannot be restored.
    """
    try:  # TypeError if it cannot be pickled, RuntimeError for tensors that are results, others from its own code
        return copy.deepcopy(model)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None


def _require_logits(architecture: str, model: nn.Module, images_BIHW: Tensor, classes: int, *, do: str) -> Tensor:
    """Returns the logits [B, classes] of one forward pass, in the model's current mode."""
    batch, *image = images_BIHW.shape
    mode = " in training mode" if model.training else ""
    with convert_errors(
        f"{architecture} cannot take these images{mode}",
        expected=f"a network for float32 [B, {', '.join(map(str, image))}]",
        do="mend its forward pass where it is yours, set training.input_size to a size that it takes, or choose "
        "another architecture (`dgkd-cache models` lists them)",
    ):
        output = model(images_BIHW)
    found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if found != [batch, classes]:
        raise InvalidInput(
            f"{architecture} does not return one logit a class{mode}",
            expected=f"a tensor [{batch}, {classes}] for {'one image' if batch == 1 else f'{batch} images'}",
            found=str(found),
            do=do,
        )
    assert isinstance(output, Tensor)
    return output
