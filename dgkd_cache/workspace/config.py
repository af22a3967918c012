"""The settings of a workspace: what `dgkd.toml` may say, checked once and then passed down frozen.

An unknown key is an error that names file, table, key and the nearest known key. Loads no torch.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dgkd_cache.errors import InvalidInput
from dgkd_cache.workspace.config_errors import invalid_setting, nearest, unknown_key

__all__ = [
    "CONFIG_NAME",
    "CacheConfig",
    "DatasetConfig",
    "DistillationConfig",
    "MODEL_NAME",
    "Method",
    "TrainingConfig",
    "ViewsConfig",
    "WorkspaceConfig",
    "check_model_name",
    "override",
    "parse_config",
    "read_config",
    "with_overrides",
]

CONFIG_NAME = "dgkd.toml"
MODEL_NAME = re.compile(r"[a-z0-9_-]{1,64}")

Method = Literal["scratch", "kd", "takd", "dgkd"]
Precision = Literal["auto", "float32", "bf16"]
Table = TypeVar("Table", bound=BaseModel)


def _tuple_from_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_tuple_from_list)]
Fractions = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], ...],
    BeforeValidator(_tuple_from_list),
]


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True
    )


class DatasetConfig(_Table):
    """Where samples come from."""

    name: str = Field(
        default="digits",
        min_length=1,
        description="digits, mnist, fashion-mnist, cifar10, cifar100, folder:PATH or module:factory",
    )
    root: str | None = Field(
        default=None, description="where data sets are kept (default: ~/.cache/dgkd-cache)"
    )
    download: bool = Field(default=True, description="fetch a known data set that is not there yet")
    validation: int = Field(default=0, ge=0, description="samples held out of training, for every model")


class ViewsConfig(_Table):
    """The view plan, how many views are cached, and which one an epoch uses."""

    transforms: Texts = Field(
        min_length=1, description='in order: "crop(PADDING)", "hflip", "resized-crop(SIZE)" or "none"'
    )
    scheme: Literal["sampled", "enumerated"] = Field(
        default="sampled", description="sampled: each (view, sample) draws; enumerated: every outcome once"
    )
    count: int = Field(default=40, ge=1, description="views that are cached of every guide")
    schedule: Literal["cycle", "draw"] = Field(
        default="cycle", description="cycle: view = epoch mod count; draw: one per (epoch, sample)"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="of the plan; another seed is another plan")

    @model_validator(mode="after")
    def _enumerated_is_drawn(self) -> Self:
        if self.scheme == "enumerated" and self.schedule != "draw":
            raise ValueError('schedule = "draw" where scheme = "enumerated"')
        return self


class CacheConfig(_Table):
    """How a guide's logits are stored."""

    temperature: float = Field(default=4.0, gt=0, description="rows are stored as logits / temperature")
    encoding: Literal["float32", "float16"] = Field(default="float16", description="float32 or float16")
    precision: Precision = Field(default="auto", description="the guide's forward pass: auto, float32, bf16")
    batch_size: int = Field(default=512, ge=1, description="fixed by the store: part of its identity")
    licence: str = Field(default="", max_length=256, description="of the stores, for whoever gets them")


class TrainingConfig(_Table):
    """One model's recipe; `[training.ta1]` overrides any of it for ta1."""

    epochs: int = Field(default=160, ge=1, description="passes over the training set")
    batch_size: int = Field(default=128, ge=1, description="samples in a step")
    optimizer: Literal["sgd", "adamw"] = Field(default="sgd", description="sgd or adamw")
    lr: float = Field(default=0.1, gt=0, description="learning rate at the start")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of sgd")
    nesterov: bool = Field(default=False, description="of sgd")
    weight_decay: float = Field(default=1e-4, ge=0, description="L2 penalty (decoupled with adamw)")
    lr_schedule: Literal["step", "constant", "cosine"] = Field(
        default="step", description="step, constant or cosine"
    )
    lr_steps: Fractions = Field(default=(0.5, 0.75), description="of all epochs, where a step is taken")
    lr_gamma: float = Field(default=0.1, gt=0, le=1, description="what a step multiplies lr by")
    warmup_epochs: int = Field(default=0, ge=0, description="epochs of linear warm-up")
    precision: Precision = Field(default="auto", description="auto (bf16 where a GPU has it), float32, bf16")
    channels_last: bool = Field(default=True, description="memory format of convolutions")
    compile: bool = Field(default=False, description="torch.compile the model")
    views: Literal["cached", "fresh"] = Field(
        default="cached", description="cached: the guides' views; fresh: a new view every epoch, no guides"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="order, schedule, dropping, initial weights")
    checkpoint_steps: int = Field(default=500, ge=1, description="steps between checkpoints")
    workers: int = Field(default=2, ge=0, description="data loader processes, where data is not resident")
    select: Literal["last", "best"] = Field(
        default="last", description="last epoch, or the best by the validation split"
    )


class DistillationConfig(_Table):
    """How guides teach."""

    method: Method = Field(
        default="dgkd", description="guides: scratch none, kd teacher, takd the one before, dgkd all before"
    )
    objective: Literal["paper", "official", "mean"] = Field(
        default="paper", description="paper (Eq. 7), official (the authors' code) or mean"
    )
    lambda_: float = Field(default=0.5, alias="lambda", ge=0, le=1, description="share of the guides, 0 to 1")
    temperature: float | None = Field(default=None, gt=0, description="of the loss (default: the cache's)")
    dropping: Literal["bernoulli", "fixed", "none"] = Field(
        default="bernoulli", description="bernoulli: each guide by itself; fixed: exactly `drop`; none"
    )
    keep: float = Field(default=0.75, ge=0, le=1, description="bernoulli: a guide's chance to take part")
    drop: int = Field(default=1, ge=0, description="fixed: guides left out of every batch")
    always: Texts = Field(default=(), description="guides that are never dropped")
    at_least_one: bool = Field(default=False, description="keep one guide in every batch")


