"""Random numbers: Philox, and the words of one run."""
