"""The arguments of GuideWriter and of its run: each is refused by its name before anything is forwarded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer_arguments import check_logits_writer, check_repair, check_run, check_writer
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer


@pytest.fixture
def arguments(bars, plan, make_tiny) -> dict[str, Any]:
    """Arguments of GuideWriter that can be used."""
    renderers = {name: ViewRenderer(plan, getattr(bars, name)) for name in ("train", "test")}
    given = {"path": Path("x.zarr"), "model": make_tiny(1), "forward": lambda pixels: pixels, **renderers}
    return given | {"guide": Provenance(name="x"), "views": range(3), "settings": DumpSettings()}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("path", 3, "the path of the store to write"),
        ("model", "resnet8", "a torch.nn.Module"),
        ("forward", 3, r"write lambda pixels: model\(pixels / 255\)"),
        ("guide", "ta1", r"write guide=dgkd_cache.Provenance\(name='ta1'\)"),
        ("train", [1], r"write train=dgkd_cache.ViewRenderer\(plan, data.train\)"),
        ("test", None, r"write test=dgkd_cache.ViewRenderer\(plan, data.test\)"),
        ("views", 40, r"write views=range\(40\)"),
        ("views", range(0), "no views to write: expected a range of at least one view"),
        ("views", range(0, 4, 2), "without gaps"),
        ("views", range(-1, 4), "from 0 on"),
        ("settings", {}, "write settings=dgkd_cache.DumpSettings"),
    ],
)
def test_what_a_writer_cannot_use(arguments: dict[str, Any], name: str, value: object, message: str) -> None:
    check_writer(**arguments)
    with pytest.raises(InvalidInput, match=message) as caught:
        check_writer(**arguments | {name: value})
    assert caught.value.exit_code == 2


@pytest.fixture
def given(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of GuideWriter.from_logits that can be used."""
    kept = {name: value for name, value in arguments.items() if name not in ("model", "forward")}
    return kept | {"logits": lambda view, samples_B: None, "iterator": None, "test_logits": lambda samples_B: None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": 3}, "the path of the store to write"),
        ({"logits": None}, "the logits are given not at all: .*, found neither; give logits=lambda view, samples_B: "),
        ({"iterator": iter}, "the logits are given in two ways: .*, found both; leave one of them out"),
        ({"logits": [1.0]}, r"'logits' cannot be used: expected a function of \(view, samples_B\) that returns logits"),
        ({"logits": None, "iterator": 3}, "'iterator' cannot be used: expected a function of the block to begin with"),
        ({"test_logits": 3}, r"'test_logits' cannot be used: expected a function of \(samples_B\)"),
        ({"test_logits": None}, "the test set is given by half: .*, found test alone; give both, or neither"),
        ({"test": None}, "the test set is given by half: .*, found test_logits alone"),
        (
            {"test": 3},
            r"from_logits: the argument 'test' cannot .* write test=dgkd_cache.ViewRenderer\(plan, data.test\)",
        ),
        ({"train": 3}, r"write train=dgkd_cache.ViewRenderer\(plan, data.train\)"),
        ({"guide": "ta1"}, r"from_logits: .* write guide=dgkd_cache.Provenance\(name='ta1'\)"),
        ({"views": 40}, r"from_logits: .* write views=range\(40\)"),
        ({"views": range(0)}, "no views to write"),
        ({"settings": {}}, "write settings=dgkd_cache.DumpSettings"),
        (
            {"settings": DumpSettings(encoding="factored")},
            "the encoding factored needs a model: .*float16, float32, uint8 or topk",
        ),
        (
            {"settings": DumpSettings(precision="bf16")},
            "the setting precision says .*, found precision='bf16'; leave it",
        ),
        ({"settings": DumpSettings(workers=2)}, "the setting workers says how a model is run: expected workers=0, "),
    ],
)
def test_what_a_writer_of_given_logits_cannot_use(
    given: dict[str, Any], changes: dict[str, object], message: str
) -> None:
    check_logits_writer(**given)
    check_logits_writer(**given | {"logits": None, "iterator": iter})
    check_logits_writer(**given | {"test": None, "test_logits": None})
    with pytest.raises(InvalidInput, match=message) as caught:
        check_logits_writer(**given | changes)
    assert caught.value.exit_code == 2
    with pytest.raises(InvalidInput, match="from_logits: train and test are exchanged"):
        check_logits_writer(**given | {"train": given["test"], "test": given["train"]})


@pytest.mark.parametrize(("name", "value"), [("take_over", 1), ("progress", print), ("stop", True)])
def test_what_a_repair_cannot_use(name: str, value: object) -> None:
    usable = {"take_over": False, "progress": None, "stop": lambda: False}
    check_repair(**usable)
    with pytest.raises(InvalidInput, match=f"GuideWriter.repair: the argument '{name}'"):
        check_repair(**usable | {name: value})


def test_exchanged_splits(arguments: dict[str, Any]) -> None:
    """Only if both say so: a user may dump any split of their own as the one to train on."""
    train, test = arguments["train"], arguments["test"]
    check_writer(**arguments | {"train": test})
    with pytest.raises(InvalidInput, match="train and test are exchanged: expected the training images as train"):
        check_writer(**arguments | {"train": test, "test": train})


def test_a_sample_that_has_none_to_be_mixed_with(arguments: dict[str, Any], bars) -> None:
    """The images to test on, which are never mixed, may be as few as they are."""
    for held_out, fits in ((0, True), (1, False), (60, True)):  # of 100 samples; there are 40 to test on
        plan = ViewPlan.build(image=(1, 8, 8), transforms=["mixup"], held_out=held_out)
        views = {name: ViewRenderer(plan, getattr(bars, name)) for name in ("train", "test")}
        if fits:
            check_writer(**arguments | views)
            continue
        with pytest.raises(InvalidInput, match="a single held-out sample cannot be mixed with another"):
            check_writer(**arguments | views)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mine", range(2, 5)),
        ("mine", range(1, 3, 2)),
        ("mine", 1),
        ("take_over", 1),
        ("progress", Silent),
        ("progress", print),
        ("stop", True),
    ],
)
def test_what_a_run_cannot_use(name: str, value: object) -> None:
    usable = {"mine": range(1, 3), "take_over": False, "progress": Silent(), "stop": lambda: False}
    check_run(range(3), **usable)
    check_run(range(3), **usable | {"mine": None, "progress": None})
    with pytest.raises(InvalidInput, match=f"GuideWriter.run: the argument '{name}'"):
        check_run(range(3), **usable | {name: value})


@pytest.mark.parametrize(("training", "settings"), [(False, {"temperature": 0.0}), (True, {})])
def test_a_writer_is_not_made_of_such(write, make_tiny, training: bool, settings: dict[str, float]) -> None:
    message = r"call model.eval\(\) first" if training else "a number > 0"
    with pytest.raises(InvalidInput, match=message):
        write(make_tiny(1).train(training), **settings)
