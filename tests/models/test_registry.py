"""Building by name: what a seed fixes, what is refused and in which words, and who may enter a model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.models import build_model, find_model, model_names, model_patterns, registry, wanted_input_size
from dgkd_cache.models.foreign import check_forward
from dgkd_cache.models.registry import count_parameters, count_unbuilt
from dgkd_cache.models.torchvision_models import torchvision_names

Build = Callable[..., nn.Module]


def tiny(architecture: str, **changes: int) -> nn.Module:
    settings = {"channels": 1, "classes": 10, "height": 8, "width": 8, "seed": 5} | changes
    return build_model(architecture, **settings)


def same(first: nn.Module, second: nn.Module) -> bool:
    left, right = first.state_dict(), second.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MODELS", {})


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> None:
        sys.modules.pop("my_nets", None)
        (tmp_path / "my_nets.py").write_text("import torch\nfrom torch import nn\n" + source)

    return write


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
    assert "expected one of" in str(caught.value) and "'resnt20'; did you mean resnet20" in str(caught.value)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vgg11_bn"])
def test_a_name_of_torchvision_is_answered_with_its_prefix(name: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean torchvision:{name}( or .*)?\\?$"):
        tiny(name)


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


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wrn-17-2", "wrn-16-2 and wrn-22-2 are the nearest"),
        ("wrn-4-2", "wrn-10-2 and wrn-16-2 are the nearest"),
        ("wrn-16", "try wrn-16-2"),
        ("wrn-16-0", "try wrn-16-2"),
        ("wrn--16-2", "try wrn-16-2"),
    ],
)
def test_an_impossible_wide_resnet_is_told_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=hint) as caught:
        tiny(name)
    assert caught.value.exit_code == 2 and "D = 6n + 4" in str(caught.value) and name in str(caught.value)


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
    with pytest.raises(AssertionError, match="'onelayer' is registered already"):
        registry.register_model()(onelayer)


def test_the_forms_of_name_are_listed() -> None:
    assert set(model_patterns()) == {"wrn-D-K", "torchvision:NAME", "module:factory"}


def test_only_torchvision_wants_its_own_input_size() -> None:
    assert wanted_input_size("torchvision:resnet18", height=32, width=32) == 224
    assert wanted_input_size("torchvision:resnet18", height=224, width=224) is None
    assert wanted_input_size("torchvision:vit_b_16", height=32, width=32) == 224
    assert wanted_input_size("torchvision:swin_v2_t", height=32, width=32) == 256
    assert wanted_input_size("wrn-16-2", height=8, width=8) is None


def test_an_unknown_torchvision_model_names_the_closest() -> None:
    with pytest.raises(UnknownName, match=r"'resnet81'; did you mean .*resnet18"):
        find_model("torchvision:resnet81")
    with pytest.raises(UnknownName, match="torchvision model"):
        find_model("torchvision:fasterrcnn_resnet50_fpn")  # no classifier


@pytest.mark.parametrize("channels", [1, 5])
def test_a_torchvision_model_takes_other_channels_and_classes(channels: int) -> None:
    model = tiny("torchvision:resnet18", channels=channels, classes=4, height=40, width=40)
    assert model.training
    assert model.eval()(torch.zeros(2, channels, 40, 40)).shape == (2, 4)
    stem = model.get_submodule("conv1")
    assert isinstance(stem, nn.Conv2d)
    assert (stem.weight.shape, stem.stride, stem.padding, stem.bias) == (
        (64, channels, 7, 7),
        (2, 2),
        (3, 3),
        None,
    )


def test_a_torchvision_model_that_cannot_take_the_size_says_so() -> None:
    with pytest.raises(InvalidInput, match="torchvision:alexnet cannot take these images") as caught:
        tiny("torchvision:alexnet", channels=3, height=16, width=16)
    assert "[B, 3, 16, 16]" in str(caught.value) and caught.value.exit_code == 2


def test_a_network_of_the_user_s_own_is_called_with_the_keywords_it_takes(user_module: Callable[[str], None]) -> None:
    user_module(
        "def net(*, channels, classes, height, width):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))\n"
    )
    model = tiny("my_nets:net", height=6)
    assert model(torch.zeros(2, 1, 6, 8)).shape == (2, 10)
    assert model.training and same(model, tiny("my_nets:net", height=6))


@pytest.mark.parametrize(
    ("signature", "gets"),
    [
        ("*, channels, classes, height, width", "channels classes height width"),
        ("**kw", "channels classes height width"),
        ("classes, **rest", "channels classes height width"),
        ("classes", "classes"),
        ("width, depth=3, *more, classes=2", "classes width"),
        ("", ""),
        ("first=1, /, height=2", "height"),
    ],
)
def test_a_factory_gets_only_what_it_takes(user_module: Callable[[str], None], signature: str, gets: str) -> None:
    user_module(
        f"got = []\ndef net({signature}):\n"
        "    got.append({**locals(), **locals().get('kw', {}), **locals().get('rest', {})})\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(30, 10))\n"
    )
    tiny("my_nets:net", height=5, width=6)
    offered = {"channels": 1, "classes": 10, "height": 5, "width": 6}
    assert sys.modules["my_nets"].got[-1].items() >= {key: offered[key] for key in gets.split()}.items()


@pytest.mark.parametrize(
    ("signature", "found"),
    [
        ("depth, **kw", "the required parameter 'depth'; give it a default or take it out of the signature"),
        ("*, classes, depth", "the required parameter 'depth'"),
        ("channels, /, classes", "the required parameter 'channels' without a keyword; give it a default, or take it"),
    ],
)
def test_a_factory_that_needs_more_is_refused_by_name(
    user_module: Callable[[str], None], signature: str, found: str
) -> None:
    user_module(f"def net({signature}): return 1 / 0\n")
    with pytest.raises(
        InvalidInput, match="needs no more than the keywords channels, classes, height, width"
    ) as caught:
        tiny("my_nets:net")
    assert found in str(caught.value) and caught.value.exit_code == 2


def test_an_exception_of_a_factory_is_told_with_its_own_line(
    user_module: Callable[[str], None], tmp_path: Path
) -> None:
    user_module("def layer(width):\n    return nn.Linear(-1, width)\ndef net(*, width):\n    return layer(width)\n")
    with pytest.raises(InvalidInput) as caught:
        tiny("my_nets:net", width=7)
    words = str(caught.value)
    assert "the model factory my_nets:net failed" in words and "RuntimeError: Trying to create tensor" in words
    assert f"({tmp_path / 'my_nets.py'}, line 4)" in words and "call it by hand with width=7 and mend it" in words


AUXILIARY = """
class Auxiliary(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), nn.Flatten())
        self.head = nn.LazyLinear(classes)
        self.body[0].eval()

    def forward(self, images):
        logits = self.head(self.body(images))
        return (logits, logits) if self.training and AUXILIARY else logits