class WorkspaceConfig(_Table):
    """All of `dgkd.toml`. `chain` is ordered, largest first; its last model is the student."""

    dataset: DatasetConfig = DatasetConfig()
    views: ViewsConfig
    cache: CacheConfig = CacheConfig()
    chain: dict[str, Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    training: TrainingConfig = TrainingConfig()
    training_models: dict[str, dict[str, object]] = {}
    distillation: DistillationConfig = DistillationConfig()

    def training_for(self, model: str) -> TrainingConfig:
        """The recipe of `model`: `[training]` with `[training.MODEL]` laid over it."""
        merged = {**self.training.model_dump(), **self.training_models.get(model, {})}
        return TrainingConfig.model_validate(merged)

    def to_dict(self) -> dict[str, Any]:
        """The same settings as nested tables, shaped like the file."""
        tables = self.model_dump(by_alias=True, exclude={"training_models"})
        tables["training"].update({name: dict(table) for name, table in self.training_models.items()})
        return tables


def check_model_name(name: str) -> str:
    """`name`, if a run and a store may be called so. Raises InvalidInput."""
    if not MODEL_NAME.fullmatch(name):
        raise InvalidInput(
            "a model's name is not usable",
            expected="1 to 64 of a-z, 0-9, _ and -",
            found=repr(name),
            do="choose another name",
        )
    return name


def read_config(path: Path) -> WorkspaceConfig:
    """The settings in the file at `path`. Raises InvalidInput, which names file, table and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} cannot be read", expected="UTF-8 text", found=str(error)) from error
    except FileNotFoundError as error:
        raise InvalidInput(
            f"{path} does not exist",
            do="`dgkd-cache init --dataset digits --chain plain4,plain2` writes one, and "
            "`dgkd-cache init --help` tells more",
        ) from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} cannot be read", expected="TOML", found=f"an error: {error}") from error
    return parse_config(tables, source=str(path))


def parse_config(tables: Mapping[str, Any], *, source: str) -> WorkspaceConfig:
    """The settings in nested tables shaped like the file; `source` is how errors call it."""
    if "training_models" in tables:
        raise unknown_key(("training_models",), WorkspaceConfig, source)
    tables = dict(tables)
    of_models: dict[str, dict[str, object]] = {}
    if isinstance(training := tables.get("training"), Mapping):
        of_models = {
            key: dict(value)
            for key, value in training.items()
            if isinstance(value, Mapping) and key not in TrainingConfig.model_fields
        }
        tables["training"] = {key: value for key, value in training.items() if key not in of_models}
    try:
        config = WorkspaceConfig.model_validate({**tables, "training_models": of_models})
    except ValidationError as error:
        raise invalid_setting(error, WorkspaceConfig, source) from error
    _check_names(config, source)
    for model in config.chain:
        try:
            recipe = config.training_for(model)
        except ValidationError as error:
            raise invalid_setting(error, WorkspaceConfig, source, prefix=("training", model)) from error
        if recipe.select == "best" and not config.dataset.validation:
            raise InvalidInput(
                f"key 'select' in table [training] of {source} cannot be for {model}",
                expected="validation samples to choose the best epoch by",
                found="select = 'best' and validation = 0",
                do="set validation in table [dataset], for instance to 5000",
            )
    return config


def with_overrides(
    config: WorkspaceConfig, settings: Mapping[str, object], *, source: str = "the options given"
) -> WorkspaceConfig:
    """`config` with dotted keys replaced, as `{"training.epochs": 3}`; checked like the file.

    Flags go before the file: `training.X` also takes X out of every `[training.MODEL]` table.
    """
    tables = config.to_dict()
    for dotted, value in settings.items():
        *path, key = dotted.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        if path == ["training"]:
            for model in config.training_models:
                table[model].pop(key, None)
        table[key] = value
    return parse_config(tables, source=source)


def override(table: Table, settings: Mapping[str, object], *, name: str) -> Table:
    """One table, called `name` in errors, with keys replaced; `None` leaves a key as it is."""
    given = {key: value for key, value in settings.items() if value is not None}
    try:
        return type(table).model_validate({**table.model_dump(by_alias=True), **given})
    except ValidationError as error:
        raise invalid_setting(error, WorkspaceConfig, "the options given", prefix=(name,)) from error


def _check_names(config: WorkspaceConfig, source: str) -> None:
    for name in config.chain:
        if not MODEL_NAME.fullmatch(name) or name in TrainingConfig.model_fields:
            raise InvalidInput(
                f"a name in table [chain] of {source} is not usable",
                expected="1 to 64 of a-z, 0-9, _ and -, and no key of [training]",
                found=repr(name),
                do="call it otherwise, for instance ta1",
            )
    for model in config.training_models:
        if model not in config.chain:
            raise unknown_key(("training", model), WorkspaceConfig, source, also=tuple(config.chain))
    for guide in config.distillation.always:
        if guide not in config.chain:
            raise InvalidInput(
                f"key always in table [distillation] of {source} names a guide that is not in [chain]",
                expected=f"one of {', '.join(config.chain)}",
                found=repr(guide),
                do=nearest(guide, config.chain),
            )
