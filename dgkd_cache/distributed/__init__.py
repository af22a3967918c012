"""The ranks of a job, and data-parallel training."""
