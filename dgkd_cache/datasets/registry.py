"""The registry of data sets. A new one is a function under `@register_dataset`; its name is the key, with - for _."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Protocol

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.factory import load_factory
from dgkd_cache.datasets.folder import load_folder
from dgkd_cache.datasets.remarks import say_loading
from dgkd_cache.errors import InvalidInput, UnknownName, unknown_name
from dgkd_stores import Registry
from dgkd_stores.arguments import as_path, refusal, require_kind
from dgkd_stores.disk import expand_user

__all__ = [
    "PATTERNS",
    "Dataset",
    "Loader",
    "dataset_names",
    "dataset_summaries",
    "load_dataset",
    "register_dataset",
    "require_known",
    "require_root_used",
]

PATTERNS = {
    "folder:PATH": "images in class folders under PATH/train and PATH/test (or PATH/val)",
    "module:factory": "a function of your own, without arguments, that returns (train, test)",
}
"""Forms of name besides the registered ones, each with a line on what it means."""

_EMBEDDED = ("digits",)
"""Registered data sets that are part of an installed package."""


class Loader(Protocol):
    """Loads a data set; `root` is the folder of downloaded data sets, `download` allows network access.

    `root` is None if the caller has named none: then `data_root(root)` is the folder, and the loader may also search
    other places.

    The first line of its docstring is shown to users.
    """

    __name__: str

    def __call__(self, *, root: Path | None, download: bool) -> Dataset: ...


_LOADERS = Registry[Loader]("data set")


def register_dataset(loader: Loader) -> Loader:
    """Registers `loader` under its function name. Raises InvalidInput if the name is taken, or if it is no function."""
    if not callable(loader) or not isinstance(getattr(loader, "__name__", None), str):
        expected = "a function of root and download that returns a Dataset, whose name is the key"
        raise refusal("register_dataset", "loader", loader, expected=expected)
    _LOADERS.register(loader.__name__.replace("_", "-"), loader)
    return loader


def dataset_names() -> tuple[str, ...]:
    """Returns the registered names, sorted; PATTERNS holds further forms."""
    return tuple(sorted(_LOADERS))


def dataset_summaries() -> dict[str, str]:
    """Returns the registered names, sorted, each with the first line of its loader's docstring."""
    return {name: (inspect.getdoc(_LOADERS[name]) or "").partition("\n")[0] for name in dataset_names()}


def require_root_used(name: str) -> None:
    """Raises InvalidInput if the data set called `name` is not in the folder of data sets."""
    if ":" in name or name in _EMBEDDED:
        raise InvalidInput(
            f"a folder of data sets (--data-root) would have no effect for {name}",
            expected=f"one of {', '.join(one for one in dataset_names() if one not in _EMBEDDED)}",
            found=f"{name}, which does not lie there",
            do="leave --data-root out",
        )


def require_known(name: str) -> None:
    """Raises UnknownName unless `name` is registered or has one of the other forms; nothing is imported or read.

    Raises InvalidInput for `folder:` without a path.
    """
    if name == "folder:":  # Python would read it as the current folder
        raise InvalidInput(
            "no folder of images is named",
            expected="folder:PATH",
            found="folder: alone",
            do="name the folder; folder:. is the current one",
        )
    if ":" in name or name in _LOADERS:
        return
    is_folder = bool(name) and expand_user(name).is_dir()
    if is_folder or os.sep in name:
        raise UnknownName(
            f"unknown data set {name!r}",
            expected=f"one of {', '.join((*dataset_names(), *PATTERNS))}",
            found="the path of a folder" if is_folder else "a path where no folder is",
            do=f"write folder:{name} for images in class folders",
        )
    raise unknown_name("data set", name, (*dataset_names(), *PATTERNS), do="`dgkd-cache datasets` lists them")


def load_dataset(name: str, *, root: Path | str | None = None, download: bool = True) -> Dataset:
    """Returns the data set called `name`, or the one that `folder:PATH` or `module:factory` describe.

    `root` is the folder of downloaded data sets, by default ~/.cache/dgkd-cache; if it is given, no other folder is
    searched. PATH and the module are relative to the current folder. Raises UnknownName, InvalidInput for an invalid
    name, DataUnreadable for data that cannot be read.
    """
    require_kind("load_dataset", "name", name, str, expected="the name of a data set")
    if root is not None:
        root = expand_user(as_path("load_dataset", "root", root, expected="the folder where data sets lie, or None"))
    require_known(name)
    say_loading(name)
    if name.startswith("folder:"):
        return load_folder(expand_user(name.removeprefix("folder:")))
    if ":" in name:
        return load_factory(name)
    return _LOADERS[name](root=root, download=download)
