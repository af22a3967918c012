"""Controls: what their stores hold, against the guide's own rows and against forwarding the guide."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from support.tiny_chain import workspace
from torch.distributions import Categorical

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import DgkdError, Interrupted
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.saved import load_model
from dgkd_cache.progress import Silent
from dgkd_cache.study.controls import CONTROLS, smoothed_row, write_control
from dgkd_cache.study.costs import total_cost
from dgkd_cache.study.plan import StudyPlan, StudyStore
from dgkd_cache.study.records import read_record
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_cache.study.variants import make_variants
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, verify

CHAIN = 'teacher = "plain6"\nta1 = "plain4"\nstudent = "plain2"'
DGKD = {"method": "dgkd", "dropping": "none"}


def with_variants(ws: Workspace, variants: dict[str, dict[str, object]]) -> Workspace:
    compare = ws.config.compare.model_copy(update={"variants": variants, "reference": "dgkd"})
    return ws.with_config(ws.config.model_copy(update={"compare": compare}))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, _module: None) -> StudyPlan:
    """A finished study of dgkd and of each control on its guides."""
    # A key that cannot be read refuses whatever was not made here: no store of a study counts as such.
    folder = tmp_path_factory.mktemp("controls") / "ws"
    ws = workspace(folder, chain=CHAIN, training__epochs=2, sharing__keys=["nowhere.pub"])
    controls = {name: {"guides_from": "dgkd", "control": name} for name in CONTROLS}
    study = set_up_study(with_variants(ws, {"dgkd": DGKD, **controls}), seeds=[3])
    run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    return study.plan


def rows(store: StudyStore) -> np.ndarray:
    """Every row of a store [V, N, C], read with a check of all its digests."""
    assert verify(store.path, full=True).exit_code == 0
    with GuideStore.open(store.path) as opened:
        samples_N = np.arange(len(opened.label_N))
        return np.stack([opened.gather(np.full_like(samples_N, view), samples_N) for view in opened.views])


def labels(store: StudyStore) -> np.ndarray:
    with GuideStore.open(store.path) as opened:
        return opened.label_N.astype(np.int64)


def pairs(plan: StudyPlan, control: str) -> list[tuple[StudyStore, StudyStore]]:
    """The guides of dgkd's student, each with its control."""
    found = [*zip(plan.students["dgkd", 3].guides, plan.students[control, 3].guides, strict=True)]
    assert len(found) == 2 and all(of.run is own.run and of.path != own.path for own, of in found)
    return found


@pytest.mark.parametrize("control", ["shuffled", "shuffled-in-class"])
def test_shuffled_rows_are_those_of_other_samples(plan: StudyPlan, control: str) -> None:
    taken = []
    for own, of in pairs(plan, control):
        before_VNC, after_VNC = rows(own), rows(of)
        places = {row.tobytes(): sample for sample, row in enumerate(before_VNC[0])}
        assert len(places) == len(before_VNC[0]), "no two rows are alike, so that each tells where it comes from"
        taken.append([places[row.tobytes()] for row in after_VNC[0]])
        assert np.array_equal(after_VNC[1], before_VNC[1][taken[-1]]), "every view has the same permutation"
    assert taken[0] == taken[1], "so has every guide"
    moved_N = np.array(taken[0])
    assert sorted(moved_N) == [*range(len(moved_N))]
    assert (moved_N == np.arange(len(moved_N))).mean() < 0.2
    label_N = labels(pairs(plan, control)[0][0])
    kept = (label_N[moved_N] == label_N).mean()
    assert kept == 1 if control == "shuffled-in-class" else kept < 0.5


