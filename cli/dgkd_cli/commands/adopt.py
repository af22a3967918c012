"""`dgkd-cache adopt`: makes a finished run of a model that was trained elsewhere."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dgkd_cli.app import App, device_option, json_option, pass_app, take_over_option
from dgkd_cli.completion import complete_architectures
from dgkd_cli.console import print_result
from dgkd_cli.humanize import count_text, percent_text, with_numbers
from dgkd_stores import clean

if TYPE_CHECKING:
    from dgkd_cache.workspace.tasks.adopt import Adopted
    from dgkd_cache.workspace.workspace import Workspace

__all__ = ["adopt"]

_SHOWN = 10  # classes in the result


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Parses A,B,C as decimal numbers."""
    if value is None:
        return None
    texts = tuple(part.strip() for part in value.split(","))
    try:
        finite = all(Decimal(text).is_finite() for text in texts)
    except InvalidOperation:
        finite = False
    if not finite:
        raise click.BadParameter(f"expected a number for each channel, as 0.485,0.456,0.406, found {value!r}")
    return texts


_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option(
    "--arch",
    "architecture",
    required=True,
    metavar="ARCHITECTURE",
    shell_complete=complete_architectures,
    help="torchvision:NAME, timm:NAME, module:factory, or a name that `dgkd-cache models` lists.",
)
@click.option("--weights", type=_file, metavar="FILE", help="A state dict: .safetensors, or .pt with tensors alone.")
@click.option("--pretrained", is_flag=True, help="The weights that torchvision or timm publishes: a download.")
@click.option("--mean", callback=_numbers, metavar="A,B,C", help="Mean of each channel (default: as published).")
@click.option("--std", callback=_numbers, metavar="A,B,C", help="Deviation of each channel (default: as published).")
@click.option("--size", type=int, metavar="PIXELS", help="Side of the network's input.")
@click.option(
    "--crop", type=float, metavar="SHARE", help="What the centre crop keeps of a test image's resized short side."
)
@click.option("--interpolation", type=click.Choice(["bilinear", "bicubic"]), help="Of the resizing.")
@click.option("--classes", type=_file, metavar="FILE", help="Names of the model's classes, one a line, or a JSON list.")
@click.option(
    "--class-map", type=_file, metavar="FILE", help="A JSON file of the model's class names to the data set's."
)
@click.option("--accept-accuracy", is_flag=True, help="Accept a test accuracy below twice that of guessing.")
@click.option("--fresh", is_flag=True, help="Start over; what has that name is moved to aside/.")
@take_over_option
@device_option
@json_option
@pass_app
def adopt(
    app: App,
    name: str,
    architecture: str,
    weights: Path | None,
    pretrained: bool,
    mean: tuple[str, ...] | None,
    std: tuple[str, ...] | None,
    size: int | None,
    crop: float | None,
    interpolation: Literal["bilinear", "bicubic"] | None,
    classes: Path | None,
    class_map: Path | None,
    accept_accuracy: bool,
    fresh: bool,
    take_over: bool,
    device: str,
    as_json: bool,
) -> None:
    """Take a model that was trained elsewhere as a guide.

    Its weights become the finished run NAME, with its published preprocessing, its accuracy on the test set and the
    origin of the weights in the card. Architecture and weights are written to [models.NAME] of dgkd.toml; in [chain],
    teacher = "adopted:NAME" then takes it as a guide.

    \b
    Examples:
      dgkd-cache adopt big --arch torchvision:resnet50 --weights resnet50.pt
      dgkd-cache adopt big --arch timm:resnet50.a1_in1k --pretrained
      dgkd-cache adopt mine --arch mynets:make --weights mine.safetensors
    """
    from dgkd_cache.workspace.tasks.adopt import adopt_model
    from dgkd_cache.workspace.tasks.adoption_options import AdoptRequest

    if (weights is None) != pretrained:
        raise click.UsageError("give exactly one of --weights FILE and --pretrained")
    workspace = app.workspace([architecture])
    request = AdoptRequest(
        name=name,
        architecture=architecture,
        weights=weights,
        mean=mean,
        std=std,
        size=size,
        crop=crop,
        interpolation=interpolation,
        classes=classes,
        class_map=class_map,
        accept_accuracy=accept_accuracy,
        fresh=fresh,
    )
    with app.working() as (progress, stop):
        done = adopt_model(workspace, request, device=device, take_over=take_over, progress=progress, stop=stop)
    _show(done, workspace, as_json=as_json)
    if not as_json and f"adopted:{name}" not in workspace.config.chain.values():
        app.say(f'a guide of the chain: write teacher = "adopted:{name}" into [chain] of dgkd.toml')


def _show(done: Adopted, workspace: Workspace, *, as_json: bool) -> None:
    card = done.card
    assumed = card.training.get("classes") == "assumed"
    names = ", ".join(map(clean, card.classes[:_SHOWN]))
    more = f", and {len(card.classes) - _SHOWN} more" if len(card.classes) > _SHOWN else ""
    order = "in the assumed order of the data set" if assumed else str(card.training.get("classes"))
    preprocess = card.preprocess
    size = "as the views" if preprocess.input_size is None else f"{preprocess.input_size} pixels"
    if (resizing := preprocess.resizing) is not None:
        size += f", {resizing.interpolation}; test images by way of {resizing.short_side}"
    print_result(
        {**with_numbers(card.model_dump(mode="json")), "made": done.made, "written": done.written},
        [
            ("model", clean(card.name)),
            ("architecture", clean(card.architecture)),
            ("parameters", count_text(card.parameters)),
            ("input", size),
            ("classes", f"{names}{more} ({clean(order)})"),
            ("accuracy (test)", percent_text(card.accuracy.get("test"))),
            ("weights", card.weights_digest[:16]),
            ("folder", str(workspace.run_folder(card.name)) + ("" if done.made else ", as it was")),
        ],
        as_json=as_json,
    )
