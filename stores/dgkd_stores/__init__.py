"""Guide stores without torch: read, check, write, mend, convert. Needs numpy; numcodecs for compressed chunks and HDF5.

`__init__.pyi` has the public names; each is loaded when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
