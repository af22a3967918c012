"""The values of the recipes against lists typed from the sources, setting by setting.

Sources: wonchulSon/DGKD at 2599350, HobbitLong/RepDistiller at b84f547, megvii-research/mdistiller at a08d46f,
pytorch/vision at 017e9b9, and of
Son et al. (ICCV 2021) the chains and accuracies of Tables 1, 2 and 5, Eq. 7 and the best keep probability, 0.75.
"""

from __future__ import annotations

import re

import pytest
from torchvision.models import ResNet18_Weights

from dgkd_cache.recipes.recipe import read_recipe, recipe_names

# wonchulSon/DGKD, train.py: the defaults of parse_arguments(), by option.
TRAIN_PY = {
    "--epochs": 160,
    "--dataset": "cifar100",
    "--crop": False,
    "--batch-size": 128,
    "--learning-rate": 0.1,
    "--momentum": 0.9,
    "--weight-decay": 1e-4,
    "--T": 5,
    "--lamb": 1,
    "--teacher": "plane10",
    "--ta1": "plane8",
    "--ta2": "plane6",
    "--ta3": "plane4",
    "--student": "plane2",
    "--drop-num": 1,
}
# HobbitLong/RepDistiller, train_student.py and train_teacher.py: the same defaults in both; kd_T in the first alone.
REP = {
    "--batch_size": 64,
    "--epochs": 240,
    "--learning_rate": 0.05,
    "--lr_decay_epochs": "150,180,210",
    "--lr_decay_rate": 0.1,
    "--weight_decay": 5e-4,
    "--momentum": 0.9,
    "--dataset": "cifar100",
    "--kd_T": 4,
}
# megvii-research/mdistiller, configs/cifar100/dkd/vgg13_vgg8.yaml and wrn40_2_wrn_16_2.yaml (alike), and engine/cfg.py.
MDISTILLER = {
    "BATCH_SIZE": 64,
    "EPOCHS": 240,
    "LR": 0.05,
    "LR_DECAY_STAGES": [150, 180, 210],
    "LR_DECAY_RATE": 0.1,
    "WEIGHT_DECAY": 0.0005,
    "MOMENTUM": 0.9,
    "KD.TEMPERATURE": 4,
    "KD.LOSS.CE_WEIGHT": 0.1,
    "KD.LOSS.KD_WEIGHT": 0.9,
    "DKD.CE_WEIGHT": 1.0,
    "DKD.ALPHA": 1.0,
    "DKD.BETA": 6.0,
    "DKD.T": 4.0,
}

# megvii-research/mdistiller, configs/imagenet/r34_r18/kd.yaml and dkd.yaml (alike in SOLVER), and engine/cfg.py.
IMAGENET = {
    "BATCH_SIZE": 512,
    "EPOCHS": 100,
    "LR": 0.2,
    "LR_DECAY_STAGES": [30, 60, 90],
    "LR_DECAY_RATE": 0.1,
    "WEIGHT_DECAY": 0.0001,
    "MOMENTUM": 0.9,
    "KD.TEMPERATURE": 1,
    "KD.LOSS.CE_WEIGHT": 0.5,
    "KD.LOSS.KD_WEIGHT": 0.5,
    "DKD.CE_WEIGHT": 1.0,
    "DKD.ALPHA": 1.0,
    "DKD.BETA": 0.5,
    "DKD.T": 1.0,
}
# pytorch/vision, references/classification/train.py: how its ResNets were trained, in 8 processes.
VISION = {
    "--batch-size": 32,
    "--epochs": 90,
    "--lr": 0.1,
    "--lr-step-size": 30,
    "--lr-gamma": 0.1,
    "--momentum": 0.9,
    "--weight-decay": 1e-4,
    "--lr-warmup-epochs": 0,
    "--workers": 16,
    "--train-crop-size": 224,
}

