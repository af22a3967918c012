"""dgkd.toml: what it may say, and how an error names file, table, key and the nearest known key."""

from __future__ import annotations

import tomllib
from copy import copy
from pathlib import Path

import pytest

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.config.workspace_config import (
    WorkspaceConfig,
    check_model_name,
    override,
    parse_config,
    read_config,
    with_overrides,
)
from dgkd_cache.errors import InvalidInput
from dgkd_stores.coding import encodings
from dgkd_stores.coding.encodings import registry

SMALL = """
[views]
transforms = ["crop(1)"]
[chain]
zeta = "plain6"
alpha = "plain4"
student = "plain2"
"""


def parsed(text: str) -> WorkspaceConfig:
    return parse_config(tomllib.loads(text), source="dgkd.toml")


def test_the_chain_keeps_the_order_of_the_file_and_the_rest_has_the_papers_defaults() -> None:
    config = parsed(SMALL)
    assert list(config.chain.items()) == [("zeta", "plain6"), ("alpha", "plain4"), ("student", "plain2")]
    assert config.dataset.name == "digits"
    assert (config.cache.temperature, config.cache.encoding) == (4.0, "float16")
    assert (config.distillation.method, config.distillation.keep) == ("dgkd", 0.75)
    assert config.views.transforms == ("crop(1)",)


def test_lambda_is_a_key_although_it_is_a_word_of_python() -> None:
    assert parsed(SMALL + "[distillation]\nlambda = 0.25").distillation.lambda_ == 0.25


def test_a_table_of_a_model_lies_over_the_recipe_of_all() -> None:
    config = parsed(SMALL + "[training]\nepochs = 7\nlr = 0.5\n[training.alpha]\nlr = 0.25")
    assert config.training_for("alpha") == TrainingConfig(epochs=7, lr=0.25)
    assert config.training_for("zeta") == TrainingConfig(epochs=7, lr=0.5)
    assert config.training_for("a-run-outside-the-chain") == TrainingConfig(epochs=7, lr=0.5)


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
        (SMALL + "[training]\nepochs = '3'", ["key 'epochs'", "[training]", "valid integer", "found '3'"]),
        (SMALL + "[training]\nepochs = true", ["key 'epochs'", "valid integer", "found True"]),
        (
            SMALL + "[training.student]\nepochs = 0",
            ["[training.student]", "or equal to 1", "found 0"],
        ),
        (
            SMALL + "[training]\nlr_steps = [0.5, 2.0]",
            ["key 'lr_steps'", "or equal to 1", "found 2.0"],
        ),
        (SMALL + f"[training]\nseed = {2**63 - 1}0", ["key 'seed'", "expected less than 2**63, found"]),
        (SMALL + "[training]\nselect = 'best'", ["key 'select'", "validation", "table [dataset]", "a tenth of"]),
        (SMALL + "[cache]\nencoding = 'int4'", ["key 'encoding'", "one of float16, float32", "found 'int4'"]),
        (SMALL + "[cache]\ntemperature = nan", ["key 'temperature'", "finite number", "found nan"]),
        (SMALL + "[distillation]\nlambda = 1.5", ["key 'lambda'", "less than or equal to 1", "found 1.5"]),
        (SMALL + "[distillation]\nalways = ['zetta']", ["always", "'zetta'", "did you mean 'zeta'"]),
        (SMALL.replace("alpha", '"Alpha!"'), ["[chain]", "a-z, 0-9, _ and -", "'Alpha!'"]),
        (SMALL.replace("alpha", "epochs"), ["[chain]", "no key of [training]", "'epochs'"]),
        (SMALL.replace('"plain4"', "4"), ["key 'alpha'", "[chain]", "valid string", "found 4"]),
        (
            SMALL + "[distillation]\ndropping = 'fixed'\nalways = ['zeta']",
            ["table [distillation]", 'no always and no at_least_one where dropping = "fixed"'],
        ),
        (SMALL + "[distillation]\ndropping = 'none'\nat_least_one = true", ['dropping = "none"']),
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


