"""The damage of a store, and the proof that the rest is whole."""
