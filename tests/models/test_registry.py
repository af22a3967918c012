"""Building by name: what a seed fixes, what is refused and in which words, and who may enter a model."""

from __future__ import annotations

import pytest
import torch
from support.tiny_models import same, tiny
from torch import nn

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.models import registry
from dgkd_cache.models.registry import (
    build_model,
    count_parameters,
    count_unbuilt,
    model_names,
    model_patterns,
    wanted_input_size,
)
from dgkd_cache.models.torchvision_models import torchvision_names
from dgkd_stores import Registry


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MODELS", Registry("model"))


@pytest.mark.parametrize("name", ["resnet8", "plain10", "vgg8", "wrn-10-1"])
def test_the_seed_fixes_the_weights_and_nothing_else_does(name: str) -> None:
    torch.manual_seed(1)
    first = tiny(name)
    torch.manual_seed(2)
    second = tiny(name)
    assert same(first, second)
    assert not same(first, tiny(name, seed=6))


def test_no_global_random_state_is_read_or_changed() -> None:
    before = torch.get_rng_state()
    tiny("resnet8")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_seed_is_what_manual_seed_takes() -> None:
    built = build_model("torchvision:squeezenet1_1", channels=3, classes=7, height=64, width=64, seed=2**62 + 1)
    from torchvision.models import squeezenet1_1

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2**62 + 1)
        expected = squeezenet1_1(weights=None, num_classes=7)
    assert same(built, expected)


def test_networks_are_made_on_the_cpu_whatever_the_default_device_is() -> None:
    with torch.device("meta"):
        model = tiny("resnet8")
    assert {value.device.type for value in model.state_dict().values()} == {"cpu"}


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(UnknownName) as caught:
        tiny("resnt20")
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("unknown model 'resnt20': expected one of module:factory, ")
    assert "; did you mean resnet20" in str(caught.value) and str(caught.value).count("resnt20") == 1


def test_a_list_that_is_cut_has_the_closest_names_first() -> None:
    with pytest.raises(UnknownName) as caught:
        tiny("torchvision:wide_resnet50_3")
    assert caught.value.expected.startswith("one of wide_resnet50_2, ")
    listed = caught.value.expected.removeprefix("one of ").partition(" and ")
    assert len(listed[0].split(", ")) + int(listed[2].split()[0]) == len(torchvision_names())


@pytest.mark.parametrize("name", ["", "\x1b[31m", "torchvision", ":", "a:", ":b", "resnet20 "])
def test_nonsense_is_an_unknown_name(name: str) -> None:
    with pytest.raises(UnknownName, match="unknown model") as caught:
        tiny(name)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(("name", "smallest"), [("vgg11", 8), ("resnet20", 4), ("wrn-16-1", 4)])
def test_too_small_an_image_names_the_smallest(name: str, smallest: int) -> None:
    assert tiny(name, height=smallest, width=smallest)(torch.zeros(2, 1, smallest, smallest)).shape == (2, 10)
    with pytest.raises(InvalidInput) as caught:
        tiny(name, height=smallest - 1, width=40)
    expected = f"expected at least {smallest}x{smallest} pixels, found {smallest - 1}x40; "
    assert expected in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize("what", ["channels", "classes"])
def test_counts_below_one_are_refused(what: str) -> None:
    with pytest.raises(InvalidInput, match=f"expected {what} >= 1, found 0"):
        tiny("resnet8", **{what: 0})


@pytest.mark.usefixtures("empty_registry")
def test_a_model_is_entered_under_its_function_s_name_and_only_once() -> None:
    @registry.register_model(smallest=2)
    def onelayer(*, channels: int, classes: int, height: int, width: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

    assert registry.model_names() == ("onelayer",)
    assert tiny("onelayer")(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    with pytest.raises(InvalidInput, match="'onelayer' is registered already"):
        registry.register_model()(onelayer)


@pytest.mark.usefixtures("empty_registry")
def test_the_decorator_is_written_with_parentheses_or_without() -> None:
    def one(*, channels: int, classes: int, height: int, width: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

    assert registry.register_model(one) is one and registry.register_model(name="two")(one) is one
    assert registry.model_names() == ("one", "two") and tiny("one")(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    for wrong in ("three", 3):
        with pytest.raises(InvalidInput, match=r"'factory' cannot be used: expected a function .*, with a name, found"):
            registry.register_model(wrong)


def test_the_forms_of_name_are_listed() -> None:
    assert set(model_patterns()) == {"wrn-D-K", "vggD-dropoutP", "timm:NAME", "torchvision:NAME", "module:factory"}


@pytest.mark.parametrize(
    "name",
    [
        *model_names(),
        "wrn-10-1",
        "torchvision:mobilenet_v2",
        pytest.param("torchvision:vit_b_16", marks=pytest.mark.slow),
    ],
)
def test_a_network_is_counted_without_building_it(name: str) -> None:
    side = wanted_input_size(name, 32, 32) or 32
    sizes = {"channels": 3, "classes": 10, "height": side, "width": side}
    assert count_unbuilt(name, **sizes) == count_parameters(build_model(name, seed=0, **sizes))