# train.py, adjust_learning_rate: 0.01 for "plane" networks; else 0.1, 0.01 from epochs / 2, 0.001 from epochs * 3 / 4.
PLAIN_RATE = {"training.lr": 0.01, "training.lr_schedule": "constant"}
RESNET_RATE = {
    "training.lr": 0.1,
    "training.lr_schedule": "step",
    "training.lr_steps": [0.5, 0.75],
    "training.lr_gamma": 0.1,
}
# optim.SGD(lr, momentum, weight_decay) in all three repositories: no Nesterov, no warm-up, no validation split.
SGD = {
    "training.optimizer": "sgd",
    "training.nesterov": False,
    "training.warmup_epochs": 0,
    "dataset.validation": 0,
    "distillation.guide_loss": "kl",
}
OF_TRAIN_PY = {
    **SGD,
    "training.epochs": TRAIN_PY["--epochs"],
    "training.batch_size": TRAIN_PY["--batch-size"],
    "training.momentum": TRAIN_PY["--momentum"],
    "training.weight_decay": TRAIN_PY["--weight-decay"],
    "cache.temperature": TRAIN_PY["--T"],
    "compare.guides": "shared",
    "compare.protocol": "paper",  # it saves where val_acc > best_acc, of the test set
}
# RandomCrop(32, padding=4) and RandomHorizontalFlip have 9 x 9 x 2 outcomes.
AUGMENTED = {
    "views.transforms": ["crop(4)", "hflip"],
    "views.scheme": "enumerated",
    "views.count": 9 * 9 * 2,
    "views.schedule": "draw",
}
OURS = {
    "cache.encoding": "float16",
    "training.views": "cached",
    "training.select": "last",
    "compare.seeds": 5,
}
PAPER = {
    **OF_TRAIN_PY,
    **AUGMENTED,
    **OURS,
    "distillation.method": "dgkd",
    "distillation.objective": "paper",
    "distillation.lambda": 0.5,
    "distillation.dropping": "bernoulli",
    "distillation.keep": 0.75,
    "distillation.always": [],
    "distillation.at_least_one": False,
    "compare.reference": "takd",
}
PAIR = {
    **SGD,
    **AUGMENTED,
    **OURS,
    "dataset.name": REP["--dataset"],
    "training.epochs": REP["--epochs"],
    "training.batch_size": REP["--batch_size"],
    "training.lr": REP["--learning_rate"],
    "training.lr_schedule": "step",
    "training.lr_gamma": REP["--lr_decay_rate"],
    "training.lr_steps": [int(epoch) / 240 for epoch in str(REP["--lr_decay_epochs"]).split(",")],
    "training.momentum": REP["--momentum"],
    "training.weight_decay": REP["--weight_decay"],
    "cache.temperature": REP["--kd_T"],
    "distillation.method": "kd",
    "distillation.objective": "mean",
    "distillation.lambda": MDISTILLER["KD.LOSS.KD_WEIGHT"],
    "distillation.dropping": "none",
    "compare.reference": "kd",
    "compare.guides": "shared",
    "compare.protocol": "last",  # "The results reported in the paper/README is from the last epoch."
}


def chain(*architectures: str) -> dict[str, str]:
    first, *between, last = architectures
    assistants = {f"chain.ta{place}": name for place, name in enumerate(between, 1)}
    return {"chain.teacher": first, **assistants, "chain.student": last}