def test_smoothed_labels_have_the_entropy_of_the_guide(plan: StudyPlan) -> None:
    for own, of in pairs(plan, "smoothed-labels"):
        guide, smoothed = (Categorical(logits=torch.from_numpy(rows(one)).double()) for one in (own, of))
        entropy = smoothed.entropy()
        assert entropy.numpy() == pytest.approx(guide.entropy().mean().item(), rel=2e-3)  # rows are float16
        label_N = torch.from_numpy(labels(own))
        assert (smoothed.probs.argmax(-1) == label_N).all()
        others = smoothed.probs.sort(-1).values[..., :-1]
        assert (others == others[..., :1]).all()


def test_unaugmented_rows_are_those_of_the_images(plan: StudyPlan) -> None:
    for own, of in pairs(plan, "unaugmented"):
        network, card = load_model(own.run.workspace.run_folder(own.run.name))
        images = own.workspace.dataset().train
        pixels = torch.stack(list(images.each(np.arange(len(images)))))
        with torch.no_grad():
            logits_NC = network.eval()(Preprocessing(card.preprocess, channels_last=True)(pixels)).numpy()
        for view_NC in rows(of):
            assert 4.0 * view_NC == pytest.approx(logits_NC, abs=0.02)
        assert not np.allclose(rows(own), rows(of), atol=0.02), "the guide's own rows are of augmented views"


def test_a_student_reads_its_control(plan: StudyPlan) -> None:
    found = {name: read_record(run) for (name, _), run in plan.students.items()}
    assert len({record["weights"] for record in found.values()}) == len(found) == 5
    for name in CONTROLS:
        for own, of in pairs(plan, name):
            with GuideStore.open(own.path) as source, GuideStore.open(of.path) as control:
                assert found[name]["guides"][of.path.stem] == control.seal != source.seal
                assert control.header.guide.training["control"] == name
                views = {"first_view": 0, "views": 2}
                assert control.header.guide.training["derived_from"] == {
                    "operation": "control",
                    "sources": [{"seal": source.seal, **views}],
                    "probe": [views],
                }
    costs = {name: dict(record["cost"]) for name, record in found.items()}
    forwards = costs["unaugmented"].pop("control_forwards")
    # A view, the test set, the rows that judge the encoding (all of so few) and the first batch once more.
    assert [*forwards.values()] == [96 + 40 + 96 + 32] * 2
    assert all(cost == costs["dgkd"] for cost in costs.values())


def test_what_a_control_is_made_of_is_paid_once() -> None:
    cost = {"epochs": 2, "steps": 3, "trained_samples": 5, "guide_rows": 7, "dump_forwards": 11}
    student = {"cost": {**cost, "control_forwards": {"g-plain": 4}}, "guide_runs": ["g"]}
    found = total_cost([student, student], [{"run": "g", "cost": cost, "guide_runs": []}])
    assert (found["guide_forwards"], found["guide_forwards_saved"]) == (11 + 4, 3 * 7 - 11 - 4)


def test_a_control_that_was_stopped_goes_on(plan: StudyPlan, tmp_path) -> None:
    ((own, of), *_) = pairs(plan, "shuffled")
    arguments = {"source": own.path, "plain": own.path, "progress": Silent()}
    calls = itertools.count()
    path = tmp_path / "again.zarr"
    with pytest.raises(Interrupted):
        write_control(path, "shuffled", stop=lambda: next(calls) > 0, **arguments)
    with GuideStore.open(path, allow_incomplete=True) as half:
        assert half.seal is None
    write_control(path, "shuffled", stop=lambda: False, **arguments)
    files = [{p.relative_to(top): p.read_bytes() for p in top.rglob("*") if p.is_file()} for top in (path, of.path)]
    assert files[0] == files[1]


@pytest.mark.parametrize("entropy", [0.0, 1e-6, 0.3, 1.5, 2.302, np.log(10)])
def test_the_smoothed_row_of_an_entropy(entropy: float) -> None:
    row_C = smoothed_row(4, 10, entropy).astype(np.float64)
    share_C = np.exp(row_C) / np.exp(row_C).sum()
    assert stats.entropy(share_C) == pytest.approx(entropy, abs=1e-5)
    assert set(np.delete(row_C, 4)) == {0.0} and row_C[4] >= 0


