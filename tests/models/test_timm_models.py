"""timm's registry: names of it alone, the sizes that it publishes, and what is said without timm."""

from __future__ import annotations

import sys

import pytest
import torch

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.models.registry import build_model, count_unbuilt, find_model, wanted_input_size

timm = pytest.importorskip("timm", reason="the extra timm is not installed")


def test_a_model_is_timms_own_with_other_classes_and_channels() -> None:
    built = build_model("timm:resnet10t", channels=1, classes=7, height=64, width=64, seed=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        expected = timm.create_model("resnet10t", num_classes=7, in_chans=1)
    assert {name: tuple(value.shape) for name, value in built.state_dict().items()} == {
        name: tuple(value.shape) for name, value in expected.state_dict().items()
    }
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in built.state_dict().items())


def test_views_are_resized_to_the_published_size() -> None:
    assert wanted_input_size("timm:resnet10t", height=32, width=32) == 176
    assert wanted_input_size("timm:resnet10t.c3_in1k", height=176, width=176) is None


def test_a_model_of_a_fixed_size_is_built_for_the_size_that_it_gets() -> None:
    sizes = {"channels": 3, "classes": 5, "height": 96, "width": 96}
    model = build_model("timm:vit_tiny_patch16_224", **sizes, seed=0).eval()
    assert model(torch.zeros(1, 3, 96, 96)).shape == (1, 5)
    assert count_unbuilt("timm:vit_tiny_patch16_224", **sizes) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("timm:hf-hub:timm/resnet18.a1_in1k", "the source hf-hub:, which would choose what is built"),
        ("timm:local-dir:/tmp/model", "the source local-dir:"),
        ("timm:timm/resnet18", "found a path"),
        ("hf-hub:timm/resnet18", "a source of timm's"),
        ("hf_hub:timm/resnet18", "a source of timm's"),
        ("local-dir:/tmp/model", "a source of timm's"),
    ],
)
def test_sources_of_models_are_refused(name: str, found: str) -> None:
    with pytest.raises(InvalidInput, match=found) as caught:
        find_model(name)
    assert caught.value.exit_code == 2


def test_unknown_names_and_tags_name_the_closest() -> None:
    with pytest.raises(UnknownName, match="did you mean .*resnet10t"):
        find_model("timm:resnet10tt")
    with pytest.raises(UnknownName, match="tag of the timm model resnet10t 'a1_in1k': expected one of c3_in1k"):
        find_model("timm:resnet10t.a1_in1k")


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr(
        "builtins.__import__",
        _without_timm(__builtins__["__import__"]),  # type: ignore[index]  # pytest's module
    )
    with pytest.raises(InvalidInput, match=r'timm is not installed.*`pip install "dgkd-cache\[timm\]"`'):
        find_model("timm:resnet10t")


def _without_timm(imports):
    def load(name, *rest, **given):
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'", name="timm")
        return imports(name, *rest, **given)

    return load
