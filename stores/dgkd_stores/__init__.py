"""Reads, checks, writes, repairs and converts guide stores without torch.

Needs numpy, numcodecs, cachetools and lazy_loader. h5py is loaded to write HDF5 files and by `to_h5py`, zarr by
`to_zarr` and `to_xarray`, which also needs xarray.

`__init__.pyi` lists the public names; each is loaded when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
