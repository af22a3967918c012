"""The values of options: what the library knows is what the command line offers."""

from __future__ import annotations

import click
import pytest

from dgkd_cli.choices import list_option, log_option, loggers
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


@pytest.mark.parametrize(("words", "value"), [([], None), (["--given", "a,b"], "a,b"), (["--given", ""], "")])
def test_a_list_is_one_value(words: list[str], value: str | None) -> None:
    found: list[str | None] = []

    @click.command()
    @list_option("--given", help="Values.")
    def verb(given: str | None) -> None:
        found.append(given)

    verb.main(words, standalone_mode=False)
    assert found == [value]
    with pytest.raises(click.BadParameter, match="given 2 times: name all of them once, as in a,b,c"):
        verb.main(["--given", "a,b", "--given", "c"], standalone_mode=False)


def test_loggers_are_a_list_of_those_that_the_library_has() -> None:
    from dgkd_cache.training.loggers import LOGGERS

    @click.command()
    @log_option
    def verb(log: str | None) -> None:
        found.append(loggers(log))

    found: list[tuple[str, ...]] = []
    for words in ([], ["--log", "wandb"], ["--log", "tensorboard, wandb"]):
        verb.main(words, standalone_mode=False)
    assert found == [(), ("wandb",), ("tensorboard", "wandb")]
    (option,) = verb.params
    assert {one.value for one in option.shell_complete(click.Context(verb), "")} == set(LOGGERS)
    assert [one.value for one in option.shell_complete(click.Context(verb), "wandb,t")] == ["wandb,tensorboard"]
