"""The settings of a workspace: the tables of dgkd.toml, the file, its template and its errors."""
