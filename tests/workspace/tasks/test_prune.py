"""Pruned runs: what is removed stays removed, a stop changes no bit, and at sparsity 0 it is plain fine-tuning."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from fractions import Fraction

import numpy as np
import pytest
import safetensors
import torch
from support.tiny_chain import Lines, content, dump, train, workspace
from torch import Tensor
from torch.nn import functional as F

from dgkd_cache.config.workspace_config import override, with_overrides
from dgkd_cache.datasets.split import split_images
from dgkd_cache.errors import DgkdError, Incomplete, Interrupted, InvalidInput, Mismatch, UnknownName
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.saved import load_model
from dgkd_cache.progress import Silent
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.training.optimisation import learning_rate
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_cache.workspace.listing import list_run
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.run_check import check_run
from dgkd_cache.workspace.run_inputs import read_inputs
from dgkd_cache.workspace.tasks import TrainRequest, evaluate_model, prune_model
from dgkd_cache.workspace.tasks.adopt import adopt_model
from dgkd_cache.workspace.tasks.adoption_options import AdoptRequest
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, convert, verify

OWN = """
from torch import nn

def make(*, channels, classes, height, width):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))
"""


def request(ws: Workspace, name: str, sparsity: float, *, guides: tuple[str, ...] = ("teacher", "ta1"), **given):
    settings = {key: given.pop(key) for key in ("criterion", "steps", "batch_size", "standardize") if key in given}
    pruning = override(ws.config.pruning, {"steps": 3, "batch_size": 16, **settings}, name="pruning")
    distillation = override(ws.config.distillation, {"method": "dgkd" if guides else "scratch"}, name="distillation")
    source = given.pop("source", "student")
    return TrainRequest(
        name=name,
        architecture="resnet8",
        guides=[ws.store_path(guide) for guide in guides],
        training=given.pop("training", ws.config.training_for("student")),
        distillation=given.pop("distillation", distillation),
        pruning=Pruning(source=source, sparsity=sparsity, settings=pruning),
        **given,
    )


def prune(ws: Workspace, *requests: TrainRequest, stop=lambda: False, progress=None) -> list[ModelCard]:
    return prune_model(ws, requests, device="cpu", progress=progress or Silent(), stop=stop)


def weights(ws: Workspace, name: str) -> dict[str, Tensor]:
    return load_model(ws.run_folder(name))[0].state_dict()


def bits(tensors: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: value.reshape(-1).view(torch.uint8).tolist() for name, value in tensors.items()}


def prunable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """By shape: of a resnet8, what has two or four dimensions is of a linear layer or a convolution."""
    return {name: value for name, value in tensors.items() if value.ndim in (2, 4)}


def test_each_sparsity_removes_exactly_its_share_and_is_a_run(done) -> None:
    ws, _ = done
    said = Lines()
    cards = prune(ws, request(ws, "s50", 0.5), request(ws, "s90", 0.9), progress=said)
    every = sum(value.numel() for value in prunable(weights(ws, "student")).values())
    for card, sparsity in zip(cards, (0.5, 0.9), strict=True):
        found = prunable(weights(ws, card.name))
        zeros = {name: int((value == 0).sum()) for name, value in found.items()}
        removed = round(Fraction(str(sparsity)) * every)
        assert sum(zeros.values()) == removed
        told = card.training["pruning"]
        assert (told["weights_kept"], told["weights_of"], told["sparsity"]) == (every - removed, every, sparsity)
        assert told["layers"] == {
            name: {"kept": value.numel() - zeros[name], "of": value.numel()} for name, value in found.items()
        }
        assert (told["source"], told["weights"]) == ("student", load_card(ws.run_folder("student")).weights_digest)
        assert (told["criterion"], told["steps"], told["batch_size"], told["standardize"]) == ("guided", 3, 16, True)
        assert f"{card.name}: {removed:,} of {every:,} weights are removed" in said.lines
        assert set(card.guides) == {"teacher", "ta1"}
        assert check_run(ws.run_folder(card.name)).state == "done"
        entry = list_run(ws, card.name)
        assert (entry.state, entry.settings["pruning.sparsity"]) == ("done", sparsity)
    assert prune(ws, request(ws, "s50", 0.5), request(ws, "s90", 0.9)) == cards, "nothing to do"
    size = {name: (ws.run_folder(name) / "weights.safetensors").stat().st_size for name in ("student", "s50", "s90")}
    assert size["s90"] < 0.25 * size["student"] and size["s50"] < 0.7 * size["student"]


def by_hand(ws: Workspace, name: str, *, epochs: int) -> dict[str, Tensor]:
    """Fine-tunes a finished run by SGD of torch, from the batches of its own order and views, without any guide."""
    model, card = load_model(ws.run_folder(name))
    training = ws.config.training_for("student")
    random = RunRandom(training.seed)
    views = ViewRenderer(ws.plan(), ws.dataset().train)
    samples_N = split_images(ws.dataset().train, 0)[0]
    schedule = Schedule("cycle", 2, random=random, samples=len(samples_N))
    as_input = Preprocessing(card.preprocess, channels_last=True)
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay
    )
    step = 0
    for epoch in range(epochs):
        for views_B, samples_B in schedule.batches(epoch, random.order(epoch, samples_N), training.batch_size):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(training, step, 3)
            optimizer.zero_grad()
            logits_BC = model(as_input(views.pixels(views_B, samples_B)))
            F.cross_entropy(logits_BC, torch.from_numpy(views.images.labels_N[samples_B])).backward()
            optimizer.step()
            step += 1
    return model.state_dict()


@pytest.mark.parametrize("criterion", ["gradient", "magnitude"])
def test_at_sparsity_0_it_is_fine_tuning_without_masks_to_the_bit(done, criterion: str) -> None:
    ws, _ = done
    (card,) = prune(ws, request(ws, "s0", 0.0, guides=(), criterion=criterion))
    assert bits(weights(ws, "s0")) == bits(by_hand(ws, "student", epochs=2))
    assert card.training["pruning"]["weights_kept"] == card.training["pruning"]["weights_of"]
    assert card.training["method"] == "scratch" and not card.guides


def test_under_guides_sparsity_0_ends_the_same_whatever_the_importance(done) -> None:
    """Importance leaves no trace: neither in the model, nor in the guides that were read for it."""
    ws, _ = done
    prune(ws, *(request(ws, f"by-{one}", 0.0, criterion=one) for one in ("guided", "gradient", "magnitude")))
    found = [bits(weights(ws, f"by-{one}")) for one in ("guided", "gradient", "magnitude")]
    assert found[0] == found[1] == found[2]


def test_the_criteria_and_the_guides_keep_other_weights(done) -> None:
    ws, _ = done
    prune(
        ws,
        *(request(ws, f"by-{one}", 0.5, criterion=one) for one in ("guided", "gradient", "magnitude")),
        request(ws, "by-one", 0.5, guides=("teacher",)),
        request(ws, "by-raw", 0.5, standardize=False),
        request(ws, "by-more", 0.5, steps=4),
    )
    names = ("by-guided", "by-gradient", "by-magnitude", "by-one", "by-raw", "by-more")
    kept = {name: {key: value != 0 for key, value in prunable(weights(ws, name)).items()} for name in names}
    for one, other in itertools.combinations(names, 2):
        assert any(not torch.equal(kept[one][key], kept[other][key]) for key in kept[one]), (one, other)
    of_source = prunable(weights(ws, "student"))
    least = torch.cat([value.abs().reshape(-1) for value in of_source.values()]).sort().values
    threshold = least[round(len(least) * 0.5) - 1]
    assert all(torch.equal(kept["by-magnitude"][key], value.abs() > threshold) for key, value in of_source.items())


@pytest.mark.parametrize("stops", [(1,), (2, 3), (1, 2, 3, 4, 5)])
def test_stopped_and_resumed_it_ends_in_the_same_bytes(done, stops: tuple[int, ...]) -> None:
    """Checkpoints have the masks: they are not chosen again, which another machine might do otherwise."""
    ws, _ = done
    prune(ws, request(ws, "whole", 0.8))
    for before, stop in itertools.pairwise((0, *stops)):
        # It is asked before each step of the importance, too, of which the first start has three.
        calls = itertools.count(1 - stop + before - (0 if before else 3))
        with pytest.raises(Interrupted, match=f"after step {stop} of 6"):
            prune(ws, request(ws, "parts", 0.8), stop=lambda calls=calls: next(calls) == 0)
        with safetensors.safe_open(ws.run_folder("parts") / "checkpoint.safetensors", "pt") as file:
            masks = {key: file.get_tensor(key) for key in file.keys() if key.startswith("mask.")}
            for key, packed in masks.items():
                weight = file.get_tensor(key.replace("mask.", "model."))
                mask = np.unpackbits(packed.numpy(), count=weight.numel(), bitorder="little")
                assert not weight.reshape(-1)[torch.from_numpy(mask == 0)].any()
            assert len(masks) == len(prunable(weights(ws, "student")))
    prune(ws, request(ws, "parts", 0.8))
    name = "weights.safetensors"
    assert (ws.run_folder("parts") / name).read_bytes() == (ws.run_folder("whole") / name).read_bytes()


def test_a_stop_within_the_importance_leaves_nothing(done) -> None:
    ws, _ = done
    calls = itertools.count(1)
    with pytest.raises(Interrupted, match="importance of s50 was stopped"):
        prune(ws, request(ws, "s50", 0.5), stop=lambda: next(calls) == 2)
    assert not (ws.run_folder("s50") / "inputs.json").exists()
    prune(ws, request(ws, "s50", 0.5))


def test_it_is_evaluated_dumped_exported_and_guides_others(done) -> None:
    ws, _ = done
    (card,) = prune(ws, request(ws, "s90", 0.9))
    score = evaluate_model(ws, model="s90", split="test", device="cpu", progress=Silent())
    assert f"{score.accuracy:.6g}" == f"{float(card.accuracy['test']):.6g}"
    dumped = dump(ws, "s90")
    convert(dumped.path, ws.folder / "s90.h5")
    assert verify(ws.folder / "s90.h5", full=True).seal == dumped.seal
    with GuideStore.open(ws.folder / "s90.h5") as store:
        header = store.header.guide
        assert header.weights_digest == card.weights_digest
        assert json.loads(header.training["pruning"])["weights_kept"] == card.training["pruning"]["weights_kept"]
        model, _ = load_model(ws.run_folder("s90"))
        as_input = Preprocessing(card.preprocess)
        with torch.no_grad():
            expected = model(as_input(torch.stack([ws.dataset().test.image(i) for i in range(5)]))).numpy()
        assert np.abs(store.test_logits_MC[:5] * float(store.header.temperature) - expected).max() < 0.02
    trained = train(ws, "under-it", guides=[dumped.path])
    assert list(trained.guides) == ["s90"]
    prune(ws, request(ws, "s95", 0.95, source="s90", guides=("teacher",)))
    before, after = prunable(weights(ws, "s90")), prunable(weights(ws, "s95"))
    assert all(not after[name][before[name] == 0].any() for name in before), "what was removed before goes first"


def test_a_layer_of_which_nothing_is_left_is_told(done) -> None:
    ws, _ = done
    said = Lines()
    (card,) = prune(ws, request(ws, "s999", 0.999, criterion="magnitude"), progress=said)
    gone = [name for name, count in card.training["pruning"]["layers"].items() if not count["kept"]]
    told = [line for line in said.lines if "that layer passes nothing on" in line]
    assert gone and [line.split(" weights of ")[1].split(" are ")[0] for line in told] == gone


def test_settings_without_effect_make_no_other_run(done) -> None:
    ws, _ = done
    prune(ws, request(ws, "s50", 0.5, criterion="magnitude"))
    prune(ws, request(ws, "s50", 0.5, criterion="magnitude", steps=9, standardize=False))
    assert {key for key in read_inputs(ws.run_folder("s50")) if key.startswith(("pruning.", "source."))} == {
        *("pruning.criterion", "pruning.sparsity", "source.student")
    }
    for changed in ({"criterion": "gradient"}, {"sparsity": 0.6}):
        other = {"criterion": "magnitude", "sparsity": 0.5, **changed}
        with pytest.raises(Mismatch, match="the run s50 in .* has other inputs"):
            prune(ws, request(ws, "first", 0.5), request(ws, "s50", other.pop("sparsity"), **other))
        assert not ws.run_folder("first").exists(), "all are set up before the first begins"


def test_a_source_that_was_trained_again_makes_it_stale(done) -> None:
    ws, _ = done
    prune(ws, request(ws, "s50", 0.5, guides=(), criterion="gradient"))
    recipe = override(ws.config.training, {"lr": 0.01}, name="training")
    train(ws, "student", architecture="resnet8", training=recipe, fresh=True)
    entry = list_run(ws, "s50")
    assert (entry.state, [change.setting for change in entry.changes]) == ("stale", ["source.student"])
    with pytest.raises(Mismatch, match="source.student was"):
        prune(ws, request(ws, "s50", 0.5, guides=(), criterion="gradient"))
    prune(ws, request(ws, "s50", 0.5, guides=(), criterion="gradient", fresh=True))
    assert (ws.folder / "aside" / "s50-1" / "s50" / "card.json").is_file()


def test_what_cannot_be_pruned_is_refused_before_anything(done) -> None:
    ws, _ = done
    before = content(ws.folder)
    no_share = override(ws.config.distillation, {"lambda": 0.0}, name="distillation")
    larger = override(ws.config.training_for("student"), {"input_size": 16}, name="training")
    refused: list[tuple[TrainRequest, type[DgkdError], str]] = [
        (request(ws, "x", 0.5, source="studnet"), UnknownName, "unknown run 'studnet'"),
        (request(ws, "x", 0.5, guides=()), InvalidInput, "found no guides"),
        (request(ws, "x", 0.5, distillation=no_share), InvalidInput, "found distillation.lambda = 0"),
        (request(ws, "x", 0.5, training=larger), InvalidInput, "another input size than its own"),
        (
            request(ws, "student", 0.5, fresh=True),
            InvalidInput,
            "student cannot start over from itself: .*choose another --name",
        ),
    ]
    (ws.folder / "runs" / "begun").mkdir()
    refused.append((request(ws, "x", 0.5, source="begun"), Incomplete, "'begun' is not trained"))
    for one, error, said in refused:
        with pytest.raises(error, match=said):
            prune(ws, request(ws, "good", 0.5), one)
    assert content(ws.folder) == before and not ws.run_folder("good").exists()
    other = Workspace(ws.folder, with_overrides(ws.config, {"views.seed": 5}))
    with pytest.raises(Mismatch, match="the run student was trained on another view plan"):
        prune(other, request(other, "x", 0.5, guides=(), criterion="gradient"))


def test_an_adopted_model_is_pruned_and_is_then_a_model_of_ours(done) -> None:
    ws, _ = done
    weights_file = ws.run_folder("teacher") / "weights.safetensors"
    adoption = AdoptRequest(name="big", architecture="resnet14", weights=weights_file, accept_accuracy=True)
    adopt_model(ws, adoption, device="cpu", progress=Silent())
    one = dataclasses.replace(request(ws, "b50", 0.5, source="big", guides=("ta1",)), architecture="resnet14")
    (card,) = prune(ws, one)
    assert not card.adopted and card.plan_digest == ws.plan().digest and card.architecture == "resnet14"
    score = evaluate_model(ws, model="b50", split="test", device="cpu", progress=Silent())
    assert round(score.accuracy, 6) == float(card.accuracy["test"])
    assert list_run(ws, "b50").state == "done"


def test_the_sparse_file_of_a_pruned_run_is_adopted_with_its_digest(done) -> None:
    ws, _ = done
    (card,) = prune(ws, request(ws, "s90", 0.9))
    path = ws.run_folder("s90") / "weights.safetensors"
    adoption = AdoptRequest(name="big", architecture="resnet8", weights=path, accept_accuracy=True)
    found = adopt_model(ws, adoption, device="cpu", progress=Silent())
    assert found.card.weights_digest == card.weights_digest
    assert bits(weights(ws, "big")) == bits(weights(ws, "s90"))


def test_a_card_does_not_choose_code_that_is_imported(done, monkeypatch) -> None:
    """The card of a run names a module: it is imported only if the user names it, too."""
    ws, _ = done
    own = ws.naming(["own_net_of_prune:make"])
    (ws.folder.parent / "own_net_of_prune.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(ws.folder.parent))
    train(own, "mine", architecture="own_net_of_prune:make")
    sys.modules.pop("own_net_of_prune")
    one = request(ws, "x", 0.5, source="mine", guides=(), criterion="gradient")
    one = dataclasses.replace(one, architecture="own_net_of_prune:make")
    with pytest.raises(Mismatch, match="the card of mine names code that nothing of yours names"):
        prune(ws, one)
    assert "own_net_of_prune" not in sys.modules and not ws.run_folder("x").exists()
    prune(own, one)


def test_weights_that_were_changed_are_damaged(done) -> None:
    ws, _ = done
    prune(ws, request(ws, "s90", 0.9))
    path = ws.run_folder("s90") / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DgkdError) as caught:
        load_model(ws.run_folder("s90"))
    assert caught.value.exit_code == 12
    assert check_run(ws.run_folder("s90")).state == "damaged"


def test_rows_of_topk_have_no_standardised_importance(tmp_path) -> None:
    ws = workspace(
        tmp_path / "ws", chain='teacher = "plain2"\nstudent = "plain2"', cache__encoding="topk", cache__topk=2
    )
    train(ws, "teacher")
    train(ws, "student")
    dump(ws, "teacher")
    with pytest.raises(InvalidInput, match=r"standardize, under teacher; choose standardize = false in \[pruning\]"):
        prune(ws, request(ws, "x", 0.5, guides=("teacher",)))
    prune(ws, request(ws, "x", 0.5, guides=("teacher",), standardize=False))
