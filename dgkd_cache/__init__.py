"""Offline, densely guided knowledge distillation: deterministic views, cached guides, dense guidance.

The names in `__init__.pyi` are the public API. Each is loaded when it is first used, so importing the package loads no
torch. `__version__` is that of the installed distribution.
"""

import lazy_loader

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # it takes 20 ms, which only those pay who ask

        return version("dgkd-cache")
    return _load(name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
