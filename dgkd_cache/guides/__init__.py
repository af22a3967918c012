"""The guides of a student: read from stores, or forwarded live.

`GuideStore` is that of `dgkd_stores`; it is here for the public names of `dgkd_cache`.
"""

from dgkd_stores import GuideStore

__all__ = ["GuideStore"]
