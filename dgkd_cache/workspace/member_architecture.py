"""The architecture of a pruned member of a chain, which is that of the model that it is pruned from. Loads no torch."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dgkd_cache.config.workspace_config import WorkspaceConfig
from dgkd_cache.errors import Mismatch
from dgkd_cache.run_files.model_card import load_card

__all__ = ["source_architecture"]

_KNOWN = ("torchvision:", "timm:")
"""The prefixes of architectures that are no code of the user's."""


def source_architecture(config: WorkspaceConfig, name: str, runs: Path, *, named: Collection[str]) -> str:
    """Returns the architecture of the pruned member `name`: from the chain, from [models], or from a card in `runs`.

    A source may be pruned itself. Raises what `load_card` raises, and Mismatch for a card that names code which neither
    dgkd.toml nor `named` does: a card never chooses what is imported.
    """
    source = config.member(name).what
    while source in config.chain and (member := config.member(source)).kind == "pruned":
        source = member.what
    if source in config.chain:
        member = config.member(source)
        if member.kind == "trained":
            return member.what
        source = member.what
    if source in config.models:
        return config.models[source].architecture
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
