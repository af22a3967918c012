"""The encoding `factored` in a workspace: its width from an untrained model, and its refusal before any training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from support.tiny_chain import run, workspace
from torch import nn

from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.registry import MODELS, register_model
from dgkd_cache.workspace.tasks.factored_width import factored_width
from dgkd_stores import GuideStore


@pytest.fixture
def bent() -> Iterator[str]:
    """A model whose last linear layer has something behind it."""

    def bent_net(*, channels: int, classes: int, height: int, width: int) -> nn.Module:
        """From nowhere."""
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes), nn.Softplus())

    with mock.patch.dict(MODELS):
        register_model(smallest=4)(bent_net)
        yield "bent_net"


def width_of(ws, name: str) -> int | None:
    return factored_width(ws, name, ws.architecture(name), ws.config.training_for(name))


def test_the_width_is_that_of_the_last_layer(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain4"\nstudent = "plain2"', cache__encoding="factored")
    before = torch.get_rng_state()
    assert width_of(ws, "teacher") == 4  # of 64 features, there are four classes
    assert torch.equal(torch.get_rng_state(), before)
    other = workspace(tmp_path / "other", chain='teacher = "plain4"\nstudent = "plain2"')
    assert width_of(other, "teacher") is None


def test_a_head_that_is_not_linear_is_refused_before_anything_is_trained(tmp_path: Path, bent: str) -> None:
    ws = workspace(
        tmp_path / "ws", chain=f'teacher = "plain4"\nta1 = "{bent}"\nstudent = "plain2"', cache__encoding="factored"
    )
    words = r"guide 'ta1' \(bent_net\) does not end in a linear layer.*off by .*% from those of its last linear layer"
    with pytest.raises(InvalidInput, match=words) as caught:
        run(ws)
    assert caught.value.exit_code == 2 and not (ws.folder / "runs").exists()


def test_a_chain_is_trained_under_guides_of_coefficients(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain4"\nstudent = "plain2"', cache__encoding="factored")
    run(ws)
    with GuideStore.open(ws.store_path("teacher")) as store:
        assert store.header.version == 2 and float(store.header.fidelity["kl"]) < 1e-6
    assert (ws.run_folder("student") / "card.json").exists()
