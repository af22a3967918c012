"""Reads rows of a store, each checked before it is returned."""
