"""Converts a finished store to another container, codec or chunking, with the same digests and seal."""

from __future__ import annotations

from pathlib import Path

from dgkd_stores.arguments import as_path, require_callable, require_flags, require_kind
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.writing.whole import Converted, Report, WholeStore, check_target, write_whole

__all__ = ["convert"]


def convert(
    source: Path | str,
    target: Path | str,
    *,
    codec: str = "none",
    take_over: bool = False,
    report: Report = lambda done, total: None,
) -> Converted:
    """Converts the finished store `source` to `target`, of the same seal.

    A `target` that already is this store, in that container and codec, is not changed. Raises `InvalidInput` if
    anything else is there, for a name without a store's suffix, or a codec that the container does not have, `Locked`
    while another process writes there (`take_over`: see `ViewLock`), `NoSpace`, and as `GuideStore.open` and `gather`.
    """
    source, target = as_path("convert", "source", source), as_path("convert", "target", target)
    require_kind("convert", "codec", codec, str, expected="the name of a codec")
    require_flags("convert", take_over=take_over)
    require_callable("convert", report=report)
    check_target(target, codec)
    with GuideStore.open(source) as store:
        held = store.container
        whole = WholeStore(header=held.header, identity=held.identity(), parts=[store], seal=held.seal)
        return write_whole(target, whole, codec=codec, take_over=take_over, report=report)
