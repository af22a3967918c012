"""The report of a study: one HTML page without any other file, drawn from its results alone."""
