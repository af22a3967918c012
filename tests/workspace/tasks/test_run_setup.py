"""The setup of a run: what contradicts itself is refused before anything is built or written."""

from __future__ import annotations

import pytest
from support.tiny_chain import train

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput, UnknownName


@pytest.mark.parametrize("kind", ["guides", "live"])
@pytest.mark.parametrize(
    ("method", "words"),
    [("kd", "uses one guide"), ("takd", "uses one guide"), ("scratch", "trains without guides")],
)
def test_a_method_that_does_not_fit_the_guides(done, kind: str, method: str, words: str) -> None:
    ws, _ = done
    two = [ws.store_path(name) if kind == "guides" else ws.run_folder(name) for name in ("teacher", "ta1")]
    distillation = ws.config.distillation.model_copy(update={"method": method})
    with pytest.raises(InvalidInput, match=f"method {method} {words}"):
        train(ws, "wrong", distillation=distillation, **{kind: two})
    assert not (ws.run_folder("wrong") / "inputs.json").exists()


@pytest.mark.parametrize(
    ("guides", "live", "words"),
    [
        (["teacher"], ["teacher"], "has cached and live guides"),
        (["teacher", "teacher"], [], "has a guide more than once"),
        ([], ["ta1", "teacher/../ta1"], "has a guide more than once"),
    ],
)
def test_guides_of_two_kinds_or_twice(done, guides: list[str], live: list[str], words: str) -> None:
    ws, _ = done
    with pytest.raises(InvalidInput, match=words):
        train(ws, "wrong", guides=[*map(ws.store_path, guides)], live=[ws.folder / "runs" / name for name in live])
    assert not ws.run_folder("wrong").exists()


@pytest.mark.parametrize("method", ["kd", "takd"])
def test_a_method_of_one_guide_without_any(done, method: str) -> None:
    ws, _ = done
    distillation = ws.config.distillation.model_copy(update={"method": method})
    with pytest.raises(InvalidInput, match=f"wrong has no guides: .*one guide .*method {method}"):
        train(ws, "wrong", distillation=distillation)
    first = train(ws, "first-again", architecture=ws.architecture("teacher"), distillation=distillation)
    assert first.guides == {} and first.training["method"] == "scratch"


def test_a_guide_to_keep_always_that_nothing_is_called(done) -> None:
    ws, _ = done
    stores = [ws.store_path(name) for name in ("teacher", "ta1")]
    for always, fits in (("teachr", False), ("student", True)):  # a later model of the chain may be named
        distillation = ws.config.distillation.model_copy(update={"always": (always,)})
        if fits:
            assert train(ws, "right", guides=stores, distillation=distillation).guides.keys() == {"teacher", "ta1"}
            continue
        with pytest.raises(UnknownName, match="teachr(.|\n)*teacher"):
            train(ws, "wrong", guides=stores, distillation=distillation)


def test_a_guide_loss_of_one_label_where_views_mix_two(done) -> None:
    """Cached and live guides are refused, and before any is opened."""
    ws, _ = done
    ws = ws.with_config(with_overrides(ws.config, {"views.transforms": ["crop(1)", "cutmix"]}))
    distillation = ws.config.distillation.model_copy(update={"guide_loss": "dkd"})
    for guides in ({"guides": [ws.store_path("teacher")]}, {"live": [ws.run_folder("teacher")]}):
        with pytest.raises(InvalidInput, match="the guide loss dkd cannot be taken of images that mix two samples"):
            train(ws, "wrong", distillation=distillation, **guides)
    assert not (ws.run_folder("wrong") / "inputs.json").exists()
