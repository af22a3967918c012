"""Adopting models of the user's own: what the run holds, and what is refused at once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from support.adopting import adopt
from support.tiny_chain import Lines, workspace
from torch import nn

from dgkd_cache.config.workspace_config import read_config, with_overrides
from dgkd_cache.errors import DgkdError, InvalidInput, Mismatch, UnsafeStore
from dgkd_cache.models.registry import build_model
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.progress import Silent
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace.run_check import check_run
from dgkd_cache.workspace.tasks import dump_guide
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore


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
