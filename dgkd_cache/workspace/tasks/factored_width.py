"""The width of a row in the encoding `factored`, from an untrained model: before hours are spent on training it."""

from __future__ import annotations

import torch

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.dump.row_form import RowForm
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.workspace.tasks.model_setup import load_run, new_model
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["factored_width"]

_IMAGES = 2


def factored_width(ws: Workspace, name: str, architecture: str, recipe: TrainingConfig) -> int | None:
    """Returns the coefficients in a row of this model's store; None unless the encoding of `ws` is `factored`.

    The model is built, or loaded if it was adopted, and forwards noise. Raises InvalidInput for one whose logits are no
    linear last layer's.
    """
    if ws.config.cache.encoding != "factored":
        return None
    what, classes = f"guide {name!r} ({architecture})", len(ws.dataset().classes)
    if ws.member(name).kind == "adopted":
        model, card = load_run(ws, name)
        preprocess = card.preprocess
    else:
        model, preprocess = new_model(ws, architecture, input_size=recipe.input_size, seed=0)
    settings = DumpSettings(encoding="factored", temperature=ws.config.cache.temperature)
    form = RowForm.of_guide(model, settings, classes=classes, device=torch.device("cpu"), what=what)
    channels, height, width = ws.plan().view_shape
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        images_BIHW = torch.randn(_IMAGES, channels, *preprocess.network_size(height, width))
        with form.watch_head() as returned:
            logits_BC = model.eval()(images_BIHW)
        form.require_fit(logits_BC, returned, temperature=settings.temperature, what=what)
    return form.encoding.columns(classes)