def net(*, classes):
    return Auxiliary(classes)
"""


def test_a_network_is_tried_in_both_modes(user_module: Callable[[str], None]) -> None:
    user_module("AUXILIARY = True\n" + AUXILIARY)
    with pytest.raises(InvalidInput, match=r"one logit a class in training mode.*\[8, 10\] for 8 images, found tuple"):
        tiny("my_nets:net")
    user_module(AUXILIARY.replace("if self.training and AUXILIARY", "if False"))
    tiny("my_nets:net")


def test_trying_a_network_changes_nothing_of_it(user_module: Callable[[str], None]) -> None:
    user_module("AUXILIARY = False\n" + AUXILIARY)
    model = tiny("my_nets:net")
    norm = model.get_submodule("body.0")
    assert norm.running_mean.tolist() == [0.0] and norm.running_var.tolist() == [1.0]
    assert norm.num_batches_tracked == 0
    assert model.training and not norm.training
    with torch.random.fork_rng(devices=[]):  # the weights that its layers draw, and nothing else draws before them
        torch.manual_seed(5)
        expected = nn.Linear(64, 10)
    assert torch.equal(model.get_submodule("head").weight, expected.weight)


class OwnInitialisation(nn.Module):
    """ActNorm: the first batch in training mode sets a parameter, a flag says that it was; a history grows."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.linear = nn.Parameter(torch.ones(())), nn.Linear(3 * 8 * 8, 10)
        self.initialised = False
        self.register_buffer("history", torch.zeros(0))

    def forward(self, images: Tensor) -> Tensor:
        if self.training and not self.initialised:
            self.scale.data = 1 / images.std()
            self.initialised = True
        if self.training:
            self.history = torch.cat([self.history, images.mean().reshape(1)])
        logits: Tensor = self.linear((images * self.scale).flatten(1))
        return logits


