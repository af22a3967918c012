"""Compares variants over seeds: what is measured of a run, and the statistics of paired differences."""
