"""Adopting: logits of published models called by hand, what the run holds, and what is refused at once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from support.tiny_chain import Lines, workspace
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, functional as F

from dgkd_cache.config.workspace_config import read_config, with_overrides
from dgkd_cache.errors import DgkdError, InvalidInput, Mismatch, UnsafeStore
from dgkd_cache.models.registry import build_model
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.run_check import check_run
from dgkd_cache.workspace.tasks import TrainRequest, dump_guide, train_model
from dgkd_cache.workspace.tasks.adopt import Adopted, adopt_model
from dgkd_cache.workspace.tasks.adoption_options import AdoptRequest
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


def adopt(ws: Workspace, architecture: str, weights: Path | None, name: str = "big", **given: object) -> Adopted:
    ws = Workspace.open(ws.folder).naming([architecture])
    request = AdoptRequest(name=name, architecture=architecture, weights=weights, **given)  # type: ignore[arg-type]
    return adopt_model(ws, request, device="cpu", progress=Silent())


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


@pytest.fixture
def bars(tmp_path: Path) -> Workspace:
    return workspace(tmp_path / "ws")


def knowing(classes: list[int]) -> nn.Module:
    """A linear network that knows the bars, which are rows of an image: its class i is our class classes[i]."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, len(classes)))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.zero_()
        for row, label in enumerate(classes):
            model[1].weight[row].view(8, 8)[label * 2 : label * 2 + 2] = 0.1
    return model


NETS = """
from collections import namedtuple
from torch import nn

Out = namedtuple("Out", ["aux", "logits"])

def linear(*, channels, classes, height, width):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

class Scores(nn.Linear):
    def forward(self, images):
        return {"scores": super().forward(images.flatten(1))}

def scores(*, channels, classes, height, width):
    return Scores(channels * height * width, classes)

class Two(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.head, self.aux = nn.Linear(inputs, classes), nn.Linear(inputs, 7)

    def forward(self, images):
        return Out(self.aux(images.flatten(1)), self.head(images.flatten(1)))

def two(*, channels, classes, height, width):
    return Two(channels * height * width, classes)
"""


@pytest.fixture
def linear(bars: Workspace, tmp_path: Path, import_own: Callable[[str, str], ModuleType]) -> Path:
    """The weights of a linear network that knows the bars; its code is the user's own."""
    import_own("adopted_nets", NETS)
    torch.save(knowing([0, 1, 2, 3]).state_dict(), tmp_path / "w.pt")
    return tmp_path / "w.pt"


def test_the_run_is_whole_and_written_to_the_settings(bars: Workspace, linear: Path) -> None:
    before = (bars.folder / "dgkd.toml").read_text()
    done = adopt(bars, "adopted_nets:linear", linear)
    card = load_card(bars.folder / "runs" / "big")
    assert done.made and done.written and done.card == card
    assert float(card.accuracy["test"]) > 0.9 and card.adopted and card.training["classes"] == "assumed"
    assert card.weights_digest == weights_digest(knowing([0, 1, 2, 3]))
    assert check_run(bars.folder / "runs" / "big").state == "done"
    text = (bars.folder / "dgkd.toml").read_text()
    assert text.startswith(before.rstrip())
    model = read_config(bars.folder / "dgkd.toml").models["big"]
    assert (model.architecture, model.weights) == ("adopted_nets:linear", card.weights_digest)
    again = adopt(bars, "adopted_nets:linear", linear)
    assert not again.made and not again.written and (bars.folder / "dgkd.toml").read_text() == text


def test_a_wrong_order_of_classes_is_refused_by_its_accuracy(bars: Workspace, linear: Path) -> None:
    torch.save(knowing([1, 2, 3, 0]).state_dict(), linear)
    with pytest.raises(Mismatch, match="hardly knows this data set.*at least 50 %.*assumed in the order ant, bee, cow"):
        adopt(bars, "adopted_nets:linear", linear)
    assert not (bars.folder / "runs" / "big").exists() and "[models" not in (bars.folder / "dgkd.toml").read_text()
    names = linear.with_name("names")
    names.write_text("bee\ncow\ndog\nant\n")
    with pytest.raises(Mismatch, match="another order of them"):
        adopt(bars, "adopted_nets:linear", linear, classes=names)
    same = linear.with_name("map.json")
    same.write_text(json.dumps({name: name for name in ("ant", "bee", "cow", "dog")}))
    card = adopt(bars, "adopted_nets:linear", linear, classes=names, class_map=same).card
    assert float(card.accuracy["test"]) > 0.9 and card.training["class_columns"] == [3, 0, 1, 2]
    assert adopt(bars, "adopted_nets:linear", linear, name="any", accept_accuracy=True).made


def test_some_of_more_classes(bars: Workspace, linear: Path) -> None:
    torch.save(knowing([3, 1, 1, 2, 0]).state_dict(), linear)
    with pytest.raises(Mismatch, match="expected 4 classes.*found 5"):
        adopt(bars, "adopted_nets:linear", linear)
    linear.with_name("names").write_text("D\nB2\nB\nC\nA\n")
    linear.with_name("map").write_text('{"A": "ant", "B": "bee", "C": "cow", "D": "dog"}')
    card = adopt(
        bars, "adopted_nets:linear", linear, classes=linear.with_name("names"), class_map=linear.with_name("map")
    ).card
    assert float(card.accuracy["test"]) > 0.9 and card.classes == ("ant", "bee", "cow", "dog")


