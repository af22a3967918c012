"""Stores made, mended and made over."""
