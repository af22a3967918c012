"""The encoding `topk` in a workspace: a chain is trained under it, and what does not fit is refused before training."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny_chain import run, train, workspace

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.workspace.staleness import store_changes
from dgkd_cache.workspace.tasks.row_settings import row_settings
from dgkd_stores import GuideStore, verify

CHAIN = 'teacher = "plain4"\nstudent = "plain2"'
TWO = {"cache__encoding": "topk", "cache__topk": 2}


def test_a_chain_is_trained_under_guides_of_their_largest_logits(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, **TWO)
    run(ws)
    with GuideStore.open(ws.store_path("teacher")) as store:
        header = store.header
        temperatures = ["4", "1"]
        assert header.version == 2 and dict(header.encoding_settings) == {"k": 2, "temperatures": temperatures}
        assert row_settings(ws, "teacher", "plain4", ws.config.training_for("teacher")) == header.encoding_settings
    assert (ws.run_folder("student") / "card.json").exists() and verify(store.path, full=True).exit_code == 0

    def changed(**settings: object) -> list[str]:
        other = workspace(tmp_path / f"{len(list(tmp_path.iterdir()))}", chain=CHAIN, **{**TWO, **settings})
        given = {"weights": header.guide.weights_digest, "plan": header.plan_digest, "precision": "float32"}
        return [str(one) for one in store_changes(other, header, **given)]

    assert changed() == []
    assert changed(cache__topk=3) == ["the store's topk was 2, is 3"]
    (text,) = changed(cache__topk_temperatures=(2.0,))
    assert text.startswith("the store's topk_temperatures ") and text.endswith('["4", "1", "2"]')


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cache__topk": 4}, r"guide 'teacher' \(plain4\): rows of topk = 4 logits leave nothing out"),
        (
            {"distillation__temperature": 2.0},
            r"student cannot be trained at this temperature .*: expected distillation.temperature 4 or 1, found 2; "
            r"add 2 to topk_temperatures in \[cache\]",
        ),
        ({"distillation__guide_loss": "dkd"}, "the guide loss dkd needs the logits of all classes.*under teacher"),
        ({"distillation__guide_loss": "dist"}, "the guide loss dist needs .* choose guide_loss = .kl. and standardize"),
        ({"distillation__standardize": True}, "the guide loss standardize needs the logits of all classes"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(
    tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, **{**TWO, **settings})
    with pytest.raises(InvalidInput, match=words) as caught:
        run(ws)
    assert caught.value.exit_code == 2 and not (ws.folder / "runs").exists()


def test_another_student_is_refused_before_its_run_begins(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", chain=CHAIN, **TWO)
    run(ws)
    store = ws.store_path("teacher")
    sharp = ws.config.distillation.model_copy(update={"temperature": 1.0, "guide_loss": "kl"})
    assert train(ws, "sharp", guides=[store], distillation=sharp).guides
    for change, error, words in (
        ({"temperature": 3.0}, Mismatch, "expected training at temperature 4 or 1, found 3"),
        ({"guide_loss": "dkd"}, InvalidInput, "the guide loss dkd needs the logits of all classes"),
    ):
        with pytest.raises(error, match=words):
            train(ws, "other", guides=[store], distillation=sharp.model_copy(update=change))
        assert not ws.run_folder("other").exists()
    dkd = sharp.model_copy(update={"guide_loss": "dkd"})
    assert train(ws, "live", live=[ws.run_folder("teacher")], distillation=dkd).guides, "a live guide has all logits"
