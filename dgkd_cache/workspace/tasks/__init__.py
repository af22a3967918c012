"""The tasks of a workspace, one per file: train or prune a model, dump a guide, repair its store, evaluate, plan.

Each can be stopped at any moment and run again, and does not change a finished result.
"""

from __future__ import annotations

from dgkd_cache.workspace.tasks.dump import DumpResult, dump_draws, dump_guide, dump_seconds
from dgkd_cache.workspace.tasks.estimate import plan_chain
from dgkd_cache.workspace.tasks.evaluate import evaluate_model
from dgkd_cache.workspace.tasks.prune import prune_model
from dgkd_cache.workspace.tasks.recompute import Recomputed, recompute_rows
from dgkd_cache.workspace.tasks.repair import RepairResult, repair_store
from dgkd_cache.workspace.tasks.run_setup import TrainRequest
from dgkd_cache.workspace.tasks.train import train_model

__all__ = [
    "DumpResult",
    "Recomputed",
    "RepairResult",
    "TrainRequest",
    "dump_draws",
    "dump_guide",
    "dump_seconds",
    "evaluate_model",
    "plan_chain",
    "prune_model",
    "recompute_rows",
    "repair_store",
    "train_model",
]
