"""Refusals before a study begins: nothing of it is made."""

from __future__ import annotations

import pytest
from support.tiny_chain import CONFIG, Lines

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import DgkdError
from dgkd_cache.progress import Silent
from dgkd_cache.study.study import check_study, set_up_study
from dgkd_cache.study.variants import METHODS
from dgkd_cache.workspace.workspace import Workspace

TWO = 'teacher = "plain4"\nstudent = "plain2"'


def of(ws: Workspace, folder: str, table: str, *, chain: str = TWO) -> Workspace:
    return Workspace.init(ws.folder / folder, CONFIG.format(chain=chain) + table)


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ("a = { seed = 3 }\nb = { lr = 0.5 }", "the variant a cannot be paired .* found seed = 3"),
        ('a = { method = "kd" }\nb = { method = "takd" }', "the variants a and b are the same: .* guided by teacher"),
        ('a = { method = "scratch" }\nb = { method = "scratch", lambda = 0.9 }', "are the same: .* without guides"),
        ('a = { precision = "bf16" }', 'the variant a cannot set precision: .* precision = "float32", found .*"bf16"'),
        ("a = { lr = 0.5, compile = true }", "the variant a cannot set compile: .* compile = false"),
        ("a = { channels_last = false }", "the variant a cannot set channels_last"),
        ("a = { validation = 3 }", "unknown key 'validation' of the variant a"),
    ],
)
def test_variants_that_do_not_pair_or_do_not_differ(ws: Workspace, variants: str, said: str) -> None:
    with pytest.raises(DgkdError, match=said) as caught:
        set_up_study(of(ws, "other", f"[compare.variants]\n{variants}"))
    assert caught.value.exit_code == 2


def test_methods_that_are_the_same_in_a_chain_of_two_are_left_out(ws: Workspace) -> None:
    two = of(ws, "two", "")
    study = set_up_study(two)
    assert [*study.variants] == ["scratch", "kd", "dgkd+drop"] and [*set_up_study(ws).variants] == [*METHODS]
    lines = Lines()
    check_study(study, device="cpu", progress=lines)
    assert [line for line in lines.lines if "left out" in line] == [
        "takd is left out: in this chain it is kd",
        "dgkd is left out: in this chain it is kd",
    ]
    with pytest.raises(DgkdError, match="the variants kd and takd are the same"):
        set_up_study(two, methods=["kd", "takd"])


@pytest.mark.parametrize(
    ("settings", "device", "said"),
    [
        ({"chain.student": "wrn16-2x"}, "cpu", "wrn16"),
        ({"chain.teacher": "plain1000"}, "cpu", "plain1000"),
        ({"dataset.validation": 96}, "cpu", "leaves nothing to train on"),
        ({"views.transforms": ["mixup"], "dataset.validation": 1}, "cpu", "a single held-out sample cannot be mixed"),
        (
            {"views.transforms": ["mixup"], "distillation.guide_loss": "dkd"},
            "cpu",
            "dkd cannot be taken of images that",
        ),
        ({"training.views": "fresh"}, "cpu", "cannot train on fresh views"),
        ({"dataset.name": "tiny_bars:none"}, "cpu", "none"),
        ({}, "cuda:99", "cuda"),
    ],
)
def test_what_could_not_be_made(ws: Workspace, settings: dict[str, object], device: str, said: str) -> None:
    ws = ws.with_config(with_overrides(ws.config, settings))
    with pytest.raises(DgkdError, match=said):
        study = set_up_study(ws, methods=["scratch", "kd"], seeds=[0])
        check_study(study, device=device, progress=Silent())
    assert not (ws.folder / "compare").exists()


def test_stores_that_do_not_fit_on_the_disk(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    study = set_up_study(ws, methods=["kd", "dgkd"], seeds=[0])
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 2 * 2 * 96 * 4 * 2 - 1}))
    lines = Lines()
    check_study(study, device="cpu", progress=lines)
    assert ["GB are free" in line for line in lines.lines] == [True], "two stores of two views, in float16"
