"""Guides as they are written: the writer of a store, its header, and rows computed again."""
