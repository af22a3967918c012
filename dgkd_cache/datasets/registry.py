"""The registry of data sets. A new one is a function under `@register_dataset`; its name is the key, with - for _."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.decoders import PILLOW, DecoderName, require_decoder
from dgkd_cache.datasets.discovery import find_classes
from dgkd_cache.datasets.factory import load_factory
from dgkd_cache.datasets.folder import load_folder, split_folder
from dgkd_cache.datasets.imagenet import imagenet_classes, load_imagenet
from dgkd_cache.datasets.remarks import say_loading
from dgkd_cache.datasets.tiny_imagenet import load_tiny_imagenet, tiny_imagenet_classes
from dgkd_cache.errors import InvalidInput, UnknownName, unknown_name
from dgkd_cache.paths import DATA_FORMS, data_folder
from dgkd_cache.progress import check_reporting
from dgkd_stores import Registry
from dgkd_stores.arguments import as_path, refusal, require_kind
from dgkd_stores.disk import Stop, expand_user, never

__all__ = [
    "PATTERNS",
    "Dataset",
    "Loader",
    "classes_of_folders",
    "dataset_names",
    "dataset_summaries",
    "load_dataset",
    "register_dataset",
    "require_known",
    "require_root_used",
    "usual_transforms",
]


class FolderLoader(Protocol):
    """Loads a data set that is named with its folder; with `rehash`, all files are read, whatever their index knows.

    `decoder` decodes plain JPEGs; `stop` is asked after each file.
    """

    def __call__(self, path: Path, /, *, rehash: bool, decoder: DecoderName, stop: Stop) -> Dataset: ...


@dataclass(frozen=True, kw_only=True)
class _Form:
    """A kind of data set that is named with its folder, as DATA_FORMS lists them."""

    load: FolderLoader
    classes: Callable[[Path], Sequence[str]]
    about: str
    transforms: tuple[str, ...] = ()


_FORMS = {
    "folder": _Form(
        load=load_folder,
        classes=lambda path: find_classes(split_folder(path, "train")),
        about="images in class folders under PATH/train and PATH/test (or PATH/val)",
    ),
    "imagenet": _Form(
        load=load_imagenet,
        classes=imagenet_classes,
        about="ImageNet (ILSVRC2012) or a part of it under ROOT/train and ROOT/val, as unpacked",
        transforms=("resized-crop(224)", "hflip"),
    ),
    "tiny-imagenet": _Form(
        load=load_tiny_imagenet,
        classes=tiny_imagenet_classes,
        about="Tiny ImageNet, 64x64 photographs in 200 classes, as tiny-imagenet-200.zip has it",
        transforms=("crop(8)", "hflip"),
    ),
}

PATTERNS = {
    **{f"{kind}:{DATA_FORMS[kind]}": form.about for kind, form in _FORMS.items()},
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


@dataclass(frozen=True, kw_only=True)
class _Registration:
    load: Loader
    transforms: tuple[str, ...]


_REGISTERED = Registry[_Registration]("data set")


@overload
def register_dataset(loader: Loader, /) -> Loader: ...


@overload
def register_dataset(*, transforms: Sequence[str] | None = None) -> Callable[[Loader], Loader]: ...


def register_dataset(
    loader: Loader | None = None, /, *, transforms: Sequence[str] | None = None
) -> Loader | Callable[[Loader], Loader]:
    """Registers a loader under its function name, with - for _; a decorator.

    It is written `@register_dataset(transforms=["crop(4)", "hflip"])`, with the data set's usual augmentation, which
    `dgkd-cache init` writes. With `@register_dataset` alone, `init` loads the data and chooses by the images' size.
    Raises InvalidInput if the transforms are no texts, if the name is taken, or if the loader is no function.
    """
    expected, do = "a list of transforms as texts", 'write transforms=["crop(4)", "hflip"], or ["none"]'
    chosen = () if transforms is None else transforms
    if isinstance(chosen, str) or not isinstance(chosen, Sequence) or (transforms is not None and not chosen):
        raise refusal("register_dataset", "transforms", transforms, expected=expected, do=do)
    for transform in chosen:
        require_kind("register_dataset", "transforms", transform, str, expected=expected, do=do)

    def enter(loader: Loader) -> Loader:
        if not callable(loader) or not isinstance(getattr(loader, "__name__", None), str):
            expected = "a function of root and download that returns a Dataset, whose name is the key"
            raise refusal("register_dataset", "loader", loader, expected=expected)
        name = loader.__name__.replace("_", "-")
        _REGISTERED.register(name, _Registration(load=loader, transforms=tuple(chosen)))
        return loader

    return enter if loader is None else enter(loader)


def dataset_names() -> tuple[str, ...]:
    """Returns the registered names, sorted; PATTERNS holds further forms."""
    return tuple(sorted(_REGISTERED))


def dataset_summaries() -> dict[str, str]:
    """Returns the registered names, sorted, each with the first line of its loader's docstring."""
    return {name: (inspect.getdoc(_REGISTERED[name].load) or "").partition("\n")[0] for name in dataset_names()}


