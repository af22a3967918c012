"""Guides as a student meets them: read from stores, forwarded live, or written for later."""
