"""Adopting published models: their logits beside those of the model called by hand, and what its names tell early."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from support.adopting import adopt
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, functional as F

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.models.registry import build_model
from dgkd_cache.progress import Silent
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.tasks import TrainRequest, dump_guide, train_model
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

PICTURES = """
[dataset]
name = "folder:{folder}"
[views]
transforms = ["resized-crop(24)", "hflip"]
count = 1
[cache]
encoding = "float32"
[chain]
student = "plain2"
[training]
epochs = 1
batch_size = 4
precision = "float32"
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Workspace:
    """A workspace on 4 + 4 photographs of several sizes, in two classes, with stores in float32."""
    random = np.random.default_rng(4)
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(2):
                path = tmp_path / "pictures" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                height, width = (int(side) for side in random.integers(30, 60, 2))
                coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
                coarse.resize((width, height)).save(path)
    return Workspace.init(tmp_path / "ws", PICTURES.format(folder=tmp_path / "pictures"))


def check_guide(ws: Workspace, model: nn.Module, tests_BIHW: Tensor, resize: InterpolationMode, side: int) -> None:
    """Dumps the guide, compares its logits with those of the model called by hand, and trains a student under it."""
    ws, silent = Workspace.open(ws.folder), Silent()
    dumped = dump_guide(ws, model="big", device="cpu", progress=silent, stop=lambda: False)
    train = ws.dataset().train
    with GuideStore.open(dumped.path) as store, torch.no_grad():
        temperature = float(store.header.temperature)
        by_hand = model.eval()(tests_BIHW).numpy()
        assert np.abs(store.test_logits_MC * temperature - by_hand).max() < 1e-5
        pixels = ViewRenderer(ViewPlan.from_dict(store.header.plan), train).pixels([0] * 4, range(4))
        views = []
        for image in pixels:  # already cropped: resized to the network's side, and normalised
            if resize is InterpolationMode.BICUBIC:
                image = F.pil_to_tensor(F.to_pil_image(image).resize((side, side), Image.Resampling.BICUBIC))
            else:
                image = F.resize(image, [side, side], interpolation=resize, antialias=True)
            views.append(F.normalize(image / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        rows = store.gather(np.zeros(4, np.int64), np.arange(4)) * temperature
        assert np.abs(rows - model(torch.stack(views)).numpy()).max() < 1e-5
        assert json.loads(store.header.guide.training["origin"])["file"] == "weights.pt"
    request = TrainRequest(
        name="student",
        architecture="plain2",
        guides=[dumped.path],
        training=ws.config.training_for("student"),
        distillation=ws.config.distillation,
    )
    card = train_model(ws, request, device="cpu", progress=silent, stop=lambda: False)
    assert list(card.guides) == ["big"]


def test_torchvisions_resnet18_with_random_weights(pictures: Workspace, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = torchvision.models.resnet18(num_classes=2)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    adopt(pictures, "torchvision:resnet18", tmp_path / "weights.pt", accept_accuracy=True)
    transforms = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    tests = torch.stack([transforms(pictures.dataset().test.image(i)) for i in range(4)])
    check_guide(pictures, model, tests, InterpolationMode.BILINEAR, 224)


def test_timms_resnet10t_with_random_weights(pictures: Workspace, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    torch.manual_seed(3)
    model = timm.create_model("resnet10t", num_classes=2)
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "weights.pt")
    adopt(pictures, "timm:resnet10t", tmp_path / "weights.pt", accept_accuracy=True)
    transforms = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    images = pictures.dataset().test
    tests = torch.stack([transforms(F.to_pil_image(images.image(i))) for i in range(4)])
    check_guide(pictures, model, tests, InterpolationMode.BICUBIC, 176)


@pytest.mark.parametrize("architecture", ["torchvision:resnet18", "timm:resnet10t"])
def test_what_is_published_of_weights_is_compared_before_they_are_downloaded(
    pictures: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    if architecture.startswith("timm:"):
        pytest.importorskip("timm", reason="the extra timm is not installed")

    def download(name: str) -> None:
        raise InvalidInput(f"{name} would be downloaded")

    monkeypatch.setattr("dgkd_cache.workspace.tasks.adopt.pretrained_weights", download)
    (names := tmp_path / "names").write_text("cat\ndog\n")
    words = {"torchvision:resnet18": ("tabby", "beagle"), "timm:resnet10t": ("n02123045", "n02088364")}[architecture]
    (right := tmp_path / "right.json").write_text(json.dumps({words[0]: "cat", words[1]: "dog"}))
    (unknown := tmp_path / "unknown.json").write_text(json.dumps({words[0]: "cat", "hell-hound": "dog"}))
    for given, error, problem in (
        ({}, Mismatch, "another number of classes: expected 2 classes.*found 1000"),
        ({"classes": names, "class_map": right}, Mismatch, "expected 1000 names.*found 2 given by --classes"),
        ({"class_map": unknown}, Mismatch, "hell-hound"),
        ({"mean": ["0.5"]}, InvalidInput, "expected 3 values of --mean"),
        ({"class_map": right}, InvalidInput, "would be downloaded"),
    ):
        with pytest.raises(error, match=problem):
            adopt(pictures, architecture, None, **given)


@pytest.mark.parametrize("architecture", ["torchvision:resnet18", "resnet8"])
def test_what_does_not_fit_by_its_names_is_refused_before_an_image_is_read(
    pictures: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    """The files of a large data set take hours to read for the first time."""

    def load(*given: object, **named: object) -> None:
        raise AssertionError("the data set would be read")

    monkeypatch.setattr("dgkd_cache.datasets.registry.load_dataset", load)
    sizes = {"channels": 3, "height": 32, "width": 32, "seed": 0}
    states = {count: build_model(architecture, classes=count, **sizes).state_dict() for count in (2, 3)}
    for count, state in states.items():
        torch.save(state, tmp_path / f"{count}.pt")
    head = next(reversed(states[2]))
    torch.save({f"{name}2" if name == head else name: value for name, value in states[2].items()}, tmp_path / "n.pt")
    (names := tmp_path / "names").write_text("CAT\nDOG\nEMU\n")
    (twice := tmp_path / "twice.json").write_text(json.dumps({"CAT": "cat", "DOG": "cat"}))
    (right := tmp_path / "right.json").write_text(json.dumps({"CAT": "cat", "DOG": "dog"}))
    named = {"classes": names, "class_map": right}
    for file, given, error, problem in (
        ("3", {}, Mismatch, "another number of classes: expected 2 classes, as the data set has them, found 3"),
        ("n", {}, Mismatch, rf"expected {head} \(nearest: {head}2\), found {head}2 \(nearest: {head}\)"),
        (
            "3",
            named | {"class_map": twice},
            Mismatch,
            "expected one of the guide's classes for each of ours, found 'ca",
        ),
        ("2", named, Mismatch, "expected 2 names, as the weights have classes, found 3 given by --classes"),
        ("2", {"class_map": right}, InvalidInput, "expected --classes FILE beside --class-map"),
        ("2", {"mean": ["0.5"]}, InvalidInput, "expected 3 values of --mean"),
        ("2", {"size": 0}, InvalidInput, "a --size from 1 to"),
        ("3", named, AssertionError, "would be read"),
        ("2", {}, AssertionError, "would be read"),
    ):
        with pytest.raises(error, match=problem):
            adopt(pictures, architecture, tmp_path / f"{file}.pt", **given)
