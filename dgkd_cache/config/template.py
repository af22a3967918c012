"""The text of a `dgkd.toml`: every key with its value and a comment. Loads no torch.

It keeps every value: reading the text back gives the same settings.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from dgkd_cache.config.models_table import model_table
from dgkd_cache.config.tables import CompareConfig
from dgkd_cache.config.toml_text import toml_text
from dgkd_cache.config.workspace_config import WorkspaceConfig

__all__ = ["render_config"]

_TABLES = {
    "dataset": "where samples come from",
    "views": "deterministic augmentation: every epoch uses one of these views of the training set",
    "cache": "how a guide's logits are kept, under guides/",
    "chain": "largest first, student last; each learns from all above; or pruned:NAME@0.5, adopted:NAME, store:PATH",
    "training": "the recipe; a table [training.NAME] overrides any of it for that model",
    "distillation": "how guides teach",
    "pruning": "which weights `dgkd-cache prune` removes: by the sum of this importance over some batches",
    "sharing": "whose signatures count on what comes from elsewhere",
    "compare": "what `dgkd-cache compare` puts side by side",
}


def render_config(config: WorkspaceConfig, *, notes: Sequence[str] = ()) -> str:
    """Returns the settings as the text of a `dgkd.toml`; `notes` (single lines) are comments at its beginning."""
    lines = ["# A dgkd-cache workspace: `dgkd-cache run` trains the chain. Flags go before what is written here."]
    lines += [f"# {note}" for note in notes]
    for table, title in _TABLES.items():
        lines += ["", f"# {title}", f"[{table}]"]
        value = getattr(config, table)
        if isinstance(value, BaseModel):
            lines += _align(_settings(value))
        else:
            lines += [f"{name} = {toml_text(architecture)}" for name, architecture in value.items()]
        if table == "training":
            for model, settings in config.training_models.items():
                lines += ["", f"[training.{model}]"]
                lines += [f"{key} = {toml_text(setting)}" for key, setting in settings.items()]
    lines += ["", *_variants(config.compare)]
    for adopted, source in config.models.items():
        lines += ["", "# adopted with `dgkd-cache adopt`", *model_table(adopted, source).splitlines()]
    if config.compare.published:
        rows = ((name, one.model_dump()) for name, one in config.compare.published.items())
        lines += ["", "# others' results of these variants: test accuracy in per cent, to stand beside ours"]
        lines += ["[compare.published]", *(toml_text({name: one})[1:-1] for name, one in rows)]
    return "\n".join(lines) + "\n"


def _variants(compare: CompareConfig) -> list[str]:
    """Returns the table of variants, one a line; without any, two as comments."""
    examples = {"kd": {"method": "kd", "dropping": "none"}, "dgkd, lambda 0.9": {"lambda": 0.9}}
    mark, variants = ("", compare.variants) if compare.variants else ("# ", examples)
    rows = [toml_text({name: changes})[1:-1] for name, changes in variants.items()]
    return [f"{mark}{line}" for line in ("[compare.variants]", *rows)]


def _settings(table: BaseModel) -> list[tuple[str, str]]:
    """Returns (assignment, comment) of each key; an unset key becomes a comment, because TOML has no null."""
    settings = []
    for name, field in type(table).model_fields.items():
        if name in ("variants", "published"):  # tables of their own
            continue
        key, value = field.alias or name, getattr(table, name)
        assignment = f"# {key} =" if value is None else f"{key} = {toml_text(value)}"
        settings.append((assignment, field.description or ""))
    return settings


def _align(settings: list[tuple[str, str]]) -> list[str]:
    width = min(34, max(len(assignment) for assignment, _ in settings))
    return [f"{assignment:<{width}}  # {comment}" for assignment, comment in settings]
