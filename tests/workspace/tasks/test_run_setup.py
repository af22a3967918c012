"""The setup of a run: what contradicts itself is refused before anything is built or written."""

from __future__ import annotations

import pytest
from support.tiny_chain import train

from dgkd_cache.errors import InvalidInput


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
