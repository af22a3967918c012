"""A wrong setting is told with its file, table, key and the nearest known key."""

from __future__ import annotations

import pytest
from support.small_config import SMALL, parsed

from dgkd_cache.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[veiws]", ["table 'veiws'", "dgkd.toml", "did you mean 'views'"]),
        ("[training_models]", ["table 'training_models'", "did you mean 'training'"]),
        (
            SMALL + "[training]\nepocs = 3",
            ["key 'epocs' in table [training] of dgkd.toml", "did you mean 'epochs'"],
        ),
        (SMALL + "[training.student]\nepocs = 3", ["table [training.student]", "did you mean 'epochs'"]),
        (SMALL + "[training.studnt]\nepochs = 3", ["key 'studnt'", "[training]", "did you mean 'student'"]),
        (SMALL + "[distillation]\nlamda = 1", ["key 'lamda'", "[distillation]", "did you mean 'lambda'"]),
        (SMALL + "[training]\nepochs = '3'", ["key 'epochs'", "[training]", "valid integer", 'found "3"']),
        (SMALL + "[training]\nnesterov = 1", ["key 'nesterov'", "expected true or false, found 1"]),
        (SMALL + "[training]\nchannels_last = 'x'", ["channels_last", 'expected "auto", true or false, found "x"']),
        (SMALL + "[training]\nlr_steps = 0.5", ["key 'lr_steps'", "expected a list, as [0.5], found 0.5"]),
        (SMALL + "[distillation]\nalways = 'zeta'", ["'always'", 'expected a list, as ["zeta"], found "zeta"']),
        (SMALL + "[distillation]\nalways = {a = 1}", ["'always'", "expected a list, found a table"]),
        (SMALL + "[training]\nepochs = true", ["key 'epochs'", "valid integer", "found true"]),
        (
            SMALL + "[training.student]\nepochs = 0",
            ["[training.student]", "at least 1", "found 0"],
        ),
        (
            SMALL + "[training]\nlr_steps = [0.5, 2.0]",
            ["key 'lr_steps'", "at most 1", "found 2.0"],
        ),
        (SMALL + f"[training]\nseed = {2**63 - 1}0", ["key 'seed'", "expected less than 2**63, found"]),
        (SMALL + "[training]\nselect = 'best'", ["key 'select'", "validation", "table [dataset]", "a tenth of"]),
        (SMALL + "[cache]\nencoding = 'int4'", ["key 'encoding'", "one of factored, float16, float32", 'found "int4"']),
        (SMALL + "[cache]\nencoding = 'topk'", ["topk, the number of logits in a row", 'with encoding = "topk"']),
        (SMALL + "[cache]\ntopk = 0", ["key 'topk'", "found 0"]),
        (
            SMALL + "[cache]\nencoding = 'uint8'\ntopk = 20",
            ["table [cache]", 'no topk where encoding = "uint8": it is for "topk"', "contradict", "change one of them"],
        ),
        (SMALL + "[cache]\ntopk_temperatures = [2.0]", ['no topk_temperatures where encoding = "float16"']),
        (SMALL + "[cache]\ntopk_temperatures = [0.0]", ["topk_temperatures", "found 0"]),
        (SMALL + "[cache]\ntemperature = nan", ["key 'temperature'", "finite number", "found nan"]),
        (SMALL + "[distillation]\nlambda = 1.5", ["key 'lambda'", "at most 1", "found 1.5"]),
        (SMALL + "[distillation]\nalways = ['zetta']", ["always", "'zetta'", "did you mean 'zeta'"]),
        (SMALL.replace("alpha", '"Alpha!"'), ["[chain]", "a-z, 0-9, _ and -", "'Alpha!'"]),
        (SMALL.replace("alpha", "epochs"), ["[chain]", "no key of [training]", "'epochs'"]),
        (SMALL.replace('"plain4"', "4"), ["key 'alpha'", "[chain]", "valid string", "found 4"]),
        (
            SMALL + "[distillation]\ndropping = 'fixed'\nalways = ['zeta']",
            ["table [distillation]", 'no always where dropping = "fixed"'],
        ),
        (SMALL + "[distillation]\ndropping = 'none'\nat_least_one = true", ['no at_least_one where dropping = "none"']),
        (
            SMALL + "[distillation]\npercentile = 90",
            ["table [distillation]", 'no percentile where weights = "equal"'],
        ),
        (SMALL + "[distillation]\nweights = 'student'\npercentile = 101", ["'percentile'", "at most 100", "found 101"]),
        ("chain = 3\n[views]\ntransforms = ['none']", ["'chain'", "expected a table", "found 3"]),
        ("[views]\ntransforms = ['none']\n[chain]", ["'chain'", "at least 1 entry"]),
        ("[chain]\nstudent = 'plain2'", ["dgkd.toml lacks table 'views'"]),
        ("[views]\n[chain]\nstudent = 'plain2'", ["table [views] of dgkd.toml lacks key 'transforms'"]),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(text: str, words: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed(text)
    assert refused.value.exit_code == 2
    for word in words:
        assert word in str(refused.value)


def test_several_errors_are_counted() -> None:
    with pytest.raises(InvalidInput, match=r"'epocs'.*and 1 more to mend"):
        parsed(SMALL + "[training]\nepocs = 3\nlr = -1")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("epochs", "-1", "at least 1, found -1"),
        ("lr", "0.0", "more than 0, found 0.0"),
        ("momentum", "1.0", "less than 1, found 1.0"),
        ("lr_gamma", "1.5", "at most 1, found 1.5"),
        ("lr_steps", "[0.5, 1.5]", "at most 1, found 1.5"),
    ],
)
def test_bounds_are_in_short_words(key: str, value: str, expected: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed(f"{SMALL}[training]\n{key} = {value}")
    assert f"key {key!r} in table [training] of" in str(refused.value)
    assert str(refused.value).endswith(f"is wrong: expected {expected}")
