"""The compute device: precision, memory format, threads and how they wait."""
