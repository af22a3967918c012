"""A workspace: a folder with a `dgkd.toml`, and the runs and guide stores that lie under it."""
