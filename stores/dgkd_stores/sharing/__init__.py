"""Sharing of stores between labs: signatures, trusted keys and cards. Loads no torch."""
