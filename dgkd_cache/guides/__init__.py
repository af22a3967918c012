"""The guides of a student: read from stores, or forwarded live."""
