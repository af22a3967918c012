"""Finds the damage of a store, and proves that the rest is undamaged."""