def usual_transforms(name: str) -> tuple[str, ...]:
    """Returns the usual augmentation of a data set; empty if its images decide, as for a folder or a factory."""
    if named := data_folder(name):
        return _FORMS[named[0]].transforms
    return _REGISTERED[name].transforms if name in _REGISTERED else ()


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

    Raises InvalidInput for `folder:` and the like without a path.
    """
    if (named := data_folder(name)) and not named[1]:  # Python would read it as the current folder
        raise InvalidInput(
            "no folder of images is named",
            expected=f"{named[0]}:{DATA_FORMS[named[0]]}",
            found=f"{name} alone",
            do=f"name the folder; {name}. is the current one",
        )
    if ":" in name or name in _REGISTERED:
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


def load_dataset(
    name: str,
    *,
    root: Path | str | None = None,
    download: bool = True,
    rehash: bool = False,
    decoder: DecoderName = PILLOW,
    stop: Callable[[], bool] = never,
) -> Dataset:
    """Returns the data set called `name`, or the one that `folder:PATH`, `imagenet:ROOT` or `module:factory` describe.

    `root` is the folder of downloaded data sets, by default ~/.cache/dgkd-cache; if it is given, no other folder is
    searched. With `rehash`, all files of a folder are read, whatever the index of files knows. `decoder` decodes the
    JPEGs of a folder ("pillow" or "torchcodec"); it has to be that of the view plan. `stop` is asked after each file of
    a folder: what was read is kept, so that the next call goes on. Paths and the module are relative to the current
    folder. Raises UnknownName, InvalidInput for an invalid name and for a decoder that is not usable or has no files,
    DataUnreadable for data that cannot be read, and Interrupted once `stop` says so.
    """
    require_kind("load_dataset", "name", name, str, expected="the name of a data set")
    if root is not None:
        root = expand_user(as_path("load_dataset", "root", root, expected="the folder where data sets lie, or None"))
    check_reporting("load_dataset", None, stop)
    require_known(name)
    require_decoder("load_dataset", decoder)
    named = data_folder(name)
    if decoder != PILLOW and not named and ":" not in name:
        raise _no_files(name, decoder)
    say_loading(name)
    if named:
        return _FORMS[named[0]].load(expand_user(named[1]), rehash=rehash, decoder=decoder, stop=stop)
    if rehash:
        raise InvalidInput(
            f"{name} has no index of files that could be made again",
            expected=f"one of {', '.join(f'{kind}:{path}' for kind, path in DATA_FORMS.items())}",
            found=name,
            do="leave it out",
        )
    if ":" in name:
        made = load_factory(name)
        if decoder != PILLOW and {made.train.decoder, made.test.decoder} != {decoder}:
            raise _no_files(name, decoder)
        return made
    return _REGISTERED[name].load(root=root, download=download)


def classes_of_folders(name: str) -> tuple[str, ...] | None:
    """Returns the classes of `folder:PATH` and the like by the names of its folders; None for another data set.

    No file is read, which may take long for the first time. Raises InvalidInput and DataUnreadable as `load_dataset`.
    """
    require_known(name)
    named = data_folder(name)
    return tuple(_FORMS[named[0]].classes(expand_user(named[1]))) if named else None


def _no_files(name: str, decoder: str) -> InvalidInput:
    return InvalidInput(
        f"the decoder {decoder} would have no effect for {name}",
        expected=f"one of {', '.join(f'{kind}:{path}' for kind, path in DATA_FORMS.items())}, or a factory whose "
        "images are FolderImages with this decoder",
        found=name,
        do="leave decoder out",
    )
