"""The architecture of a pruned member: that of its source, wherever this is."""

from __future__ import annotations

import pytest
from support.tiny_chain import train, workspace

from dgkd_cache.config.workspace_config import parse_config
from dgkd_cache.errors import Incomplete, Mismatch
from dgkd_cache.workspace.member_architecture import source_architecture


def adopt(model: str) -> str:
    return f"adopt {model} now"


def config(**members: str):
    models = {"big": {"architecture": "torchvision:resnet18", "weights": "a" * 64}}
    return parse_config({"views": {"transforms": ["none"]}, "chain": members, "models": models}, source="it")


def test_it_is_found_through_other_pruned_members(tmp_path) -> None:
    chain = config(
        teacher="resnet14", ta1="pruned:teacher@0.5", ta2="pruned:ta1@0.8", ta3="adopted:big", student="pruned:ta3@0.9"
    )
    assert source_architecture(chain, "ta1", tmp_path, named=(), adopting=adopt) == "resnet14"
    assert source_architecture(chain, "ta2", tmp_path, named=(), adopting=adopt) == "resnet14"
    assert source_architecture(chain, "student", tmp_path, named=(), adopting=adopt) == "torchvision:resnet18"
    by_name = config(teacher="resnet14", student="pruned:big@0.9")
    assert source_architecture(by_name, "student", tmp_path, named=(), adopting=adopt) == "torchvision:resnet18"


def test_a_run_outside_of_the_chain_tells_by_its_card(tmp_path) -> None:
    ws = workspace(tmp_path / "ws", chain='teacher = "plain2"\nstudent = "plain2"')
    train(ws, "other", architecture="plain4")
    chain = config(teacher="resnet14", student="pruned:other@0.9")
    assert source_architecture(chain, "student", ws.folder / "runs", named=(), adopting=adopt) == "plain4"


def test_a_source_that_is_nowhere_is_named_with_what_was_meant(tmp_path) -> None:
    """The error names the member that lacks it, also where the question is about a later one."""
    chain = config(teacher="resnet14", ta1="pruned:teachr@0.5", student="pruned:ta1@0.9")
    for name in ("ta1", "student"):
        with pytest.raises(
            Incomplete,
            match="ta1 is pruned from teachr, which is neither .*expected one of teacher, or a finished run in "
            ".*/teachr, found none; did you mean teacher\\?$",
        ) as caught:
            source_architecture(chain, name, tmp_path, named=(), adopting=adopt)
        assert caught.value.exit_code == 3
    for chain in (config(teacher="resnet14", student="pruned:big2@0.9"), config(teacher="pruned:big2@0.9")):
        with pytest.raises(Incomplete, match="from big2, .*; train big2 first, or name another model"):
            source_architecture(chain, [*chain.chain][-1], tmp_path, named=(), adopting=adopt)


def test_a_source_that_is_to_be_adopted_is_named_with_the_command(tmp_path) -> None:
    chain = config(teacher="adopted:mine", student="pruned:teacher@0.9")
    with pytest.raises(Incomplete, match="mine, which student is pruned from, is not adopted: .*; `adopt mine now`"):
        source_architecture(chain, "student", tmp_path, named=(), adopting=adopt)


def test_a_card_does_not_choose_code(tmp_path, monkeypatch) -> None:
    from dgkd_cache.workspace import member_architecture

    class Card:
        architecture = "evil:make"

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "card.json").write_text("{}")
    monkeypatch.setattr(member_architecture, "load_card", lambda folder: Card)
    chain = config(teacher="resnet14", student="pruned:other@0.9")
    with pytest.raises(Mismatch, match="the card of other, which student is pruned from, names code"):
        source_architecture(chain, "student", tmp_path, named=(), adopting=adopt)
    assert source_architecture(chain, "student", tmp_path, named={"evil:make"}, adopting=adopt) == "evil:make"
