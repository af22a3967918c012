"""The training loop: deterministic, resumable at any step, the same with cached guides, live guides or none."""
