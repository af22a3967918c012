"""`dgkd-cache models`: lists the architectures for a chain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

from dgkd_cli.app import json_option
from dgkd_cli.catalogue import CLASSES, IMAGE, model_list, model_row, read_list
from dgkd_cli.columns import terminal_width, wrapped
from dgkd_cli.console import print_json
from dgkd_cli.humanize import count_text

__all__ = ["models"]


def _image_shape(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int, int]:
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", value)
    if not found:
        raise click.BadParameter(f"expected channels x height x width, as 3x32x32, found {value!r}")
    first, second, third = int(found[1]), int(found[2]), int(found[3])
    if (first, second, third) == IMAGE:
        return IMAGE
    from dgkd_cache.datasets.channel_order import channels_are_last  # its package loads torch

    if channels_are_last((first, second, third)):
        raise click.BadParameter(
            f"expected channels x height x width, found {value}, which has the channels last: "
            f"write {third}x{first}x{second}"
        )
    return first, second, third


@click.command()
@click.option(
    "--image",
    default="x".join(map(str, IMAGE)),
    show_default=True,
    callback=_image_shape,
    metavar="CxHxW",
    help="Shape of the views, channels first.",
)
@click.option(
    "--classes",
    type=click.IntRange(min=1, max=10**6),
    default=CLASSES,
    show_default=True,
    metavar="N",
    help="Number of classes.",
)
@click.option("--accept-probabilities", is_flag=True, help="Take outputs for logits though each row sums to 1.")
@click.argument("name", required=False)
@json_option
def models(
    image: tuple[int, int, int], classes: int, accept_probabilities: bool, name: str | None, as_json: bool
) -> None:
    """List the known architectures, or describe one (NAME).

    Exit code 1 where that one cannot be built for these images.

    \b
    Examples:
      dgkd-cache models
      dgkd-cache models --image 1x28x28
      dgkd-cache models wrn-16-2 --classes 100 --json
    """
    usual = image == IMAGE and classes == CLASSES
    if name:
        rows, forms = [_row(name, image, classes, usual=usual, accept_probabilities=accept_probabilities)], {}
    elif accept_probabilities:
        raise click.UsageError("--accept-probabilities goes with NAME, a network of your own")
    else:
        known = read_list("models") if usual else model_list(image, classes)
        rows, forms = known["models"], known["forms"]
    if as_json:
        print_json({"models": rows, "forms": forms})
    else:
        _show(rows, image)
        if forms:
            click.echo()
            click.echo(wrapped(("form", "meaning"), forms.items(), terminal_width()))
    if name and "problem" in rows[0]:
        raise click.exceptions.Exit(1)


def _row(
    name: str, image: tuple[int, int, int], classes: int, *, usual: bool, accept_probabilities: bool
) -> dict[str, str | int]:
    """Returns the row of one network, from the file if it has it; building it loads torch."""
    if usual and not accept_probabilities:
        for row in read_list("models")["models"]:
            if row["name"] == name:
                return dict(row)
    from dgkd_cache.models.registry import find_model

    find_model(name)
    return model_row(name, image, classes, accept_probabilities=accept_probabilities)


def _show(rows: Sequence[Mapping[str, str | int]], image: tuple[int, int, int]) -> None:
    """Prints the table; its last column says why a model cannot be built, or to which size its images are resized."""
    from dgkd_cache.run_files.preprocess import describe_resizing

    lines = [
        (
            str(row["name"]),
            count_text(int(row["parameters"])) if "parameters" in row else "-",
            f"{int(row['multiply_adds']) / 1e6:,.1f} M" if "multiply_adds" in row else "-",
            str(row["problem"])
            if "problem" in row
            else describe_resizing(*image[1:], int(row["input_size"]) if "input_size" in row else None),
        )
        for row in rows
    ]
    numbers = ("parameters", "multiply-adds")
    click.echo(wrapped(("model", *numbers, ""), lines, terminal_width(), right=numbers))
