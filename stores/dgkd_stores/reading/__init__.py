"""Rows out of a store, each proven before it is given out."""
