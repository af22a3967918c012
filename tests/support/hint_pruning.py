"""Hints of pruned runs: what provokes each."""

from __future__ import annotations

from support.shell import Case

PRUNING = [
    Case(
        'set criterion = "gradient" or criterion = "magnitude" in [pruning]',
        "settings",
        "run",
        lambda shell: shell.edit({"chain.student": "pruned:teacher@0.5", "distillation.method": "scratch"}),
        bare=True,
    ),
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
