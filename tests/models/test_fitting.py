"""Weights from elsewhere in a model: classes that are found and selected, and names that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from support.tiny_models import tiny

from dgkd_cache.errors import Mismatch
from dgkd_cache.models.fitting import class_dimensions, fit_weights, found_classes, select_classes

SIZES = {"channels": 1, "height": 8, "width": 8}


def test_the_tensors_of_a_head_are_found() -> None:
    assert class_dimensions("resnet8", classes=10, **SIZES) == {"classifier.weight": 0, "classifier.bias": 0}
    sizes = {"channels": 3, "classes": 4, "height": 224, "width": 224}
    assert class_dimensions("torchvision:squeezenet1_1", **sizes) == {"classifier.1.weight": 0, "classifier.1.bias": 0}


def test_the_number_of_classes_is_that_of_the_head() -> None:
    dimensions = class_dimensions("resnet8", classes=10, **SIZES)
    assert found_classes(dimensions, tiny("resnet8", classes=7).state_dict()) == 7
    assert found_classes(dimensions, {"other": torch.ones(3)}) is None
    assert found_classes({}, tiny("resnet8").state_dict()) is None


def test_selected_classes_give_their_columns() -> None:
    large, small = tiny("resnet8", classes=9).eval(), tiny("resnet8", classes=3).eval()
    dimensions = class_dimensions("resnet8", classes=3, **SIZES)
    columns_C = np.array([7, 0, 4])
    fit_weights(small, select_classes(large.state_dict(), dimensions, columns_C), what="resnet8")
    images = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(small(images), large(images)[:, [7, 0, 4]], atol=1e-6)
    with pytest.raises(Mismatch, match="cannot be selected"):
        select_classes({"other": torch.ones(3)}, dimensions, columns_C)


def test_missing_and_left_over_names_and_the_nearest() -> None:
    model = tiny("resnet8")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = {name.replace("classifier.", "classifier2."): value for name, value in before.items()}
    state["extra"] = torch.ones(1)
    with pytest.raises(Mismatch) as caught:
        fit_weights(model, state, what="resnet8")
    assert caught.value.exit_code == 13
    said = str(caught.value)
    assert (
        "expected classifier.weight (nearest: classifier2.weight), classifier.bias (nearest: classifier2.bias)" in said
    )
    assert "classifier2.weight (nearest: classifier.weight)" in said and "extra" in said
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("wrong", [torch.ones(10, 3), torch.ones(10, 64, dtype=torch.int64)])
def test_another_shape_or_kind(wrong: torch.Tensor) -> None:
    model = tiny("resnet8")
    shape = model.state_dict()["classifier.weight"].shape
    wrong = wrong if wrong.shape[1] == 3 else torch.ones(shape, dtype=torch.int64)
    with pytest.raises(Mismatch, match="classifier.weight of shape"):
        fit_weights(model, {**model.state_dict(), "classifier.weight": wrong}, what="resnet8")


def test_counters_of_batches_may_lack_and_half_precision_is_taken() -> None:
    model, other = tiny("resnet8", seed=1), tiny("resnet8", seed=2)
    state = {k: v.half() if v.is_floating_point() else v for k, v in other.state_dict().items()}
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert fit_weights(model, state, what="resnet8") == ()
    assert torch.equal(model.state_dict()["stem.weight"], other.state_dict()["stem.weight"].half().float())


def test_auxiliary_heads_are_left_out() -> None:
    with torch.device("meta"):
        whole = torchvision.models.googlenet(num_classes=3, aux_logits=True, init_weights=False).state_dict()
    model = torchvision.models.googlenet(num_classes=3, aux_logits=False, init_weights=False)
    state = {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in whole.items()}
    left_out = fit_weights(model, state, what="googlenet")
    assert {name.split(".")[0] for name in left_out} == {"aux1", "aux2"}
