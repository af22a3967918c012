"""`verify --recompute`: forwards rows of a store again, and reports the result. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dgkd_cache.errors import InvalidInput
from dgkd_cli.app import App
from dgkd_cli.humanize import count_text
from dgkd_cli.stores import workspace_for
from dgkd_cli.user_code import check_architectures
from dgkd_stores import clean

if TYPE_CHECKING:
    from dgkd_cache.progress import Progress
    from dgkd_cache.workspace.tasks import Recomputed

__all__ = ["recompute_store", "recomputed_line"]


def recompute_store(
    app: App, progress: Progress, architectures: Sequence[str], store: Path, *, rows: int, device: str
) -> Recomputed:
    """Forwards `rows` rows of a store again. Raises InvalidInput without a workspace, and as `recompute_rows`."""
    from dgkd_cache.workspace.tasks import recompute_rows

    workspace = workspace_for(app, store, architectures)
    if workspace is None:
        raise InvalidInput(
            f"no row of {store} can be computed again here",
            expected="the workspace with the finished run of its guide",
            found="no workspace",
            do="name it with -w, as in `dgkd-cache -w WORKSPACE verify PATH --recompute 1000`",
        )
    check_architectures(architectures, [workspace.run_folder(name) for name in workspace.runs()])
    return recompute_rows(workspace, path=store, rows=rows, device=device, progress=progress)


def recomputed_line(found: Recomputed) -> str:
    """Describes the result in a sentence."""
    rows = f"{count_text(found.rows)} rows in {count_text(found.batches)} batches"
    held_to = "to the bit" if found.exact else "within the tolerance for another machine"
    away = f"largest difference {found.largest:.3g}"
    if found.first is None:
        return f"as its guide {clean(found.run)} gives it, {held_to}: {rows}, {away}"
    view, sample = found.first
    return (
        f"not what its guide {clean(found.run)} gives, {held_to}: {count_text(found.differing)} of {rows} differ, "
        f"the first in view {view}, sample {sample}; {away}: dump the guide again, or get the store from who trained it"
    )
