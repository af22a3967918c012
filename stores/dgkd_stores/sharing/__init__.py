"""Sharing of stores between labs: transports and publication; signatures, keys and cards; parts, unions and differences."""