def test_live_guides_give_nearly_the_same_student(ws: Workspace) -> None:
    """A store rounds to float16; everything else is the same, and no row is read."""
    live = {"dgkd": DGKD, "live": {"guides_from": "dgkd", "live": True}}
    study = set_up_study(with_variants(ws, live), seeds=[0])
    results = run_study(study, device="cpu", progress=Silent(), stop=lambda: False)
    cached, forwarded = (read_record(study.plan.students[name, 0]) for name in ("dgkd", "live"))
    assert cached["weights"] != forwarded["weights"] and cached["guide_runs"] == forwarded["guide_runs"]
    assert forwarded["test"]["nll"] == pytest.approx(cached["test"]["nll"], abs=0.01)
    read = cached["cost"]["guide_rows"]
    assert read == 2 * 96 * 2
    assert (forwarded["cost"]["guide_rows"], forwarded["cost"]["live_forwards"]) == (0, read)
    assert [results["variants"][name]["cost"]["live_forwards"] for name in ("dgkd", "live")] == [0, read]


def test_what_a_variant_takes_from_another_one(ws: Workspace) -> None:
    """Its settings where it changes none, and its guides whatever it changes."""
    changes = {
        "early": {"guides_from": "base", "lr": 0.5},
        "base": {**DGKD, "lambda": 0.25, "temperature": 2.0},
        "own": {**DGKD, "lambda": 0.25, "temperature": 2.0, "lr": 0.5},
    }
    early, base, own = make_variants(ws.config, changes)
    assert early.config == own.config and early.of_guides.config == base.config and own.of_guides is own
    plan = set_up_study(with_variants(ws, {"dgkd": DGKD, **changes}), seeds=[0]).plan
    guides = {name: [store.path for store in plan.students[name, 0].guides] for name in ("early", "base", "own")}
    assert guides["early"] == guides["base"]
    assert not {*guides["early"]} & {*guides["own"]}, "the learning rate is that of all models of a variant"
    assert plan.students["early", 0].training.lr == plan.students["own", 0].training.lr == 0.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"control": "shufled"}, "unknown control of the variant x, 'shufled'.*did you mean shuffled"),
        ({"control": 3}, "unknown control"),
        ({"live": 1}, "live of the variant x: expected true or false"),
        ({"live": True, "control": "shuffled"}, 'cannot have control = "shuffled" and live = true'),
        ({"method": "scratch", "live": True}, "the variant x has no guides: expected a method with guides, for live"),
        ({"guides_from": "dgdk"}, "unknown variant that x could take its guides from.*did you mean dgkd"),
        ({"guides_from": "x"}, "unknown variant that x could take its guides from"),
        ({"guides_from": "second"}, "unknown variant that x could take its guides from"),
        ({"guides_from": "dgkd", "views": 3}, "the variant x cannot set views"),
        ({"guides_from": "dgkd"}, "the variants .* are the same"),
    ],
)
def test_what_is_refused(ws: Workspace, changes: dict[str, object], said: str) -> None:
    second = {"guides_from": "dgkd", "lambda": 0.75}
    with pytest.raises(DgkdError, match=said) as caught:
        make_variants(ws.config, {"x": changes, "dgkd": DGKD, "second": second})
    assert caught.value.exit_code == 2


def test_views_of_another_size_have_no_rows_without_augmentation(ws: Workspace) -> None:
    small = ws.with_config(with_overrides(ws.config, {"views.transforms": ["resized-crop(6)"]}))
    unaugmented = {"dgkd": DGKD, "x": {"guides_from": "dgkd", "control": "unaugmented"}}
    with pytest.raises(DgkdError, match="the variant x cannot have rows.*found 1x6x6") as caught:
        set_up_study(with_variants(small, unaugmented), seeds=[0])
    assert caught.value.exit_code == 2
