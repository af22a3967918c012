"""The written dgkd.toml: another reader (tomllib) finds the same values in it."""

from __future__ import annotations

import tomllib

from hypothesis import given, settings, strategies as st

from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.config.template import render_config
from dgkd_cache.config.workspace_config import parse_config

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
places = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
"""Settings that name files or code: NUL is refused there (tests/cli/test_edges.py)."""
names = st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True).filter(lambda name: name not in TrainingConfig.model_fields)
settings_of_variants = texts | st.booleans() | st.integers(0, 9) | st.lists(st.floats(0.1, 1))
overrides = st.fixed_dictionaries({}, optional={"epochs": st.integers(1, 9), "nesterov": st.booleans()})


@settings(deadline=None)
@given(
    chain=st.dictionaries(names, places, min_size=1, max_size=4),
    dataset=places,
    root=st.none() | places,
    licence=texts,
    transforms=st.lists(places, min_size=1, max_size=3),
    lr=st.floats(1e-8, 1e6),
    temperature=st.none() | st.floats(0.01, 100),
    of_first=overrides,
    variants=st.dictionaries(texts, st.dictionaries(names, settings_of_variants, max_size=2), max_size=2),
    published=st.none() | st.tuples(st.floats(0.01, 100), places),
)
def test_what_is_written_reads_back(
    chain: dict[str, str],
    dataset: str,
    root: str | None,
    licence: str,
    transforms: list[str],
    lr: float,
    temperature: float | None,
    of_first: dict[str, object],
    variants: dict[str, dict[str, object]],
    published: tuple[float, str] | None,
) -> None:
    tables = {
        "dataset": {"name": dataset, "root": root},
        "views": {"transforms": transforms},
        "cache": {"licence": licence},
        "chain": chain,
        "training": {"lr": lr, next(iter(chain)): of_first},
        "distillation": {"temperature": temperature},
        "compare": {"variants": {name: changes for name, changes in variants.items() if "\0" not in name}},
    }
    if published:
        of = dict(zip(("accuracy", "source"), published, strict=True))
        tables["compare"]["published"] = dict.fromkeys(tables["compare"]["variants"], of)
    config = parse_config(tables, source="test")
    read = parse_config(tomllib.loads(render_config(config)), source="test")
    assert read == config
    assert list(read.chain) == list(chain)


def test_every_key_is_there_with_its_meaning() -> None:
    config = parse_config({"views": {"transforms": ["none"]}, "chain": {"student": "plain2"}}, source="test")
    lines = render_config(config).splitlines()
    for table in ("dataset", "views", "cache", "training", "distillation", "compare"):
        assert f"[{table}]" in lines
        for name, field in type(getattr(config, table)).model_fields.items():
            if name in ("variants", "published"):  # tables of their own
                assert ("# [compare.variants]" in lines, "[compare.published]" in lines) == (True, False)
                continue
            told = [line for line in lines if line.endswith(f"  # {field.description}")]
            assert any(line.removeprefix("# ").startswith(f"{field.alias or name} =") for line in told)
