"""Reads, checks, writes, repairs and converts guide stores without torch. Needs numpy and cachetools; numcodecs for
compression and HDF5.

`__init__.pyi` lists the public names; each is loaded when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
