"""Every public call of the package with keywords that work; constructors that read and write nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

import dgkd_cache as dgkd
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.registry import _REGISTERED as data_sets  # noqa: PLC2701 - to leave it as it was
from dgkd_cache.device.allocator import describe_freed_memory, keep_freed_memory
from dgkd_cache.device.cores import own_cores
from dgkd_cache.device.openmp import choose_waiting, describe_waiting
from dgkd_cache.errors import Incomplete, InvalidInput
from dgkd_cache.models import load_model, load_weights, weights_digest
from dgkd_cache.models.contract import check_forward
from dgkd_cache.models.registry import MODELS as models
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from support.arguments import Calls
from support.undone_calls import entered, registered, stopped

__all__ = ["RANDOM", "public_calls"]

RANDOM = dgkd.RunRandom(0)
CHAIN = """
[dataset]
name = "digits"
[views]
transforms = ["none"]
count = 1
[chain]
teacher = "plain2"
student = "plain2"
[training]
epochs = 1
"""


def public_calls(
    bars: Dataset, plan: dgkd.ViewPlan, make_tiny: Callable[..., nn.Module], store: Path, folder: Path
) -> Calls:
    """By name; `store` is a guide's, and `folder` one that is empty."""
    train, test = dgkd.ViewRenderer(plan, bars.train), dgkd.ViewRenderer(plan, bars.test)
    mixed = dgkd.ViewRenderer(dgkd.ViewPlan.build(image=(1, 8, 8), transforms=["mixup"]), bars.train)
    dropping = dgkd.Dropping()
    guide = make_tiny(1).eval()
    writer = dgkd.GuideWriter(
        folder / "run.zarr",
        guide,
        lambda pixels: guide(pixels / 255),
        guide=dgkd.Provenance(name="a"),
        train=train,
        test=test,
        views=range(1),
    )
    bank = dgkd.GuideBank([store], bars.train)
    loader = bank.loader(batch_size=32)
    batch = next(iter(loader))
    softened = torch.zeros(2, 5, 4)
    of_loss = {"logits_BC": torch.zeros(32, 4), "objective": "mean", "lambda_": 0.5, "guide_loss": dgkd.GuideLoss()}
    return {
        "Dataset": (
            dgkd.Dataset,
            {"train": bars.train, "test": bars.test, "mean": ("0.1",), "std": ("0.2",), "class_words": ()},
        ),
        "Dropping": (
            dgkd.Dropping,
            {"kind": "bernoulli", "keep": 0.5, "drop": 1, "always": ("ta1",), "at_least_one": False},
        ),
        "GuideLoss": (
            dgkd.GuideLoss,
            {
                **{"kind": "dkd", "standardize": True, "weights": "student", "percentile": 90.0},
                **{"dkd_alpha": 1.0, "dkd_beta": 8.0, "dist_beta": 1.0, "dist_gamma": 1.0},
            },
        ),
        "keep_mask": (dropping.keep_mask, {"random": RANDOM, "step": 0, "names": ("a", "b")}),
        "PrintProgress": (dgkd.PrintProgress, {}),
        "GuideBank": (
            lambda **keywords: dgkd.GuideBank(**keywords).close(),
            {
                "stores": [store],
                "images": bars.train,
                "views": range(3),
                "temperature": 4.0,
                "device": "cpu",
                "keep_on_device": None,
                "reader": "auto",
                "trusted": None,
            },
        ),
        "GuideWriter": (
            dgkd.GuideWriter,
            {
                "path": folder / "a.zarr",
                "model": make_tiny(1),
                "forward": make_tiny(1),
                "guide": dgkd.Provenance(name="a"),
                "train": train,
                "test": test,
                "views": range(4),
                "settings": dgkd.DumpSettings(batch_size=8),
                "device": "cpu",
                "draw": None,
            },
        ),
        "from_logits": (
            dgkd.GuideWriter.from_logits,
            {
                "path": folder / "b.zarr",
                "logits": lambda view, samples_B: np.zeros((len(samples_B), 4), np.float32),
                "iterator": None,
                "identity": {"service": "a"},
                "guide": dgkd.Provenance(name="a"),
                "train": train,
                "views": range(1),
                "test": test,
                "test_logits": lambda samples_B: np.zeros((len(samples_B), 4), np.float32),
                "settings": dgkd.DumpSettings(batch_size=8),
            },
        ),
        "DumpSettings": (
            dgkd.DumpSettings,
            {
                "temperature": 4.0,
                "encoding": "topk",
                "topk": 3,
                "topk_temperatures": (2.0,),
                "codec": "none",
                "batch_size": 8,
                "precision": "float32",
                "workers": 0,
                "licence": "",
                "accept_probabilities": False,
            },
        ),
        "Provenance": (
            dgkd.Provenance,
            {"name": "a", "architecture": "a", "training": {}, "guides": {}},
        ),
        "gather": (
            bank.gather,
            {"views_B": np.array([0, 1]), "samples_B": np.array([5, 6]), "keep_G": np.array([True])},
        ),
        "RunRandom": (dgkd.RunRandom, {"seed": 3}),
        "loader": (
            first_batch(bank.loader),
            {
                "batch_size": 32,
                "epochs": 2,
                "seed": 0,
                "dropping": dropping,
                "schedule": "draw",
                "order": "blocks",
                "samples": np.arange(100),
                "workers": 0,
                "first_step": 3,
                "rank": 0,
                "world_size": 2,
            },
        ),
        "set_epoch": (loader.set_epoch, {"epoch": 3}),
        "load_state_dict": (loader.load_state_dict, {"state": loader.state_dict()}),
        "loss": (batch.loss, of_loss),
        "loss_parts": (batch.loss_parts, of_loss),
        "batch_to": (batch.to, {"device": "cpu"}),
        "order": (RANDOM.order, {"epoch": 1, "samples_N": np.arange(5)}),
        "Schedule": (dgkd.Schedule, {"kind": "cycle", "views": 4, "random": RANDOM, "samples": 100}),
        "TensorImages": (
            dgkd.TensorImages,
            {
                "images_NIHW": bars.train.pixels_NIHW,
                "labels_N": bars.train.labels_N,
                "classes": bars.classes,
                "name": "n",
                "split": "train",
            },
        ),
        "ViewDataset": (dgkd.ViewDataset, {"plan": plan, "images": bars.train}),
        "ViewPlan": (
            dgkd.ViewPlan.build,
            {
                "image": (1, 8, 8),
                "transforms": ["crop(1)"],
                "scheme": "sampled",
                "seed": 0,
                "held_out": 0,
                "decoder": "pillow",
            },
        ),
        "ViewSampler": (
            dgkd.ViewSampler,
            {
                "schedule": dgkd.Schedule("cycle", 4, random=RANDOM, samples=100),
                "random": RANDOM,
                "samples": 100,
                "batch_size": 32,
                "epoch": 0,
                "step": 0,
            },
        ),
        "ViewRenderer": (dgkd.ViewRenderer, {"plan": plan, "images": bars.train}),
        "pixels": (train.pixels, {"views_B": [0, 1], "samples_B": [5, 6]}),
        "mixed_with": (mixed.mixed_with, {"views_B": [0, 1], "samples_B": [5, 6]}),
        "build_model": (
            dgkd.build_model,
            {"architecture": "resnet8", "channels": 1, "classes": 4, "height": 8, "width": 8, "seed": 0},
        ),
        "dense_guidance_loss": (
            dgkd.dense_guidance_loss,
            {
                "logits_BC": torch.zeros(5, 4),
                "labels_B": torch.zeros(5, dtype=torch.int64),
                "softened_KBC": softened,
                "guide_count": 2,
                "objective": "paper",
                "lambda_": 0.5,
                "temperature": 4.0,
                "guide_loss": dgkd.GuideLoss(),
                "partner_labels_B": torch.zeros(5, dtype=torch.int64),
                "label_share_B": torch.zeros(5),
            },
        ),
        "run": (
            writer.run,
            {"mine": None, "take_over": False, "progress": Silent(), "stop": lambda: False},
        ),
        "repair": (repaired(writer), {"take_over": False, "progress": Silent(), "stop": lambda: False}),
        "rehearse": (writer.draft.rehearse, {"view": 0}),
        "views": (dgkd.Schedule("draw", 4, random=RANDOM, samples=100).views, {"epoch": 3, "samples_B": [99]}),
        "item": (lambda pair: dgkd.ViewDataset(plan, bars.train)[pair], {"pair": (0, 5)}),
        "image": (bars.train.image, {"sample": 0}),
        "batch": (bars.train.batch, {"samples_B": [0, 1]}),
        "kept_share": (dropping.kept_share, {"names": ("a", "b")}),
        "weights_digest": (weights_digest, {"model": nn.Linear(2, 2)}),
        "evaluate": (
            dgkd.evaluate,
            {
                "model": guide,
                "forward": lambda pixels: guide(pixels / 255),
                "images": bars.test,
                "samples": np.arange(40),
                "device": "cpu",
                "precision": "float32",
                "batch_size": 8,
                "progress": None,
            },
        ),
        "register_model": (registered(models, dgkd.register_model), {"name": "mine", "smallest": 8}),
        "register_dataset": (registered(data_sets, dgkd.register_dataset), {"transforms": ["crop(1)"]}),
        "Workspace": (none_there(dgkd.Workspace.open), {"folder": folder}),
        "run_chain": (
            stopped(dgkd.run_chain),
            {
                "ws": dgkd.Workspace.init(folder / "ws", CHAIN),
                "device": "cpu",
                "remake": False,
                "take_over": False,
                "test_every": 0,
                "progress": None,
                "stop": lambda: True,
            },
        ),
        "load_model": (none_there(load_model), {"folder": folder, "architecture": None}),
        "load_weights": (none_there(load_weights), {"model": nn.Linear(2, 2), "folder": folder}),
        "load_card": (none_there(load_card), {"folder": folder}),
        "own_cores": (entered(own_cores), {"device": torch.device("cpu")}),
        "choose_waiting": (choose_waiting, {"environment": {}}),
        "describe_waiting": (describe_waiting, {"environment": {}}),
        "keep_freed_memory": (keep_freed_memory, {"environment": {"MALLOC_TRIM_THRESHOLD_": "1"}}),
        "describe_freed_memory": (describe_freed_memory, {"environment": {}}),
        "expect": (bank.expect, {"views_B": [0, 1], "samples_B": [5, 6]}),
        "to": (bars.train.to, {"device": "cpu"}),
        "check_forward": (
            check_forward,
            {
                "architecture": "mine",
                "model": nn.Sequential(nn.Flatten(), nn.Linear(64, 4)),
                "channels": 1,
                "classes": 4,
                "height": 8,
                "width": 8,
            },
        ),
        "load_dataset": (
            dgkd.load_dataset,
            {"name": "digits", "root": Path("x"), "download": False, "decoder": "pillow"},
        ),
    }


def first_batch(make_loader: Callable[..., Iterable[object]]) -> Callable[..., None]:
    """Goes as far as the first batch."""

    def begun(**keywords: object) -> None:
        for _ in make_loader(**keywords):
            break

    return begun


def repaired(writer: dgkd.GuideWriter) -> Callable[..., None]:
    """Goes as far as a whole store, which is repaired as it is."""

    def mended(**keywords: object) -> None:
        writer.run()
        writer.repair(**keywords)

    return mended


def none_there(load: Callable[..., object]) -> Callable[..., None]:
    """Goes as far as to see that the folder has no model, or no workspace."""

    def looked(**keywords: object) -> None:
        try:
            load(**keywords)
        except Incomplete:
            pass
        except InvalidInput as error:
            if "is no workspace" not in error.problem:
                raise

    return looked
