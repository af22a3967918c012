"""The files of a run: read within bounds, held to their digests, without torch."""
