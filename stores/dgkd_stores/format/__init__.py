"""What a store is made of: header, arrays and their layout, metadata, and the limits of each."""
