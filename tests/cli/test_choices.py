"""The values of options: what the library knows is what the command line offers."""

from __future__ import annotations

import click

from dgkd_cli.main import main


def test_options_offer_what_the_library_knows() -> None:
    from dgkd_cache.distillation.methods import method_names
    from dgkd_cache.distillation.objectives import objective_names
    from dgkd_stores import encoding_names

    known = {
        "method": method_names(),
        "objective": objective_names(),
        "encoding": encoding_names(),
        "scheme": ("sampled", "enumerated"),
        "schedule": ("cycle", "draw"),
        "dropping": ("bernoulli", "fixed", "none"),
        "precision": ("auto", "float32", "bf16"),
    }
    offered = {
        (verb, one.name): one.type.choices
        for verb, command in main.commands.items()
        for one in command.params
        if isinstance(one.type, click.Choice) and one.name in known
    }
    assert len(offered) == 10
    for (_, name), choices in offered.items():
        assert sorted(choices) == sorted(known[name])
