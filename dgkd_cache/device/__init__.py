"""The machine that computes: device, precision, memory format, threads and how they wait."""
