"""The settings of a workspace: the content of `dgkd.toml`, checked once and then passed down frozen.

An unknown key is an error that names file, table, key and the nearest known key. Loads no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from dgkd_cache.config.errors import invalid_setting, unknown_key
from dgkd_cache.config.file import read_tables
from dgkd_cache.config.members import Member, parse_member
from dgkd_cache.config.pruning import PruningConfig, parse_sparsity
from dgkd_cache.config.tables import (
    OF_TOPK,
    CacheConfig,
    CompareConfig,
    DatasetConfig,
    DistillationConfig,
    ModelConfig,
    Name,
    SharingConfig,
    Table,
    TrainingConfig,
    ViewsConfig,
)
from dgkd_cache.errors import InvalidInput
from dgkd_stores import did_you_mean, split_draw_name

__all__ = [
    "CONFIG_NAME",
    "WorkspaceConfig",
    "check_model_name",
    "is_model_name",
    "is_store_name",
    "override",
    "parse_config",
    "read_config",
    "with_keys",
    "with_overrides",
]

CONFIG_NAME = "dgkd.toml"

AnyTable = TypeVar("AnyTable", bound=Table)


class WorkspaceConfig(Table):
    """All of `dgkd.toml`. `chain` is ordered, largest first; its last model is the student.

    A model of the chain is an architecture, `pruned:NAME@SPARSITY`, `adopted:NAME` or `store:PATH`; `models` has the
    adopted ones.
    """

    dataset: DatasetConfig = DatasetConfig()
    views: ViewsConfig
    cache: CacheConfig = CacheConfig()
    chain: dict[str, Annotated[Name, Field(min_length=1)]] = Field(min_length=1)
    training: TrainingConfig = TrainingConfig()
    training_models: dict[str, dict[str, object]] = {}
    models: dict[str, ModelConfig] = {}
    distillation: DistillationConfig = DistillationConfig()
    pruning: PruningConfig = PruningConfig()
    compare: CompareConfig = CompareConfig()
    sharing: SharingConfig = SharingConfig()

    def training_for(self, model: str) -> TrainingConfig:
        """Returns the recipe of `model`: `[training]`, overridden by `[training.MODEL]`."""
        merged = {**self.training.model_dump(), **self.training_models.get(model, {})}
        return TrainingConfig.model_validate(merged)

    def member(self, model: str) -> Member:
        """Returns what `model` of the chain is."""
        return parse_member(self.chain[model])

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as nested tables, shaped like the file."""
        tables = self.model_dump(by_alias=True, exclude={"training_models"})
        tables["training"].update({name: dict(table) for name, table in self.training_models.items()})
        return tables


def is_model_name(name: str) -> bool:
    """Returns True if `name` is valid for a run and a store."""
    return re.fullmatch(r"[a-z0-9_-]{1,64}", name) is not None


def is_store_name(name: str) -> bool:
    """Returns True if `name` is valid for a store: that of a model, of a draw as ta1.d0, or of some of its views."""
    return is_model_name(name) or re.fullmatch(r"[a-z0-9_-]{1,64}\.d(0|[1-9][0-9]{0,9})(-\d+-\d+)?", name) is not None


def check_model_name(name: str) -> str:
    """Returns `name` if it is valid for a run and a store; otherwise raises InvalidInput."""
    if is_model_name(name):
        return name
    model, draw = split_draw_name(name)
    do = "choose another name"
    if "/" in name:
        do = f"give the name alone, as {name.rstrip('/').split('/')[-1]}"
    elif draw is not None:
        do = f"give the name of the model, {model}: a store of one of its draws is called {name}"
    raise InvalidInput("a model's name is not usable", expected="1 to 64 of a-z, 0-9, _ and -", found=repr(name), do=do)


def read_config(path: Path) -> WorkspaceConfig:
    """Returns the settings in the file at `path`. Raises InvalidInput, which names file, table and key."""
    return parse_config(read_tables(path), source=str(path))


def parse_config(tables: Mapping[str, Any], *, source: str) -> WorkspaceConfig:
    """Returns the settings from nested tables shaped like the file; errors call them `source`."""
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
                do="set validation in table [dataset], for instance to a tenth of the training samples",
            )
    return config


def with_overrides(config: WorkspaceConfig, settings: Mapping[str, object]) -> WorkspaceConfig:
    """Returns `config` with dotted keys replaced, as `{"training.epochs": 3}`; checked like the file.

    Flags override the file: `training.X` also removes X from every `[training.MODEL]` table, and another
    `cache.encoding` than topk removes the keys of topk.
    """
    by_parts = {tuple(dotted.split(".")): value for dotted, value in settings.items()}
    return with_keys(config, by_parts, source="the options given")


