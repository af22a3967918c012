"""Loggers that mirror the metrics of a run: TensorBoard and Weights & Biases, each an extra and a file of its own."""

from dgkd_cache.training.loggers.mirror import LoggedRun, Logger, Mirror
from dgkd_cache.training.loggers.registry import LOGGERS, open_mirror, require_loggers

__all__ = ["LOGGERS", "LoggedRun", "Logger", "Mirror", "open_mirror", "require_loggers"]
