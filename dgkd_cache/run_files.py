"""The names of files in a run's folder that more than one place must know. Loads no torch."""

from __future__ import annotations

__all__ = ["CARD_FILE", "DUMP_SECONDS_FILE"]

CARD_FILE = "card.json"
"""The last file of a run: a folder with a card holds a finished model."""

DUMP_SECONDS_FILE = "dump_seconds.txt"
"""How long its dumps took."""
