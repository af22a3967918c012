"""`python -m dgkd_cli` is `dgkd-cache`."""

from __future__ import annotations

from dgkd_cli.main import entry

if __name__ == "__main__":
    entry()
