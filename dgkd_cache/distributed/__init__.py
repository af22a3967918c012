"""Several processes: the ranks of a job, and training in parallel."""
