"""A workspace: a folder with a `dgkd.toml`, runs and guide stores."""
