"""Offline, densely guided knowledge distillation: deterministic views, cached guides, dense guidance.

The names in `__init__.pyi` are the public API. Each is loaded when it is first used, so importing the package loads no
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
