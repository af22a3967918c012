"""Guide stores without torch: read, check and write them with numpy and Zarr alone."""
