"""The weights of a model that pruning may remove: those of linear and convolutional layers.

Biases, batch norm and every other parameter stay: they are few, and removing one changes a whole channel.
"""

from __future__ import annotations

from torch import nn

from dgkd_cache.errors import InvalidInput

__all__ = ["prunable_weights"]

_LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Returns the weights of the linear and convolutional layers by name, in the order of the model's parameters.

    A weight that several layers share comes once, under its first name; one that is not trained, or that is computed
    from others at each pass, does not come. Raises InvalidInput (exit 2) for a model without any.
    """
    held = {
        id(parameter)
        for layer in model.modules()
        if isinstance(layer, _LAYERS)
        for name, parameter in layer.named_parameters(recurse=False)
        if name == "weight"
    }
    found = {
        name: parameter
        for name, parameter in model.named_parameters()
        if id(parameter) in held and parameter.requires_grad
    }
    if not found:
        raise InvalidInput(
            "the model has no weights that can be pruned",
            expected="weights of linear or convolutional layers, which are trained",
            found=f"none in {type(model).__name__}",
            do="prune another model",
        )
    return found
