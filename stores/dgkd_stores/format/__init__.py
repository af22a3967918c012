"""The parts of a store: header, arrays and their layout, metadata, and the limits of each."""
