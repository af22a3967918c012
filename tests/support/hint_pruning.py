"""Hints of pruned runs: what provokes each."""

from __future__ import annotations

from support.shell import Case

PRUNING = [
    Case(
        "name some with --guides, or choose --criterion gradient or magnitude",
        "options",
        "prune student --sparsity 0.5",
        fill={"--guides": "--guides teacher", "--criterion": "--criterion magnitude"},
    ),
    Case(
        "raise distillation.lambda, or choose --criterion gradient",
        "options",
        "prune student --sparsity 0.5 --guides teacher",
        lambda shell: shell.edit({"distillation.lambda": 0.0}),
        fill={"--criterion": "--criterion gradient"},
    ),
]
