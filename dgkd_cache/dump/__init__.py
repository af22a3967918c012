"""Writes guides: the writer of a store, its header, and rows computed again."""
