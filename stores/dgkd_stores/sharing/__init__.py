"""Sharing of stores between labs: signatures, keys and cards; parts, unions and differences. Loads no torch."""
