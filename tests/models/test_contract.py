"""Networks made elsewhere are tried before they are believed: in both modes, twice, and unchanged by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from support.tiny_models import tiny
from torch import Tensor, nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.contract import check_forward

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