def test_another_run_of_that_name_is_kept_unless_it_starts_over(bars: Workspace, linear: Path) -> None:
    adopt(bars, "adopted_nets:linear", linear)
    torch.save({"model": {k: v * 2 for k, v in knowing([0, 1, 2, 3]).state_dict().items()}}, linear)
    with pytest.raises(Mismatch, match="has other inputs.*--fresh"):
        adopt(bars, "adopted_nets:linear", linear)
    first = load_card(bars.folder / "runs" / "big").weights_digest
    second = adopt(bars, "adopted_nets:linear", linear, fresh=True).card.weights_digest
    assert load_card(bars.folder / "aside" / "big-1" / "big").weights_digest == first != second
    assert read_config(bars.folder / "dgkd.toml").models["big"].weights == second


def test_outputs_with_an_auxiliary_head(bars: Workspace, linear: Path) -> None:
    state = knowing([0, 1, 2, 3]).state_dict()
    weights = {"head.weight": state["1.weight"], "head.bias": state["1.bias"]}
    torch.save({**weights, "aux.weight": torch.ones(7, 64), "aux.bias": torch.ones(7)}, linear)
    assert float(adopt(bars, "adopted_nets:two", linear).card.accuracy["test"]) > 0.9
    done = dump_guide(Workspace.open(bars.folder), model="big", device="cpu", progress=Lines(), stop=lambda: False)
    with GuideStore.open(done.path) as store:
        assert store.test_logits_MC.shape == (40, 4)
    torch.save({"weight": state["1.weight"], "bias": state["1.bias"]}, linear)
    with pytest.raises(
        InvalidInput, match="found dict; return one logit for each class: alone, as the entry or the at"
    ):
        adopt(bars, "adopted_nets:scores", linear, name="other")


def test_the_settings_are_compared_with_the_card(bars: Workspace, linear: Path) -> None:
    adopt(bars, "adopted_nets:linear", linear)
    path = bars.folder / "dgkd.toml"
    weights = read_config(path).models["big"].weights
    path.write_text(path.read_text().replace(weights, "0" * 64))
    with pytest.raises(Mismatch, match="is not the model that was adopted: expected the weights of .models.big"):
        dump_guide(Workspace.open(bars.folder), model="big", device="cpu", progress=Silent(), stop=lambda: False)


def test_a_card_alone_never_chooses_code(bars: Workspace, linear: Path) -> None:
    adopt(bars, "adopted_nets:linear", linear)
    path = bars.folder / "dgkd.toml"
    path.write_text(path.read_text().partition("\n# adopted")[0] + "\n")
    with pytest.raises(Mismatch, match="names code that nothing of yours names"):
        dump_guide(Workspace.open(bars.folder), model="big", device="cpu", progress=Silent(), stop=lambda: False)


@pytest.mark.parametrize(
    ("content", "architecture", "error", "problem"),
    [
        ({"state_dict": {}, "args": argparse.Namespace()}, "resnet8", UnsafeStore, "more than tensors"),
        ({"a": torch.ones(1)}, "resnet8", Mismatch, "expected stem.weight"),
        ({"a": torch.ones(1)}, "resnet81", InvalidInput, "did you mean resnet8"),
        ({"a": torch.ones(1)}, "hf-hub:timm/resnet18", InvalidInput, "is no architecture.*adopted from a file"),
    ],
)
def test_what_is_refused_before_anything_is_written(
    bars: Workspace, tmp_path: Path, content: object, architecture: str, error: type[DgkdError], problem: str
) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(error, match=problem):
        adopt(bars, architecture, tmp_path / "w.pt")
    assert not (bars.folder / "runs").exists() and "[models" not in (bars.folder / "dgkd.toml").read_text()


def test_weights_that_are_no_numbers_are_refused(bars: Workspace, tmp_path: Path) -> None:
    state = build_model("plain2", channels=1, classes=4, height=8, width=8, seed=1).state_dict()
    state[next(reversed(state))].fill_(torch.nan)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InvalidInput, match="big gives logits that are no numbers"):
        adopt(bars, "plain2", tmp_path / "w.pt", accept_accuracy=True)
    assert not (bars.folder / "runs" / "big" / "card.json").exists()
    assert "[models" not in (bars.folder / "dgkd.toml").read_text()


def test_a_model_of_the_chain_keeps_its_name(bars: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="ta1 is a model of the chain already"):
        adopt(bars, "resnet8", tmp_path / "w.pt", name="ta1")


def test_an_adopted_model_is_dumped_as_coefficients(bars: Workspace, tmp_path: Path) -> None:
    """Its logits are those of its last layer also behind the preprocessing of its card."""
    model = build_model("plain4", channels=1, classes=4, height=8, width=8, seed=1)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    adopt(bars, "plain4", tmp_path / "w.pt", accept_accuracy=True, mean=("0.3",), std=("0.2",))
    ws = Workspace.open(bars.folder)
    rows = {}
    for encoding in ("float32", "factored"):
        held = ws.with_config(with_overrides(ws.config, {"cache.encoding": encoding}))
        path = tmp_path / f"{encoding}.zarr"
        dump_guide(held, model="big", path=path, device="cpu", progress=Silent(), stop=lambda: False)
        with GuideStore.open(path) as store:
            assert (store.header.encoding, store.header.version) == (encoding, 2 if encoding == "factored" else 1)
            rows[encoding] = store.gather([1] * 96, range(96)).astype(np.float64)
    assert np.abs(rows["factored"] - rows["float32"]).max() < 2e-3 * np.abs(rows["float32"]).max()


def test_weights_of_a_run_are_adopted_as_they_are(bars: Workspace, tmp_path: Path) -> None:
    model = build_model("resnet8", channels=1, classes=4, height=8, width=8, seed=1)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    card = adopt(bars, "resnet8", tmp_path / "w.pt", accept_accuracy=True).card
    assert card.weights_digest == weights_digest(model)
