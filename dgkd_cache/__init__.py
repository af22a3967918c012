"""Offline, densely guided knowledge distillation: deterministic views, cached guides, dense guidance.

The names in `__init__.pyi` are the library's face for someone else's training script; each is loaded when it is first
used, so that importing the package alone loads no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
