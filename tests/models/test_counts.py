"""Parameters and multiply-adds: sums written out layer by layer, and the figures that were published."""

from __future__ import annotations

from support.counting import cifar_resnet, counted

from dgkd_cache.models.registry import build_model, count_parameters, model_names


def test_the_networks_of_the_crd_comparison_on_cifar_100() -> None:
    counts = {name: counted(name, classes=100) for name in ("vgg8", "vgg13", "wrn-16-2")}
    assert counts == {"vgg8": 3_965_028, "vgg13": 9_462_180, "wrn-16-2": 703_284}


def test_every_name_that_is_listed_can_be_counted() -> None:
    assert {name.rstrip("0123456789") for name in model_names()} == {"plain", "resnet", "vgg"}
    assert len(model_names()) == 9 + 8 + 5
    assert list(model_names()) == [
        *(f"plain{depth}" for depth in range(2, 11)),
        *(f"resnet{depth}" for depth in (8, 14, 20, 26, 32, 44, 56, 110)),
        *(f"vgg{depth}" for depth in (8, 11, 13, 16, 19)),
    ]
    assert all(counted(name, classes=5, channels=4, side=16) > 0 for name in model_names())


def test_a_built_network_has_the_parameters_that_were_counted() -> None:
    model = build_model("resnet14", channels=1, classes=10, height=8, width=8, seed=0)
    assert count_parameters(model) == cifar_resnet(14, classes=10, channels=1)
