"""Chooses default settings for a data set and a chain, which `init` writes.

Names are checked here, before a workspace is made; this loads torch, importing this module does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dgkd_cache.config.members import parse_member
from dgkd_cache.config.workspace_config import WorkspaceConfig, parse_config, with_overrides
from dgkd_cache.errors import InvalidInput
from dgkd_cache.paths import data_folder
from dgkd_stores.disk import expand_user

__all__ = [
    "SMALL_SIDE",
    "chain_names",
    "check_names",
    "default_distillation",
    "default_recipe",
    "growing_models",
    "suggest_config",
    "transforms_by_size",
]

SMALL_SIDE = 64
"""Images of one size up to this many pixels per side are shifted; all others are cropped and resized."""

MOST_VIEWS = 40
"""Largest default number of cached views: storage grows with it, and 40 are already hard to overfit."""

# The number of outcomes does not depend on the images.
_ANY_IMAGE = (1, 1024, 1024)

# Which of two networks is larger hardly depends on the image size.
_ANY_SIDE = 32

# The base of the sweep of docs/study: under three guides no other setting was conclusively better, and 0.1, as the
# objective `paper` at this rate, ended 15 points or more below it. The authors have a constant 0.01: see `recipes`.
_PLAIN_RECIPE: Mapping[str, object] = {"lr": 0.03, "lr_schedule": "cosine"}
_PLAIN_OBJECTIVE = "mean"


def suggest_config(
    dataset: str, architectures: Sequence[str], settings: Mapping[str, object] | None = None
) -> WorkspaceConfig:
    """Returns a complete configuration; `settings`, dotted keys as `{"training.epochs": 3}`, override the defaults.

    An enumerated scheme gets all its views and the schedule `draw`; a cycle gets no more views than epochs. A method
    other than `dgkd` drops no guide, unless `distillation.keep` is given. The image size of a folder or a factory is
    read from its data. Raises UnknownName and InvalidInput.
    """
    from dgkd_cache.datasets.registry import usual_transforms

    given = dict(settings or {})
    if given.get("distillation.method", "dgkd") != "dgkd" and "distillation.keep" not in given:
        given = {"distillation.dropping": "none", **given}
    chain = chain_names(architectures)
    transforms = given.pop("views.transforms", ())
    assert isinstance(transforms, list | tuple), "transforms are a list of texts"
    check_names(dataset, architectures, transforms)
    transforms = transforms or usual_transforms(dataset) or transforms_by_size(*_image_size(dataset))
    config = parse_config(
        {
            "dataset": {"name": dataset},
            "views": {"transforms": list(transforms)},
            "chain": chain,
            "training": default_recipe(chain),
            "distillation": default_distillation(chain),
        },
        source="the options given",
    )
    if given.get("views.scheme") == "enumerated":
        from dgkd_cache.views.plan import ViewPlan
        from dgkd_cache.views.schedule import check_schedule

        plan = ViewPlan.build(image=_ANY_IMAGE, transforms=config.views.transforms, scheme="enumerated")
        config = with_overrides(config, {"views.schedule": "draw", "views.count": plan.outcomes, **given})
        try:
            check_schedule(plan, config.views.schedule, config.views.count)
        except InvalidInput as error:  # its hint is for an existing file
            raise error.with_hint(do="leave --scheme out") from error
        return config
    config = with_overrides(config, given)
    if "views.count" not in given and config.views.schedule == "cycle":
        # Without augmentation all views are the same.
        most = 1 if config.views.transforms == ("none",) else min(MOST_VIEWS, config.training.epochs)
        config = with_overrides(config, {"views.count": most})
    return config


def chain_names(architectures: Sequence[str]) -> dict[str, str]:
    """Names the chain of these architectures, largest first: teacher, ta1, ta2, ..., student.

    A single one is the student. Raises InvalidInput for an empty chain.
    """
    if not architectures or not all(architectures):
        raise InvalidInput(
            "the chain is not usable",
            expected="architectures, largest first, with commas between",
            found=repr(",".join(architectures)),
            do="`dgkd-cache models` lists them",
        )
    assistants = [f"ta{i}" for i in range(1, len(architectures) - 1)]
    names = ["teacher", *assistants, "student"] if len(architectures) > 1 else ["student"]
    return dict(zip(names, architectures, strict=True))


def growing_models(chain: Mapping[str, str], *, classes: int = 10) -> list[str]:
    """Returns a line for each model that is larger than the one before it, counted for colour images of `classes`.

    The user's own networks are not built here; `run` counts those too, with the actual images.
    """
    from dgkd_cache.models.registry import count_unbuilt, is_user_code, wanted_input_size
    from dgkd_cache.models.summary import larger_than_before

    parameters = []
    for name, architecture in chain.items():
        if parse_member(architecture).kind != "trained":
            continue  # `run` counts it
        side = wanted_input_size(architecture, _ANY_SIDE, _ANY_SIDE) or _ANY_SIDE
        if not is_user_code(architecture):
            count = count_unbuilt(architecture, channels=3, classes=classes, height=side, width=side)
            parameters.append((name, count))
    return larger_than_before(parameters)


def transforms_by_size(height: int | None, width: int | None) -> tuple[str, ...]:
    """Returns the augmentation of images of this size in pixels (None: of several sizes), whatever they show.

    Images of one size up to `SMALL_SIDE` pixels: a shift of an eighth of the shorter side, and a flip (at 32
    pixels that is CIFAR's usual crop(4)). All others: resized-crop(224) and a flip.
    """
    if height is None or width is None or max(height, width) > SMALL_SIDE:
        return ("resized-crop(224)", "hflip")
    return (f"crop({max(1, (min(height, width) + 4) // 8)})", "hflip")


def default_recipe(chain: Mapping[str, str]) -> dict[str, object]:
    """Returns the default `[training]` table for the architectures, with per-model tables if they differ."""
    plain = _plain(chain)
    if len(plain) == sum(parse_member(architecture).kind == "trained" for architecture in chain.values()):
        return dict(_PLAIN_RECIPE)
    return {name: dict(_PLAIN_RECIPE) for name in plain}


def default_distillation(chain: Mapping[str, str]) -> dict[str, object]:
    """Returns the default `[distillation]` table for the architectures: an objective that their rate stands."""
    return {"objective": _PLAIN_OBJECTIVE} if _plain(chain) else {}


def check_names(dataset: str, architectures: Sequence[str], transforms: Sequence[str]) -> None:
    """Raises UnknownName or InvalidInput unless all are known; nothing is built, imported or read."""
    from dgkd_cache.datasets.registry import require_known
    from dgkd_cache.models.registry import find_model
    from dgkd_cache.views.registry import parse_transform

    require_known(dataset)
    for architecture in architectures:
        if parse_member(architecture).kind == "trained":
            find_model(architecture)
    for transform in transforms:
        parse_transform(transform)


def _plain(chain: Mapping[str, str]) -> list[str]:
    return [name for name, architecture in chain.items() if architecture.startswith("plain")]


def _image_size(dataset: str) -> tuple[int | None, int | None]:
    """Returns height and width of the training images of a folder or a factory; None if they differ."""
    if (named := data_folder(dataset)) and named[0] == "folder":
        from dgkd_cache.datasets.folder import FolderImages, split_folder
        from dgkd_cache.datasets.remarks import say_source

        train = split_folder(expand_user(named[1]), "train")
        say_source(dataset, train)
        # Without held pixels, only the headers of files are read.
        images = FolderImages(train, name=dataset, split="train", hold_bytes=0)
        return images.height, images.width
    from dgkd_cache.datasets.registry import load_dataset

    images_of_factory = load_dataset(dataset).train
    return images_of_factory.height, images_of_factory.width