class Groups(nn.Module):
    """Ghost batch norm of four groups, and an input norm that no constant image has."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 8 * 8, 10)

    def forward(self, images: Tensor) -> Tensor:
        assert bool((images.std(dim=(1, 2, 3)) > 0).all())
        if self.training:
            assert len(images.chunk(4)) == 4
        logits: Tensor = self.linear(images.flatten(1))
        return logits


class NoCopy(nn.Linear):
    """A network that Python cannot copy: a result of arithmetic is one of its attributes."""

    def __init__(self) -> None:
        super().__init__(3 * 8 * 8, 10)
        self.doubled = self.weight * 2

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.flatten(1))


@pytest.mark.parametrize("network", [OwnInitialisation, Groups, NoCopy])
def test_a_network_that_training_changes_starts_as_it_was_made(network: Callable[[], nn.Module]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        made = network()
        state = {name: value.clone() for name, value in made.state_dict().items()}
        before = torch.get_rng_state()
        tried = check_forward("mine", made, channels=3, classes=10, height=8, width=8)
        assert torch.equal(torch.get_rng_state(), before)
    assert tried is made and made.training and not getattr(made, "initialised", False)
    assert made.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in made.state_dict().items())


def test_lazy_layers_of_a_user_s_network_have_their_sizes(user_module: Callable[[str], None]) -> None:
    user_module("def net(**kw):\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(kw['classes']))\n")
    weights: Tensor = tiny("my_nets:net").state_dict()["1.weight"]
    assert weights.shape == (10, 64)


CANNOT_LEARN = """
class Pixels(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :10] - 5

class Detached(nn.Linear):
    def __init__(self):
        super().__init__(64, 10)

    def forward(self, images):
        return super().forward(images.flatten(1)).detach()
"""


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("", "no_such_module_at_all:net", r"cannot be imported: .*No module named.*PYTHONPATH"),
        ("1 / 0", "my_nets:net", r"imported: .*ZeroDivisionError.*my_nets.py, line 3\); mend .* -c 'import my_nets'`"),
        ("import no_such_layers", "my_nets:net", r"No module named 'no_such_layers'.*line 3\); install no_such_layers"),
        ("", "my_nets:net", r"expected a function 'net' in the module my_nets, found nothing of that name"),
        ("net = 3", "my_nets:net", r"expected a function 'net' .*found int"),
        ("def net(n): return n", "my_nets:net", r"keywords channels, .*, found the required parameter 'n'"),
        ("def net(**kw): return 3", "my_nets:net", r"expected a torch.nn.Module, found int"),
        ("def net(**kw): return nn.Linear(3, 3)", "my_nets:net", r"cannot take these images: .*RuntimeError"),
        ("def net(**kw): return Pixels()", "my_nets:net", r"cannot be trained: .*found no parameter; leave some"),
        ("def net(**kw): return Detached()", "my_nets:net", r"cannot be trained: .*found logits without a gradient"),
        (
            "def net(**kw): return Detached().requires_grad_(False)",
            "my_nets:net",
            r"cannot be trained: .*found requires_grad = False in all of them",
        ),
        (
            "import warnings\ndef net(**kw):\n    with warnings.catch_warnings(action='ignore'):\n"  # it is deprecated
            "        return torch.jit.freeze(torch.jit.script(Pixels().eval()))",
            "my_nets:net",
            r"no training and evaluation mode.*AttributeError.*not what torch.export or torch.jit.freeze made of it",
        ),
        (
            "def net(**kw):\n    return torch.export.export(Pixels(), (torch.zeros(2, 1, 8, 8),)).module()",
            "my_nets:net",
            r"no training and evaluation mode.*NotImplementedError",
        ),
        (
            "def net(**kw): return nn.Flatten()",
            "my_nets:net",
            r"a tensor \[1, 10\] for one image, found \[1, 64\]",
        ),
    ],
)
def test_a_bad_network_of_the_user_s_own_is_refused(
    user_module: Callable[[str], None], source: str, name: str, message: str
) -> None:
    user_module(f"{source}\n{CANNOT_LEARN}")
    with pytest.raises(InvalidInput, match=message) as caught:
        tiny(name)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", [*model_names(), "wrn-10-1", "torchvision:mobilenet_v2", "torchvision:vit_b_16"])
def test_a_network_is_counted_without_building_it(name: str) -> None:
    side = wanted_input_size(name, 32, 32) or 32
    sizes = {"channels": 3, "classes": 10, "height": side, "width": side}
    assert count_unbuilt(name, **sizes) == count_parameters(build_model(name, seed=0, **sizes))
