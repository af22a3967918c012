"""Durable files, the paths of stores, and locks of writers. Public."""

from dgkd_stores.disk.files import (
    fill,
    full_disk,
    make_folder,
    partial_of,
    partials,
    plain_file,
    publish_new,
    refuse_in_the_way,
    sweep_partials,
    sync_folder,
    write_durably,
    write_synced,
)
from dgkd_stores.disk.folder_lock import Stop, never
from dgkd_stores.disk.locks import ALL_VIEWS, Lock, ViewLock, sweep
from dgkd_stores.disk.owner import Owner
from dgkd_stores.disk.paths import as_store_path, expand_user

__all__ = [
    "ALL_VIEWS",
    "Lock",
    "Owner",
    "Stop",
    "ViewLock",
    "as_store_path",
    "expand_user",
    "fill",
    "full_disk",
    "make_folder",
    "never",
    "partial_of",
    "partials",
    "plain_file",
    "publish_new",
    "refuse_in_the_way",
    "sweep",
    "sweep_partials",
    "sync_folder",
    "write_durably",
    "write_synced",
]
