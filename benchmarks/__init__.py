"""Costs of guidance, views, stores and dumps, side by side with what they are held against.

`python -m benchmarks` runs all of them, `python -m benchmarks.NAME --help` one. They print and never assert.
"""

from __future__ import annotations

import os

from dgkd_cache.device.allocator import keep_freed_memory

# Before torch is loaded: threads that sleep while they wait take no processor time, which then tells the work alone.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
keep_freed_memory(os.environ)  # as the command line does
