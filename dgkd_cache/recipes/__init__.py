"""Settings of published experiments, each with where it comes from."""
