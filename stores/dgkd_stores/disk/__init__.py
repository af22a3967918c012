"""Durable files, the paths of stores, and locks of writers. Public."""

from dgkd_stores.disk.expiry import PATIENCE as PATIENCE, LeaseWatch as LeaseWatch
from dgkd_stores.disk.files import (
    Partial as Partial,
    create_durably as create_durably,
    discard_file as discard_file,
    fill as fill,
    make_folder as make_folder,
    partial_of as partial_of,
    partials as partials,
    plain_file as plain_file,
    publish_new as publish_new,
    refuse_in_the_way as refuse_in_the_way,
    sweep_partials as sweep_partials,
    sync_folder as sync_folder,
    write_durably as write_durably,
    write_synced as write_synced,
)
from dgkd_stores.disk.folder_lock import Stop as Stop, folder_lock as folder_lock, never as never
from dgkd_stores.disk.leases import RENEWAL as RENEWAL, renewing as renewing
from dgkd_stores.disk.locks import ALL_VIEWS as ALL_VIEWS, Lock as Lock, ViewLock as ViewLock, sweep as sweep
from dgkd_stores.disk.owner import Owner as Owner
from dgkd_stores.disk.paths import (
    as_store_path as as_store_path,
    expand_user as expand_user,
    names_store as names_store,
)
from dgkd_stores.disk.refusals import explain_permission_errors as explain_permission_errors, full_disk as full_disk
