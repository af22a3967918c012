"""Makes a store of some views of another one: its rows and digests, under a header that names where they come from.

Root and digests of the source are kept beside it, so that `verify` proves it against the seal of the source.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dgkd_stores.arguments import as_path, require_callable, require_flags, require_kind, require_views
from dgkd_stores.checking.origin import origin_path, refuse_other_origin
from dgkd_stores.disk.files import publish_new, read_small, sync_folder, write_synced
from dgkd_stores.disk.locks import ALL_VIEWS, ViewLock
from dgkd_stores.disk.refusals import full_disk
from dgkd_stores.errors import DgkdError, InvalidInput
from dgkd_stores.format.derivation import derived_header
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import group_metadata, json_file
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.sharing.beside import keep_signature
from dgkd_stores.sharing.signatures import read_signature
from dgkd_stores.writing.whole import Converted, Report, WholeStore, check_target, write_whole

__all__ = ["subset", "subset_header", "subset_identity"]


def subset(
    source: Path | str,
    target: Path | str,
    *,
    views: range,
    codec: str = "none",
    take_over: bool = False,
    report: Report = lambda done, total: None,
) -> Converted:
    """Writes `views` of the finished store `source` to `target`, a new sealed store of the same guide.

    Rows, their digests and the probe are those of the source; `guide.training.derived_from` has its seal and its range
    of views. Accuracy, logits of the test set and encoding error are those of the source, too. Beside the target,
    `NAME.origin` gets the source's root and digests, and its signature if it has one; `verify` compares them. A
    `target` that already is this store is not changed. Raises `InvalidInput` for views that the source does not have,
    Mismatch where anything else has the name NAME.origin, and as `convert`.
    """
    source, target = as_path("subset", "source", source), as_path("subset", "target", target)
    require_views("subset", views)
    require_kind("subset", "codec", codec, str, expected="the name of a codec")
    require_flags("subset", take_over=take_over)
    require_callable("subset", report=report)
    check_target(target, codec)
    refuse_other_origin(target)
    with GuideStore.open(source) as store:
        assert store.seal is not None
        whole = WholeStore(
            header=subset_header(store.header, store.seal, views),
            identity=subset_identity(store.header, store.container.identity(), views),
            parts=[store],
        )
        converted = write_whole(target, whole, codec=codec, take_over=take_over, report=report)
        _keep_origin(target, store, take_over)
    return converted


def subset_header(header: StoreHeader, seal: str, views: range) -> StoreHeader:
    """Returns the header of these views of a store with this header and seal.

    Raises InvalidInput for views that it does not have, or for all of them: that would be the store itself.
    """
    held = header.view_range
    if not views or views.start < held.start or views.stop > held.stop or views == held:
        raise InvalidInput(
            "no part of the store's views",
            expected=f"fewer views than {held.start}:{held.stop}, all of them within",
            found=f"{views.start}:{views.stop}",
            do="a copy of all views is an export, or a pull without a choice of views" if views == held else "",
        )
    return derived_header(replace(header, first_view=views.start, views=len(views)), "subset", [(header, seal)])


def subset_identity(header: StoreHeader, identity: Mapping[str, NDArray[Any]], views: range) -> dict[str, NDArray[Any]]:
    """Returns the identity arrays of these views of a store with this header and these arrays."""
    first = header.place_of(views.start)
    return {**identity, "view_digest": identity["view_digest"][first : first + len(views)]}


def _keep_origin(target: Path, store: GuideStore, take_over: bool) -> None:
    """Writes what `verify` needs of the source beside the target; replaces that of another source."""
    held, kept = store.container, origin_path(target)
    digest = held.layout.digest
    chunks = {digest.key(place, 0, 0): digest.encode(digest_B32) for place, digest_B32 in enumerate(held.digests())}
    root = json_file(group_metadata(held.header, held.seal))
    lock = ViewLock(target, ALL_VIEWS, guide="", take_over=take_over)
    with lock, full_disk(kept):
        if not _holds(kept, {"zarr.json": root, **{f"{digest.name}/{key}": chunk for key, chunk in chunks.items()}}):
            with lock.unfinished(kept.name) as partial:
                (partial / digest.name).mkdir(parents=True)
                for key, chunk in chunks.items():
                    write_synced(partial / digest.name / key, chunk)
                write_synced(partial / "zarr.json", root)
                sync_folder(partial / digest.name)
                sync_folder(partial)
                if kept.is_dir():
                    shutil.rmtree(kept)
                publish_new(partial, kept)
        keep_signature(kept, read_signature(store.path), lock)


def _holds(folder: Path, files: Mapping[str, bytes | memoryview]) -> bool:
    """Returns True if a folder has these files, each with this content."""
    try:
        return all(read_small(folder / name, limit=len(data)) == data for name, data in files.items())
    except (OSError, DgkdError):
        return False
