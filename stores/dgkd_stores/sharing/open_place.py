"""Opens the place at an address, with the transport of its scheme."""

from __future__ import annotations

from dgkd_stores.sharing.address import Address
from dgkd_stores.sharing.folder import Folder
from dgkd_stores.sharing.hub import open_hub
from dgkd_stores.sharing.object_storage import open_object_storage
from dgkd_stores.sharing.remote import Remote

__all__ = ["open_place"]


def open_place(address: Address, *, take_over: bool = False) -> Remote:
    """Returns the place at an address; sends no request.

    `take_over` is that of `Lock`, for a folder that is published in.

    Raises InvalidInput if the address, the settings of its service, or the installed packages do not permit it.
    """
    if address.scheme == "file":
        return Folder(address.folder, take_over=take_over)
    return open_hub(address) if address.scheme == "hf" else open_object_storage(address)
