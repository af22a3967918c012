"""The fields of a record that results are made of, and their bounds: records travel between machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["first_wrong_field"]

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """A part of a record; more fields than are named here are allowed."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Bin(_Part):
    samples: Count
    confidence: Share
    accuracy: Share


class _Test(_Part):
    samples: Annotated[int, Field(ge=1)]
    top1: Share
    top5: Share | None
    nll: Annotated[float, Field(ge=0)]
    ece: Share
    class_accuracy: list[Share | None]
    bins: list[_Bin]


class _Agreement(_Part):
    samples: Count
    top1: Share
    kl: float


class _Cost(_Part):
    epochs: Count
    steps: Count
    trained_samples: Count
    guide_rows: Count
    dump_forwards: Count
    live_forwards: Count = 0
    control_forwards: dict[str, Count] = {}
    draw_forwards: dict[str, Count] = {}
    importance_samples: Count = 0


class _Record(_Part):
    run: str
    model: str
    architecture: str
    weights: str
    guides: dict[str, str]
    guide_runs: list[str]
    draw_of: dict[str, Count] = {}
    source_run: str = ""
    training: dict[str, Any]
    compute: dict[str, Any]
    cost: _Cost
    epochs: list[dict[str, float | int]]
    test: _Test
    agreement: dict[str, dict[str, _Agreement]]


def first_wrong_field(record: Mapping[str, Any]) -> tuple[str, str] | None:
    """Returns (what is expected, what was found) of the first field that no record has so; None if all are right."""
    try:
        _Record.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        return f"{name} of a record: {first['msg'].lower()}", repr(first["input"])
    return None