def with_keys(config: WorkspaceConfig, settings: Mapping[tuple[str, ...], object], *, source: str) -> WorkspaceConfig:
    """Returns `config` with keys replaced as `with_overrides` does; a key is its parts, ("training", "epochs")."""
    tables = config.to_dict()
    for (*path, key), value in settings.items():
        table = tables
        for place, part in enumerate(path, 1):
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise unknown_key((*path[:place], key), WorkspaceConfig, source)
        if path == ["training"]:
            for model in config.training_models:
                table[model].pop(key, None)
        table[key] = value
    if settings.get(("cache", "encoding"), "topk") != "topk":
        for key in OF_TOPK:  # TOML has no null, so nobody could take these out of the file by an option
            if ("cache", key) not in settings:
                tables["cache"].pop(key)
    return parse_config(tables, source=source)


def override(table: AnyTable, settings: Mapping[str, object], *, name: str) -> AnyTable:
    """Returns `table`, called `name` in errors, with keys replaced; `None` keeps a key's value."""
    given = {key: value for key, value in settings.items() if value is not None}
    try:
        return type(table).model_validate({**table.model_dump(by_alias=True), **given})
    except ValidationError as error:
        raise invalid_setting(error, WorkspaceConfig, "the options given", prefix=(name,)) from error


def _check_names(config: WorkspaceConfig, source: str) -> None:
    _check_members(config, source)
    for name in config.chain:
        if not is_model_name(name) or name in TrainingConfig.model_fields:
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
                do=did_you_mean(guide, config.chain),
            )


def _check_members(config: WorkspaceConfig, source: str) -> None:
    """Refuses members from elsewhere that cannot be of a chain, and adopted models whose names are not usable."""
    for name in config.models:
        if not is_model_name(name):
            raise InvalidInput(
                f"a name in table [models] of {source} is not usable",
                expected="1 to 64 of a-z, 0-9, _ and -",
                found=repr(name),
                do="call it otherwise",
            )
    first: dict[str, str] = {}
    for name, text in config.chain.items():
        member = config.member(name)
        if member.kind == "trained":
            continue
        if member.kind == "pruned":
            _check_pruned(config, name, source)
            continue
        where, found = f"{name} in table [chain] of {source}", text
        if member.kind == "adopted" and not is_model_name(member.what):
            raise InvalidInput(f"{where} is wrong", expected="adopted:NAME with the name of a model", found=found)
        if not member.what:
            raise InvalidInput(f"{where} is wrong", expected="store:PATH with the path of a store", found=found)
        if name == [*config.chain][-1]:
            raise InvalidInput(
                f"{where} cannot be the last model",
                expected="an architecture: the last model is the student, which is trained here",
                found=found,
                do=f"put a model below it, or take {name} out",
            )
        if text in first:
            raise InvalidInput(f"{where} is there twice", expected="each guide once", found=f"{found} of {first[text]}")
        first[text] = name
        if member.kind == "adopted" and member.what != name and member.what in config.chain:
            raise InvalidInput(
                f"{where} has the name of another model of the chain",
                expected="a name of its own, under which its run lies",
                found=found,
                do=f"adopt it under another name, or call the model {member.what} of the chain otherwise",
            )
        if name in config.training_models:
            raise InvalidInput(
                f"table [training.{name}] of {source} has no effect",
                expected="a model that is trained here",
                found=found,
                do="take the table out",
            )


def _check_pruned(config: WorkspaceConfig, name: str, source: str) -> None:
    """Refuses a pruned member without a usable sparsity, or whose source is not made before it."""
    member, found = config.member(name), config.chain[name]
    where = f"{name} in table [chain] of {source}"
    before = [*config.chain][: [*config.chain].index(name)]
    try:
        parse_sparsity(member.sparsity)
    except InvalidInput as error:
        raise InvalidInput(
            f"{where} is wrong",
            expected="pruned:NAME@SPARSITY with a sparsity from 0 to below 1, as pruned:teacher@0.5",
            found=found,
        ) from error
    if not is_model_name(member.what):
        raise InvalidInput(f"{where} is wrong", expected="pruned:NAME@SPARSITY with the name of a model", found=found)
    if member.what in config.chain and (member.what not in before or config.member(member.what).kind == "store"):
        raise InvalidInput(
            f"{where} cannot be pruned from {member.what}",
            expected="a model before it that has a run here, or a finished run of another name",
            found=found,
            do=f"put {member.what} before {name}, or name another model"
            if member.what not in before
            else "name another model",
        )
