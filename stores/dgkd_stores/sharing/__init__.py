"""Sharing of stores between labs: push and pull; signatures, keys and cards; parts, unions and differences."""
