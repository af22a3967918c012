"""The decoder of a workspace: in its plan, records and stores, and held to by whoever trains from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.tiny_chain import CONFIG, run, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.datasets import decoders
from dgkd_cache.datasets.decoders import decode
from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import Mismatch
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.workspace.expected_inputs import adopted_inputs
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

CHAIN = 'teacher = "plain2"\nstudent = "plain2"'
TRANSFORMS = ["crop(1)", "hflip"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 + 8 small JPEGs of two classes."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("photographs")
    for split, count in (("train", 24), ("test", 8)):
        for number in range(count):
            path = folder / split / "ab"[number % 2] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256 // (1 + number % 2), (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path, quality=95)
    return folder


@pytest.fixture(scope="module")
def made(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """A finished chain of each decoder; that of torchcodec is played by one that inverts, which no version equals."""
    usual, finished = decoders._JPEG_DECODERS["torchcodec"], {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(decoders._JPEG_DECODERS, "torchcodec", inverting(usual))
        for decoder in ("pillow", "torchcodec"):
            folder = tmp_path_factory.mktemp("ws") / decoder
            ws = workspace(folder, chain=CHAIN, dataset__name=f"folder:{photographs}", views__decoder=decoder)
            run(ws)
            finished[decoder] = ws
        yield finished


def inverting(usual: Any) -> Any:
    return replace(usual, pixels=lambda content: 255 - decode(content), version=lambda: "a")


def plan_in(ws: Workspace) -> dict[str, object]:
    with GuideStore.open(ws.store_path("teacher")) as store:
        return dict(store.header.plan)


def test_plans_and_records_name_a_decoder_and_never_pillow(made: dict[str, Workspace]) -> None:
    """So that no run and no store of before is another one."""
    plans = {name: ViewPlan.build(image=(3, 8, 8), transforms=TRANSFORMS, decoder=name) for name in made}
    assert {name: plan_in(ws) for name, ws in made.items()} == {name: one.to_dict() for name, one in plans.items()}
    assert plan_in(made["torchcodec"])["decoder"] == "torchcodec"
    for name, ws in made.items():
        record = json.loads((ws.run_folder("student") / "inputs.json").read_text())
        assert record.get("views.decoder") == (None if name == "pillow" else '"torchcodec"')
        assert json.loads(record["views.plan"]) == plans[name].digest
    for file in ("runs/teacher/card.json", "runs/student/inputs.json", "guides/teacher.zarr/zarr.json"):
        assert "decoder" not in (made["pillow"].folder / file).read_text()


def test_guides_saw_what_their_decoder_made(made: dict[str, Workspace]) -> None:
    train = {name: ws.dataset().train for name, ws in made.items()}
    assert train["pillow"].digest == train["torchcodec"].digest
    pixels = {name: images.batch(range(24)).numpy().astype(int) for name, images in train.items()}
    assert np.array_equal(pixels["pillow"], 255 - pixels["torchcodec"])
    with GuideStore.open(made["pillow"].store_path("teacher")) as one:
        with GuideStore.open(made["torchcodec"].store_path("teacher")) as other:
            assert not np.array_equal(one.test_logits_MC, other.test_logits_MC)


@pytest.mark.parametrize(("there", "here"), [("torchcodec", "pillow"), ("pillow", "torchcodec")])
def test_a_store_of_another_decoder_is_refused_with_both_names(
    made: dict[str, Workspace], photographs: Path, there: str, here: str
) -> None:
    images = load_dataset(f"folder:{photographs}", decoder=here).train
    stores = [made[there].store_path("teacher")]
    told = f"another library had decoded: expected decoder {here}.*found decoder .{there}.; load the images"
    with pytest.raises(Mismatch, match=told) as caught:
        GuideBank(stores, images)
    assert caught.value.exit_code == 13
    with GuideBank(stores, load_dataset(f"folder:{photographs}", decoder=there).train) as bank:
        assert bank.renderer.plan.decoder == there
    chain = f'teacher = "store:{stores[0]}"\nstudent = "plain2"'
    text = CONFIG.format(chain=chain).partition("[training.teacher]")[0]
    settings = {"dataset.name": f"folder:{photographs}", "views.decoder": here}
    ws = Workspace.init(made[there].folder / "student", text)
    with pytest.raises(Mismatch, match=f"expected decoder {here}.*found decoder .{there}."):
        run(ws.with_config(with_overrides(ws.config, settings)))


def test_a_changed_decoder_makes_runs_stale(made: dict[str, Workspace]) -> None:
    ws = made["torchcodec"]
    changed = ws.assigning(["views.decoder=pillow"])
    with pytest.raises(Mismatch, match='views.decoder was "torchcodec", is not set'):
        run(changed)
    assert changed.dataset() is not ws.dataset() and ws.dataset() is ws.assigning(["training.epochs=9"]).dataset()


def test_an_adopted_run_depends_on_who_decodes_the_test_images(made: dict[str, Workspace]) -> None:
    class Card:
        architecture, weights_digest = "plain2", "0" * 64

        class preprocess:
            @staticmethod
            def model_dump(mode: str) -> dict[str, object]:
                return {"mean": ["0"]}

    found = {name: adopted_inputs(ws, Card()) for name, ws in made.items()}
    assert found["torchcodec"] == found["pillow"] | {"views.decoder": '"torchcodec"'}
    assert "views.decoder" not in found["pillow"]
