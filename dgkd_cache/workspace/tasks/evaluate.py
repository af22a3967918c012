"""Evaluates one finished model of a workspace."""

from __future__ import annotations

import numpy as np

from dgkd_cache.datasets.split import split_images
from dgkd_cache.device.device import resolve_device
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Progress
from dgkd_cache.training.evaluate import Score, evaluate_samples
from dgkd_cache.workspace.tasks.model_setup import load_run, prepare_inference, require_same_data, say_input
from dgkd_cache.workspace.tasks.published_pixels import unaugmented
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["evaluate_model"]


def evaluate_model(ws: Workspace, *, model: str, split: str, device: str, progress: Progress) -> Score:
    """Scores the finished run `model` on un-augmented images: `test`, `train` or the held-out `validation` split."""
    where = resolve_device(device)
    network, card = load_run(ws, model)
    dataset, plan = ws.dataset(), ws.plan()
    require_same_data(ws, card, ws.run_folder(model), test=split == "test")
    train_N, held_N = split_images(dataset.train, ws.config.dataset.validation)
    chosen = {"train": train_N, "validation": held_N, "test": np.arange(len(dataset.test))}
    if split not in chosen or not len(chosen[split]):
        raise InvalidInput(
            f"there is no {split} split",
            expected="one of " + ", ".join(key for key, samples_N in chosen.items() if len(samples_N)),
            found=split,
            do="dataset.validation holds samples out of training",
        )
    say_input(
        *(ws, model, card.preprocess.input_size, progress),
        why="as it was adopted" if card.adopted else "as it was trained",
    )
    images = dataset.test if split == "test" else dataset.train
    network, preprocess = prepare_inference(network, card, where)
    return evaluate_samples(
        network,
        lambda pixels_BIHW: network(preprocess(pixels_BIHW)),
        unaugmented(plan, images.to(where), card.preprocess),
        chosen[split],
        device=where,
        precision=str(card.compute.get("precision", "float32")),
        what=f"evaluate {model} on {split}",
        progress=progress,
    )
