"""Writes, repairs and converts stores."""