PLAIN_5 = chain("plain10", "plain8", "plain6", "plain4", "plain2")
EXPECTED: dict[str, dict[str, object]] = {
    "dgkd-table1": {**PAPER, **PLAIN_RATE, **PLAIN_5, "dataset.name": "cifar100"},
    "dgkd-table2": {
        **PAPER,
        **RESNET_RATE,
        **chain("resnet26", "resnet20", "resnet14", "resnet8"),
        "dataset.name": "cifar10",
    },
    "dgkd-table5": {
        **PAPER,
        **PLAIN_RATE,
        **chain(*(f"plain{depth}" for depth in (10, 9, 8, 7, 6, 5, 4, 3, 2))),
        "dataset.name": "cifar100",
    },
    "dgkd-keep": {**PAPER, **PLAIN_RATE, **PLAIN_5, "dataset.name": "cifar100", "compare.reference": "keep 1"},
    "official": {
        **OF_TRAIN_PY,
        **OURS,
        **PLAIN_RATE,
        **chain(*(str(TRAIN_PY[key]).replace("plane", "plain") for key in [*TRAIN_PY][9:14])),
        "dataset.name": TRAIN_PY["--dataset"],
        "views.transforms": ["none"],  # --crop False
        "views.scheme": "sampled",
        "views.count": 1,
        "views.schedule": "cycle",
        "distillation.method": "dgkd",
        "distillation.objective": "official",
        "distillation.lambda": TRAIN_PY["--lamb"],
        "distillation.dropping": "fixed",
        "distillation.drop": TRAIN_PY["--drop-num"],
        "distillation.at_least_one": True,
        "compare.reference": "takd",
    },
    "crd-vgg13-vgg8": {**PAIR, **chain("vgg13", "vgg8")},
    "crd-wrn40-wrn16": {**PAIR, **chain("wrn-40-2", "wrn-16-2")},
    "imagenet-r34-r18": {
        **SGD,
        **OURS,
        **chain("torchvision:resnet34", "torchvision:resnet18"),
        "dataset.name": "imagenet:imagenet",
        "views.transforms": [f"resized-crop({VISION['--train-crop-size']})", "hflip"],
        "views.scheme": "sampled",
        "views.count": IMAGENET["EPOCHS"],
        "views.schedule": "cycle",
        "training.epochs": IMAGENET["EPOCHS"],
        "training.batch_size": IMAGENET["BATCH_SIZE"],
        "training.lr": IMAGENET["LR"],
        "training.lr_schedule": "step",
        "training.lr_steps": [0.3, 0.6, 0.9],
        "training.lr_gamma": IMAGENET["LR_DECAY_RATE"],
        "training.momentum": IMAGENET["MOMENTUM"],
        "training.weight_decay": IMAGENET["WEIGHT_DECAY"],
        "training.warmup_epochs": VISION["--lr-warmup-epochs"],
        "training.workers": VISION["--workers"],
        "training.order": "blocks",
        "cache.temperature": IMAGENET["KD.TEMPERATURE"],
        "distillation.method": "kd",
        "distillation.objective": "mean",
        "distillation.lambda": IMAGENET["KD.LOSS.KD_WEIGHT"],
        "distillation.dropping": "none",
        "compare.reference": "kd",
        "compare.guides": "shared",
        "compare.protocol": "last",
    },
}

METHODS = {
    "scratch": {"method": "scratch"},
    "kd": {"method": "kd", "dropping": "none"},
    "takd": {"method": "takd", "dropping": "none"},
    "dgkd": {"method": "dgkd", "dropping": "none"},
    "dgkd+drop": {"method": "dgkd", "dropping": "bernoulli"},
}
# CE + DKD of mdistiller, 0.99 times: (1 - 0.01) CE + 0.01 (99 alpha ... + 99 beta ...).
DKD = {"method": "kd", "guide_loss": "dkd", "lambda": 0.01, "dkd_alpha": 99.0, "dkd_beta": 99 * MDISTILLER["DKD.BETA"]}
PAIRS = {"scratch": {"method": "scratch"}, "kd": {"method": "kd"}, "dkd": DKD}
IMAGENET_DKD = {**DKD, "dkd_beta": 99 * IMAGENET["DKD.BETA"]}
VARIANTS: dict[str, dict[str, dict[str, object]]] = {
    "dgkd-table1": METHODS,
    "dgkd-table2": METHODS,
    "dgkd-table5": METHODS,
    "dgkd-keep": {
        **{f"keep {keep}": {"keep": keep} for keep in (0.5, 0.625, 0.75, 0.875)},
        "keep 1": {"dropping": "none"},
    },
    "official": {
        "scratch": {"method": "scratch"},
        **{name: {"method": name, "dropping": "none", "at_least_one": False} for name in ("kd", "takd", "dgkd")},
        "dgkd+drop": {"method": "dgkd", "dropping": "fixed"},
    },
    "crd-vgg13-vgg8": PAIRS,
    "crd-wrn40-wrn16": PAIRS,
    "imagenet-r34-r18": {**PAIRS, "dkd": IMAGENET_DKD},
}

