"""Networks of the user's own by `module:factory`: what their factory is given, and whose error is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.tiny_models import same, tiny

from dgkd_cache.errors import InvalidInput


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
