"""The files of a run: read within limits and checked against their digests, without torch."""
