"""A place holds one guide: tells a store from another one at the same place, which is finished or begun."""

from __future__ import annotations

import functools

from dgkd_stores.disk.paths import names_hdf5, names_store
from dgkd_stores.errors import Mismatch
from dgkd_stores.sharing.inventory import ROOT
from dgkd_stores.sharing.parallel import Tally
from dgkd_stores.sharing.remote import Remote
from dgkd_stores.sharing.requests import attempt

__all__ = ["OTHER_PLACE", "is_finished", "require_place"]

OTHER_PLACE = "choose another place, or remove what is there; nothing of it was replaced"


def require_place(remote: Remote, name: str, tally: Tally) -> None:
    """Raises Mismatch if the place, which can be listed, has another store than `name` that it belongs to.

    That is any finished one. While none is, the place belongs to the one that was begun, and if there are several, to
    the first by name: two pushes that began at the same moment come to the same answer. It is asked before anything is
    sent, before the root, and after it, when each of two that finished at the same moment sees the other.
    """
    tops = attempt(tally, remote.tops, remote.address)
    assert tops is not None
    others = sorted(top for top in tops if names_store(top) and top != name)
    finished = bool(others) and name in tops and is_finished(remote, name, tally)
    for other in others:
        other_finished = is_finished(remote, other, tally)
        if other_finished or not (finished or (name in tops and name < other)):
            raise Mismatch(
                f"another guide lies at {remote.address}",
                expected=f"no store but {name}: a place holds one guide",
                found=other if other_finished else f"{other}, not finished",
                do=OTHER_PLACE,
            )


def is_finished(remote: Remote, name: str, tally: Tally) -> bool:
    """Returns True if the store that is there under this name has its root; an HDF5 file is one object."""
    root = f"{name}/{ROOT}"
    return names_hdf5(name) or bool(attempt(tally, functools.partial(remote.names, root), root))
