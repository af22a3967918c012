"""The architecture of a pruned member of a chain, which is that of the model that it is pruned from. Loads no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from dgkd_cache.config.workspace_config import WorkspaceConfig
from dgkd_cache.errors import Incomplete, Mismatch
from dgkd_cache.paths import CARD_FILE
from dgkd_cache.run_files.model_card import load_card
from dgkd_stores import closest_names

__all__ = ["source_architecture"]

_KNOWN = ("torchvision:", "timm:")
"""The prefixes of architectures that are no code of the user's."""


def source_architecture(
    config: WorkspaceConfig, name: str, runs: Path, *, named: Collection[str], adopting: Callable[[str], str]
) -> str:
    """Returns the architecture of the pruned member `name`: from the chain, from [models], or from a card in `runs`.

    A source may be pruned itself. Raises Incomplete for a source that is nowhere (`adopting` returns the command that
    adopts a model), what `load_card` raises, and Mismatch for a card that names code which neither dgkd.toml nor
    `named` does: a card never chooses what is imported.
    """
    source = config.member(name).what
    while source in config.chain and (member := config.member(source)).kind == "pruned":
        name, source = source, member.what
    if source in config.chain:
        member = config.member(source)
        if member.kind == "trained":
            return member.what
        source = member.what
    if source in config.models:
        return config.models[source].architecture
    if not os.path.lexists(runs / source / CARD_FILE):
        raise _missing(config, name, source, runs, adopting)
    found = load_card(runs / source).architecture
    known = {*config.chain.values(), *(model.architecture for model in config.models.values()), *named}
    if ":" in found and not found.startswith(_KNOWN) and found not in known:
        raise Mismatch(
            f"the card of {source}, which {name} is pruned from, names code that nothing of yours names",
            expected="an architecture that `dgkd-cache models` lists, or one that dgkd.toml names",
            found=repr(found),
            do=f"if that code is your own, give {name} a source that is trained in this chain",
        )
    return found


def _missing(config: WorkspaceConfig, name: str, source: str, runs: Path, adopting: Callable[[str], str]) -> Incomplete:
    before = [*config.chain][: [*config.chain].index(name)]
    if any(config.member(one).kind == "adopted" and config.member(one).what == source for one in before):
        return Incomplete(
            f"{source}, which {name} is pruned from, is not adopted",
            expected=f"a finished run in {runs / source}",
            do=f"`{adopting(source)}` adopts it",
        )
    close = closest_names(source, before, most=1)
    return Incomplete(
        f"{name} is pruned from {source}, which is neither a model before it in [chain] nor a finished run",
        expected=", or ".join(
            [*([f"one of {', '.join(before)}"] if before else []), f"a finished run in {runs / source}"]
        ),
        found="none",
        do=f"did you mean {close[0]}?" if close else f"train {source} first, or name another model",
    )
