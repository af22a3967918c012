"""`dgkd-cache datasets`: lists the known data sets, or describes one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgkd_cache.errors import DataMissing
from dgkd_cli.app import json_option
from dgkd_cli.catalogue import read_list
from dgkd_cli.columns import terminal_width, wrapped
from dgkd_cli.completion import complete_datasets
from dgkd_cli.console import print_json, print_result
from dgkd_cli.humanize import count_text, size_text
from dgkd_stores import clean

if TYPE_CHECKING:
    from dgkd_cache.datasets.dataset import Dataset

__all__ = ["datasets"]


@click.command()
@click.argument("name", required=False, shell_complete=complete_datasets)
@click.option(
    "--data-root",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where data sets are kept; no other place is looked in.  [default: ~/.cache/dgkd-cache]",
)
@click.option("--no-download", is_flag=True, help="Fail rather than fetch.")
@click.option("--rehash", is_flag=True, help="Read all files of a folder again, whatever the index of files knows.")
@click.option("--forget", is_flag=True, help="Remove the index of all files, and all decoded pixels that are kept.")
@json_option
def datasets(
    name: str | None, data_root: Path | None, no_download: bool, rehash: bool, forget: bool, as_json: bool
) -> None:
    """List the known data sets, or load and describe one (NAME).

    \b
    Examples:
      dgkd-cache datasets
      dgkd-cache datasets digits
      dgkd-cache datasets fashion-mnist --no-download --json
      dgkd-cache datasets imagenet:/data/imagenet --rehash
      dgkd-cache datasets --forget
    """
    if forget:
        if name or data_root or no_download or rehash:
            raise click.UsageError("--forget goes alone: it is for all data sets")
        _forget(as_json=as_json)
        return
    if name:
        from dgkd_cache.datasets.registry import load_dataset, require_root_used

        if data_root:
            require_root_used(name)
        try:
            found = load_dataset(name, root=data_root, download=not no_download, rehash=rehash)
        except DataMissing as error:
            if not no_download:
                raise
            raise error.with_hint(do="put the files there, or leave --no-download out") from error
        _show(found, as_json=as_json)
        return
    if data_root or no_download or rehash:
        raise click.UsageError("--data-root, --no-download and --rehash go with NAME, the data set to load")
    known = read_list("datasets")
    if as_json:
        print_json(known)
        return
    lines = [(one["name"], ", ".join(one["transforms"]), one["about"]) for one in known["datasets"]]
    click.echo(wrapped(("data set", "usual transforms", "what it is"), lines, terminal_width()))
    click.echo()
    click.echo(wrapped(("form", "meaning"), known["forms"].items(), terminal_width()))


def _forget(*, as_json: bool) -> None:
    from dgkd_cache.datasets.kept_files import forget_kept, kept_files
    from dgkd_cache.paths import cache_folder

    folder = cache_folder()
    before, freed = kept_files(folder), forget_kept(folder)
    print_result(
        {"folder": str(folder), "removed_bytes": freed, "removed_files": sum(one.files for one in before)},
        [("removed", f"{size_text(freed)} in {folder}"), *((one.what, size_text(one.nbytes)) for one in before)],
        as_json=as_json,
    )


def _show(dataset: Dataset, *, as_json: bool) -> None:
    train, test = dataset.train, dataset.test
    size = "any size" if train.height is None else f"{train.height} x {train.width}"
    print_result(
        {
            "name": dataset.name,
            "train": {"samples": len(train), "digest": train.digest},
            "test": {"samples": len(test), "digest": test.digest},
            "image": [train.channels, train.height, train.width],
            "classes": list(dataset.classes),
            **({"class_words": [list(words) for words in dataset.class_words]} if dataset.class_words else {}),
            "mean": list(dataset.mean),
            "std": list(dataset.std),
        },
        [
            ("data set", clean(dataset.name)),
            ("samples", f"{count_text(len(train))} train, {count_text(len(test))} test"),
            ("images", f"{train.channels} x {size}"),
            ("classes", f"{len(dataset.classes)}: {clean(_classes(dataset))}"),
            ("mean", " ".join(dataset.mean)),
            ("std", " ".join(dataset.std)),
            ("train digest", train.digest),
        ],
        as_json=as_json,
    )


def _classes(dataset: Dataset) -> str:
    """Names the classes, each with its first words, if it has some."""
    words = dataset.class_words or [()] * len(dataset.classes)
    return ", ".join(
        f"{name} ({known[0]})" if known else name for name, known in zip(dataset.classes, words, strict=True)
    )
