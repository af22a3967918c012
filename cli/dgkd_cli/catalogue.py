"""The lists that `models`, `datasets` and `transforms` print: JSON files here, because computing them loads torch.

`make catalogue` writes the files anew; a test builds every network and compares. What the files do not have, such as
sizes for other images, is computed by the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dgkd_cache.errors import InvalidInput

__all__ = [
    "CLASSES",
    "IMAGE",
    "LISTS",
    "dataset_list",
    "model_list",
    "model_row",
    "read_list",
    "transform_list",
    "write_lists",
]

IMAGE, CLASSES = (3, 32, 32), 10
"""The images (channels, height, width) and the number of classes for which the file has the sizes of networks."""

_FOLDER = Path(__file__).parent


def read_list(name: str) -> dict[str, Any]:
    """Returns the list in a file, as the verb of that name prints it with --json. Loads no torch."""
    found: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def write_lists(folder: Path = _FOLDER) -> None:
    """Computes the lists and writes their files into `folder`."""
    for name, compute in LISTS.items():
        (folder / f"{name}.json").write_text(json.dumps(compute(), indent=2) + "\n", encoding="utf-8")


def model_list(image: tuple[int, int, int] = IMAGE, classes: int = CLASSES) -> dict[str, Any]:
    """Builds every architecture with a name for images of channels, height and width; returns the sizes."""
    from dgkd_cache.models.registry import model_names, model_patterns

    return {"models": [model_row(one, image, classes, brief=True) for one in model_names()], "forms": model_patterns()}


def model_row(
    name: str, image: tuple[int, int, int], classes: int, *, brief: bool = False, accept_probabilities: bool = False
) -> dict[str, str | int]:
    """Builds one architecture; returns its parameters and multiply-adds, or the problem with such images.

    `input_size` is there if images are resized. `brief` leaves out of a problem what to do about it.
    """
    from dgkd_cache.models.summary import model_summary

    channels, height, width = image
    try:
        shape = {"channels": channels, "height": height, "width": width}
        summary = model_summary(name, **shape, classes=classes, accept_probabilities=accept_probabilities)
    except InvalidInput as error:  # an image too small for one model must not hide the others
        return {"name": name, "problem": f"{error.problem}: {error.expected}" if brief else str(error)}
    row: dict[str, str | int] = {"name": name, "parameters": summary.parameters, "multiply_adds": summary.multiply_adds}
    return row if summary.input_size is None else row | {"input_size": summary.input_size}


def dataset_list() -> dict[str, Any]:
    """Returns every data set with a name, its usual transforms and what it is; loads no data."""
    from dgkd_cache.datasets.registry import PATTERNS, dataset_summaries, usual_transforms

    known = [
        {"name": one, "about": about, "transforms": list(usual_transforms(one))}
        for one, about in dataset_summaries().items()
    ]
    return {"datasets": known, "forms": PATTERNS}


def transform_list() -> dict[str, Any]:
    """Returns every transform in the order of plans: how it is written, an example, its place, and what it does."""
    from dgkd_cache.views.registry import TRANSFORMS, transform_summaries

    about = transform_summaries()
    known = sorted(TRANSFORMS.values(), key=lambda one: (one.stage, one.name))
    return {
        "transforms": [
            {
                "name": one.name,
                "form": one.form(),
                "example": one.example or one.name,
                "place": one.stage,
                "exact": one.exact,
                "about": about[one.name],
            }
            for one in known
        ]
    }


LISTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "models": model_list,
    "datasets": dataset_list,
    "transforms": transform_list,
}
"""The name of each file, without its ending, and the function that computes its content."""

if __name__ == "__main__":
    write_lists()
