"""Checks [views] of dgkd.toml, and compares the view plan of a store with it, without the data set, whose image size a
plan has too.

Transforms whose record holds no more than the numbers in their text, as crop and hflip, are compared without torch; for
others their classes are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from dgkd_cache.config.tables import ViewsConfig
from dgkd_cache.errors import DgkdError

__all__ = ["check_transforms", "describe_plan", "describe_views", "same_views"]

_UNNAMED = "pillow"  # the decoder of plans that name none


def check_transforms(views: ViewsConfig) -> None:
    """Raises InvalidInput for transforms that images of no size could have: unknown, out of range or out of order.

    It is for the time before the files of a data set are read, which may take long.
    """
    from dgkd_cache.views.abc import check_order  # they load torch
    from dgkd_cache.views.registry import parse_transform

    check_order([parse_transform(text) for text in views.transforms])


def same_views(views: ViewsConfig, plan: Mapping[str, Any]) -> bool:
    """Returns True if the settings make the plan, for images of the size in it; number and schedule are not in it."""
    if (plan.get("scheme"), plan.get("seed")) != (views.scheme, views.seed):
        return False
    if plan.get("decoder", _UNNAMED) != views.decoder:
        return False
    recorded = plan.get("transforms")
    if not isinstance(recorded, Sequence) or len(recorded) != len(views.transforms):
        return False
    pairs = list(zip(views.transforms, recorded, strict=True))
    told = [_same_transform(text, record) for text, record in pairs]
    return _same_plan(views, plan) if None in told and False not in told else all(told)


def describe_plan(plan: Mapping[str, Any]) -> str:
    """Describes the part of a plan that settings decide."""
    recorded = plan.get("transforms")
    transforms = [_in_text(one) for one in recorded] if isinstance(recorded, Sequence) else []
    decoder = f", decoder {plan['decoder']}" if "decoder" in plan else ""
    return f"{', '.join(transforms)}; {plan.get('scheme')}, seed {plan.get('seed')}{decoder}"


def describe_views(views: ViewsConfig) -> str:
    """Describes settings as `describe_plan` does a plan."""
    decoder = f", decoder {views.decoder}" if views.decoder != _UNNAMED else ""
    return f"{', '.join(views.transforms)}; {views.scheme}, seed {views.seed}{decoder}"


def _same_transform(text: str, record: object) -> bool | None:
    """Returns whether a text makes a record; None where the text alone does not tell."""
    name, _, rest = text.partition("(")
    if not isinstance(record, Mapping) or record.get("name") != name.strip():
        return False
    given = [_number(one) for one in rest.rstrip(") ").split(",")] if rest else []
    held = [_number(value) for key, value in record.items() if key != "name"]
    if None in given or None in held or len(given) != len(held) or len(held) > 1:
        return None  # words, tables, numbers that the text leaves out, or several whose order it does not tell
    return given == held


def _same_plan(views: ViewsConfig, plan: Mapping[str, Any]) -> bool:
    from dgkd_cache.views.plan import ViewPlan  # it loads torch

    image = plan.get("channels", 0), plan.get("height"), plan.get("width")
    try:
        # Samples that are held out, which mixing keeps apart, are a setting of the data set.
        held_out = next((one["held_out"] for one in plan["transforms"] if "held_out" in one), 0)
        made = ViewPlan.build(
            image=image,
            transforms=views.transforms,
            scheme=views.scheme,
            seed=views.seed,
            decoder=views.decoder,
            held_out=held_out,
        )
    except DgkdError:
        return False
    return made.to_dict() == dict(plan)


def _in_text(record: object) -> str:
    if not isinstance(record, Mapping) or len(record) > 2:
        from dgkd_cache.views.registry import transform_text  # it loads torch: keys are in no order that would tell

        return transform_text(record)
    values = [str(value) for key, value in record.items() if key != "name"]
    return str(record.get("name")) + (f"({values[0]})" if values else "")


def _number(value: object) -> Decimal | None:
    """Returns the number of an integer or a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        return None