def test_flags_go_before_the_file_for_every_model() -> None:
    config = parsed(SMALL + "[training]\nepochs = 7\n[training.alpha]\nepochs = 9\nlr = 0.25")
    changed = with_overrides(config, {"training.epochs": 3, "distillation.lambda": 0.125, "dataset.root": "d"})
    assert [changed.training_for(name).epochs for name in config.chain] == [3, 3, 3]
    assert changed.training_for("alpha").lr == 0.25
    assert changed.distillation.lambda_ == 0.125
    assert changed.dataset.root == "d"
    assert config.training_for("alpha").epochs == 9, "the settings before are as they were"


def test_a_flag_for_one_model_leaves_the_others() -> None:
    changed = with_overrides(parsed(SMALL), {"training.alpha.epochs": 3})
    assert [changed.training_for(name).epochs for name in changed.chain] == [160, 3, 160]


def test_wrong_flags_are_refused_like_wrong_files() -> None:
    with pytest.raises(InvalidInput, match=r"'epochs' in table \[training\].*found 0"):
        with_overrides(parsed(SMALL), {"training.epochs": 0})
    with pytest.raises(InvalidInput, match=r"'keep' in table \[distillation\].*found 1.5"):
        override(DistillationConfig(), {"keep": 1.5}, name="distillation")


def test_an_override_of_none_keeps_what_is_there() -> None:
    table = DistillationConfig(keep=0.5, lambda_=0.25)
    assert override(table, {"keep": None, "lambda": None}, name="distillation") == table
    assert override(table, {"keep": 1.0}, name="distillation") == DistillationConfig(keep=1.0, lambda_=0.25)


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "dgkd.toml"
    path.write_text("[views\n")
    with pytest.raises(InvalidInput, match=r"dgkd.toml cannot be read: expected TOML.*line 1"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="expected UTF-8"):
        read_config(path)


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 65, "é"])
def test_names_that_could_not_be_folders_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="a-z, 0-9, _ and -"):
        check_model_name(name)


def test_names_of_any_chain_are_taken() -> None:
    for name in ("teacher", "ta7", "student", "kd-seed_1", "a" * 64):
        assert check_model_name(name) == name


def test_an_encoding_that_is_added_as_contributing_says_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = page.split("**An encoding**", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    assert sum(bool(line.strip()) for line in recipe.splitlines()) < 10
    monkeypatch.setattr(registry, "ENCODINGS", copy(registry.ENCODINGS))
    exec(recipe, {**vars(encodings)})
    assert parsed(SMALL + "[cache]\nencoding = 'float64'").cache.encoding == "float64"
    monkeypatch.undo()
    with pytest.raises(InvalidInput, match="key 'encoding'"):
        parsed(SMALL + "[cache]\nencoding = 'float64'")


def test_nesterov_needs_momentum() -> None:
    for recipe, fits in (("nesterov = true\nmomentum = 0", False), ("nesterov = true", True), ("momentum = 0", True)):
        text = f"{SMALL}[training]\n{recipe}\n"
        if fits:
            assert parsed(text).training.momentum in (0, 0.9)
            continue
        with pytest.raises(InvalidInput, match="table .training. .*no nesterov where momentum = 0"):
            parsed(text)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "dgkd.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert read_config(path) == parse_config(tomllib.loads(SMALL), source="the same without it")


@pytest.mark.parametrize("count", [10**17, 2**20 + 1])
def test_more_views_than_a_store_may_have_are_refused_at_once(count: int) -> None:
    with pytest.raises(InvalidInput, match="'count' in table .views.*less than or equal to 1048576") as refused:
        parse_config({**tomllib.loads(SMALL), "views": {"transforms": ["hflip"], "count": count}}, source="dgkd.toml")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("part", ["a", '"a b"', "'a.b' "])
@pytest.mark.parametrize("table", [True, False])
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch, part: str, table: bool
) -> None:
    key, path = ".".join([part] * 5000), tmp_path / "dgkd.toml"
    path.write_text(f"{SMALL}[{key}]\n" if table else f"{SMALL}{key} = 1\n")
    monkeypatch.setattr(tomllib, "loads", lambda _: pytest.fail("parsed"))
    with pytest.raises(InvalidInput, match="at most 8 tables within one another"):
        read_config(path)


def test_dots_in_values_are_no_parts_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "dgkd.toml"
    path.write_text(f'[dataset]\nname = "folder:{"../" * 300}{"a.b/" * 300}{"v1." * 50}x" # {"... " * 300}{SMALL}')
    assert read_config(path).dataset.name.endswith("v1.x")