PUBLISHED = {
    "dgkd-table1": {"takd": 45.14, "dgkd": 48.92, "dgkd+drop": 50.15},
    "dgkd-table2": {"takd": 88.01, "dgkd": 89.02, "dgkd+drop": 89.66},
    "dgkd-table5": {"takd": 44.07, "dgkd": 49.56},
    "dgkd-keep": {"keep 0.75": 50.15, "keep 1": 48.92},
    "official": {},
    # RepDistiller's README.md (scratch, KD), mdistiller's (DKD).
    "crd-vgg13-vgg8": {"scratch": 70.36, "kd": 72.98, "dkd": 74.68},
    "crd-wrn40-wrn16": {"scratch": 73.26, "kd": 74.92, "dkd": 76.23},
    # mdistiller's README.md; what torchvision says of its weights is read below.
    "imagenet-r34-r18": {"scratch": 69.758, "kd": 71.03, "dkd": 71.70},
}


def test_all_recipes_are_in_the_lists() -> None:
    assert set(recipe_names()) == set(EXPECTED) == set(VARIANTS) == set(PUBLISHED)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_value_is_that_of_its_source(name: str) -> None:
    recipe = read_recipe(name)
    assert {key: setting.value for key, setting in recipe.settings()} == EXPECTED[name]
    assert {variant: one.value for variant, one in recipe.variants.items()} == VARIANTS[name]
    assert {variant: one.accuracy for variant, one in recipe.published.items()} == PUBLISHED[name]


@pytest.mark.parametrize("name", ["crd-vgg13-vgg8", "crd-wrn40-wrn16"])
def test_the_two_repositories_agree(name: str) -> None:
    training = read_recipe(name).config().training
    assert [fraction * training.epochs for fraction in training.lr_steps] == MDISTILLER["LR_DECAY_STAGES"]
    found = (training.epochs, training.batch_size, training.lr, training.lr_gamma, training.weight_decay)
    keys = ("EPOCHS", "BATCH_SIZE", "LR", "LR_DECAY_RATE", "WEIGHT_DECAY")
    assert found == tuple(MDISTILLER[key] for key in keys)


def test_imagenets_form_of_torchvisions_recipe() -> None:
    """mdistiller's settings are torchvision's, for twice the batch and twice the rate, ten epochs longer."""
    training = read_recipe("imagenet-r34-r18").config().training
    found = [fraction * training.epochs for fraction in training.lr_steps]
    assert found == pytest.approx(IMAGENET["LR_DECAY_STAGES"]) and found[0] == pytest.approx(VISION["--lr-step-size"])
    assert training.lr / training.batch_size == pytest.approx(VISION["--lr"] / (8 * VISION["--batch-size"]))
    same = ("--lr-gamma", "--momentum", "--weight-decay")
    assert (training.lr_gamma, training.momentum, training.weight_decay) == tuple(VISION[key] for key in same)
    published = ResNet18_Weights.IMAGENET1K_V1.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert PUBLISHED["imagenet-r34-r18"]["scratch"] == published


@pytest.mark.parametrize("name", [one for one in EXPECTED if one != "imagenet-r34-r18"])
def test_a_source_that_is_an_option_is_that_option(name: str) -> None:
    """A source such as `train.py: --epochs` names the option whose default the value is."""
    followed = []
    for key, setting in read_recipe(name).settings():
        options = TRAIN_PY if setting.source.startswith("train.py") else REP
        found = re.search(r"--[\w-]+", setting.source)
        if found is None or found[0] not in options or found[0] in ("--crop", "--lr_decay_epochs"):
            continue
        value = setting.value.replace("plain", "plane") if isinstance(setting.value, str) else setting.value
        assert value == options[found[0]], key
        followed.append(key)
    assert {"training.epochs", "training.batch_size", "training.momentum", "training.weight_decay"} <= {*followed}
