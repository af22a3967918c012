"""A refused argument's message has the way on: what to write, or what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from support.arguments import Calls
from support.public_calls import public_calls
from torchvision.transforms import v2

import dgkd_cache as dgkd
from dgkd_cache.errors import Incomplete, InvalidInput
from dgkd_cache.models import load_model
from dgkd_cache.progress import Silent


@pytest.fixture
def calls(bars, plan, make_tiny, three_guides, tmp_path: Path) -> Calls:
    return public_calls(bars, plan, make_tiny, three_guides[0], tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "GuideBank",
            {"stores": "guides/a.zarr"},
            r"a list of paths.*found 'guides/a.zarr'; write \['guides/a.zarr'\]",
        ),
        ("GuideBank", {"stores": Path("a.zarr")}, r"found .*PosixPath; write \['a.zarr'\]"),
        ("GuideBank", {"views": 4}, r"found 4 \(int\); write views=range\(4\)"),
        (
            "GuideBank",
            {"views": range(0, 4, 2)},
            r"expected a range of consecutive view numbers, .*, 2\)",
        ),
        ("GuideBank", {"temperature": 0}, r"expected a number > 0, found 0 \(int\)"),
        (
            "GuideWriter",
            {"views": 4},
            r"GuideWriter: the argument 'views' cannot be used.*found 4 \(int\); write views=range\(4\)",
        ),
        ("GuideWriter", {"views": range(0, 8, 2)}, "no views to write: expected .*without gaps"),
        (
            "GuideWriter",
            {"model": lambda x: x},
            r"argument 'model' cannot be used: expected a torch.nn.Module.*<lambda>",
        ),
        ("GuideWriter", {"forward": None}, r"expected a function of uint8 pixels.*write lambda pixels: model\("),
        ("GuideWriter", {"guide": "ta1"}, r"'guide' cannot be used.*write guide=dgkd_cache.Provenance\(name='ta1'\)"),
        ("GuideWriter", {"settings": 4.0}, r"'settings' cannot be used.*write settings=dgkd_cache.DumpSettings\("),
        ("run", {"mine": range(3)}, r"GuideWriter.run: the argument 'mine' .*expected a part of range\(0, 1\)"),
        ("run", {"take_over": 1}, r"GuideWriter.run: the argument 'take_over' cannot be used: expected True or False"),
        ("DumpSettings", {"encoding": "float17"}, "did you mean 'float16'"),
        ("DumpSettings", {"precision": "auto"}, r"DumpSettings: the argument 'precision' .*expected float32 or bf16"),
        ("DumpSettings", {"batch_size": 0}, r"DumpSettings: the argument 'batch_size' cannot be used.*from 1 on"),
        ("Provenance", {"guides": ["ta1"]}, r"Provenance: the argument 'guides' cannot be used: expected a mapping"),
        ("GuideWriter", {"device": "gpu"}, "expected a torch.device that is there"),
        (
            "ViewRenderer",
            {"images": torchvision.datasets.FakeData(3)},
            r"found an object of type torchvision.*FakeData",
        ),
        ("ViewPlan", {"transforms": [v2.RandomCrop(4)]}, r"written as text.*found an object of type torchvision.*Crop"),
        ("ViewPlan", {"transforms": v2.RandomCrop(4)}, r"expected a list like \[\"crop"),
        ("ViewPlan", {"image": (32, 32)}, r"expected channels, height and width, as \(3, 32, 32\)"),
        ("Dropping", {"always": "ta1"}, r"found 'ta1'; write always=\('ta1',\)"),
        (
            "keep_mask",
            {"random": 3},
            r"keep_mask: the argument 'random' cannot be used: expected a RunRandom, found 3 .*write RunRandom\(seed\)",
        ),
        ("keep_mask", {"step": -1}, r"keep_mask: the argument 'step' cannot be used.*found -1"),
        ("dense_guidance_loss", {"guide_count": 1}, r"expected .*\(at most 1, 5, 4\).*found float32 \[2, 5, 4\]"),
        ("dense_guidance_loss", {"labels_B": torch.zeros(4, dtype=torch.int64)}, r"int64 \(5,\), found int64 \[4\]"),
        ("dense_guidance_loss", {"labels_B": torch.zeros(5, dtype=torch.bool)}, r"int64 \(5,\), found bool \[5\]"),
        ("dense_guidance_loss", {"labels_B": torch.zeros(5, dtype=torch.int32)}, r"int64 \(5,\), found int32 \[5\]"),
        (
            "dense_guidance_loss",
            {"labels_B": torch.tensor([0, 1, 2, 3, 4])},
            r"a label names no class: expected labels from 0 to 3, for logits of 4 classes, found 0 to 4",
        ),
        ("dense_guidance_loss", {"labels_B": torch.tensor([0, 1, 2, -100, 3])}, "found -100 to 3"),
        ("run", {"stop": True}, r"GuideWriter.run: the argument 'stop' .*found True .*write stop=lambda: False"),
        ("run", {"progress": print}, r"'progress' .*the methods start, advance, finish, say.*found the function print"),
        ("run", {"progress": Silent}, r"'progress' cannot be used.*found the class dgkd_cache.progress.Silent"),
        ("item", {"pair": (0, 1000)}, r"no such sample: expected samples 0 to \d+ of .*found samples 1000 to 1000"),
        ("item", {"pair": (0, -1)}, "no such sample.*found samples -1 to -1"),
        ("item", {"pair": (-1, 0)}, "no such view: expected a view number from 0 on, found -1"),
        ("item", {"pair": (0.5, 1)}, r"expected \(view, sample\), two integers, found \(0.5, 1\)"),
        ("item", {"pair": 3}, r"found 3 \(int\); give the DataLoader batch_sampler=ViewSampler"),
        (
            "views",
            {"samples_B": [100]},
            r"the schedule does not have: expected 0 to 99, found 100 to 100; write samples=len",
        ),
        ("ViewSampler", {"samples": 101}, r"the schedule does not have: expected 0 to 99, found 0 to 100"),
        (
            "load_model",
            {"folder": None},
            "load_model: the argument 'folder' cannot be used: expected a path",
        ),
        ("load_model", {"folder": 3}, r"load_model: the argument 'folder'.*found 3 \(int\)"),
        (
            "load_weights",
            {"model": "runs/a"},
            r"expected a torch.nn.Module, found 'runs/a'; give the model first",
        ),
        ("own_cores", {"device": 3.5}, "own_cores: the argument 'device' cannot be used"),
        ("choose_waiting", {"environment": None}, r"found None; write choose_waiting\(os.environ\)"),
        (
            "dense_guidance_loss",
            {"labels_B": torch.zeros(5, dtype=torch.int64, device="meta")},
            "on several devices: expected all of them where the student is, found logits_BC on cpu, labels_B on me",
        ),
        ("dense_guidance_loss", {"logits_BC": torch.zeros(5, 4, dtype=torch.int64)}, "a floating-point tensor"),
        ("dense_guidance_loss", {"softened_KBC": torch.zeros(2, 5, 4).bool()}, r"logits, floating-point \(at most 2"),
        ("image", {"sample": -1}, r"image: the argument 'sample' cannot be used: expected an integer from 0 to \d+"),
        (
            "batch",
            {"samples_B": [0, 10**6]},
            r"expected samples 0 to \d+ of .*found samples 0 to 1000000",
        ),
        ("kept_share", {"names": 3}, "kept_share: the argument 'names' cannot be used"),
        ("weights_digest", {"model": 3}, "'model' cannot be used: expected a torch.nn.Module"),
        ("loader", {"batch_size": 0}, r"GuideBank.loader: the argument 'batch_size' cannot be used: .*found 0"),
        ("loader", {"dropping": 0.75}, r"found 0.75 \(float\); write dropping=Dropping\(keep=0.75\)"),
        ("loader", {"dropping": dgkd.Dropping(always=("ta",))}, "unknown guide to keep always"),
        (
            "loader",
            {"schedule": "draws"},
            "unknown view schedule 'draws': expected one of cycle, draw; did you mean draw",
        ),
        ("loader", {"order": "block"}, "unknown order"),
        ("loader", {"samples": []}, r"expected at least one sample's number, .*leave samples out to train on all"),
        ("loader", {"samples": [100]}, r"no such sample: expected samples 0 to 99 .*found samples 100 to 100"),
        ("loader", {"first_step": 9}, r"'first_step' cannot be used: expected an integer from 0 to 8, found 9"),
        ("loader", {"rank": 2}, r"'rank' cannot be used: expected an integer from 0 to 1, found 2"),
        ("loader", {"workers": -1}, r"GuideBank.loader: the argument 'workers' cannot be used: .*found -1"),
        ("loader", {"epochs": 0}, r"GuideBank.loader: the argument 'epochs' cannot be used: .*found 0"),
        ("loader", {"world_size": 0}, r"GuideBank.loader: the argument 'world_size' cannot be used: .*found 0"),
        ("set_epoch", {"epoch": -1}, "GuideLoader.set_epoch: the argument 'epoch' cannot be used.*found -1"),
        ("load_state_dict", {"state": {"step": 3}}, r"GuideLoader.load_state_dict: the argument 'seed' .*found None"),
        ("order", {"epoch": True}, r"RunRandom.order: the argument 'epoch' cannot be used.*found True"),
        ("pixels", {"views_B": [[0, 1]]}, r"ViewRenderer.pixels: the argument 'views_B' cannot be used"),
        ("pixels", {"samples_B": np.zeros((2, 1))}, r"the argument 'samples_B'.*found float64 \[2, 1\]"),
        ("GuideBank", {"stores": [4]}, r"GuideBank: the argument 'stores' cannot be used: expected the path.*found 4"),
        ("ViewSampler", {"batch_size": True}, r"'batch_size' cannot be used.*found True"),
        (
            "ViewSampler",
            {"step": np.int32(5)},
            r"'step' cannot be used: expected an integer from 0 to 4, found np.int32\(5\)",
        ),
    ],
)
def test_the_way_on_is_in_the_message(calls, name: str, changes: dict[str, Any], words: str) -> None:
    call, keywords = calls[name]
    with pytest.raises(InvalidInput, match=words) as caught:
        call(**{**keywords, **changes})
    assert caught.value.exit_code == 2


def test_a_path_may_be_text(tmp_path: Path) -> None:
    with pytest.raises(Incomplete, match=f"no finished model in {tmp_path}"):
        load_model(str(tmp_path))


def test_swapped_arguments_are_told_in_order(bars, plan) -> None:
    with pytest.raises(InvalidInput, match=r"write ViewRenderer\(plan, images\)"):
        dgkd.ViewRenderer(bars.train, plan)
    with pytest.raises(InvalidInput, match=r"write ViewDataset\(plan, images\)"):
        dgkd.ViewDataset(bars.train, plan)
