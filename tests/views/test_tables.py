"""The parameters of arbitrary pairs: those of the plan, in any order, and within the bytes that are allowed."""

from __future__ import annotations

import pickle
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.tables import ParameterTables

PLAN = ViewPlan.build(image=(3, 8, 8), transforms=["crop(2)", "hflip"])
SAMPLES, TABLE = 500, 500 * 3
"""A view's table: three parameters of a byte for each sample."""


@pytest.fixture(scope="module")
def pairs() -> tuple[Any, Any, Any]:
    """2000 pairs over five views, and their parameters, one by one from the plan."""
    random = np.random.Generator(np.random.PCG64(1))
    views_B, samples_B = random.integers(0, 5, 2000), random.integers(0, SAMPLES, 2000)
    rows = [PLAN.parameters(v, s, s + 1)[0] for v, s in zip(views_B.tolist(), samples_B.tolist(), strict=True)]
    return views_B, samples_B, np.stack(rows)


@pytest.mark.parametrize("limit", [0, TABLE - 1, TABLE, 4000, 10**6])
@pytest.mark.parametrize("size", [1, 7, 2000])
def test_rows_are_the_plans_and_tables_stay_within_their_bytes(pairs: Any, limit: int, size: int) -> None:
    views_B, samples_B, expected_BP = pairs
    tables = ParameterTables(PLAN, SAMPLES, limit)
    for start in range(0, 2000, size):
        some = slice(start, start + size)
        assert np.array_equal(tables.rows(views_B[some], samples_B[some]), expected_BP[some])
        assert tables.nbytes <= limit and tables.nbytes % TABLE == 0
    assert tables.nbytes == min(5, limit // TABLE) * TABLE, "as many tables as there is room for"


def test_a_view_that_is_asked_for_often_is_made_once() -> None:
    tables = ParameterTables(PLAN, SAMPLES)
    with patch.object(ViewPlan, "parameters", autospec=True, side_effect=ViewPlan.parameters) as asked:
        for sample in range(SAMPLES):
            tables.rows(np.array([3]), np.array([sample]))
    singly = SAMPLES // 100 - 1
    assert asked.call_count == singly + 1, "each of the first rows by itself, and then the whole view"


def test_an_enumerated_plan_needs_no_table_and_a_copy_takes_none_along() -> None:
    plan = ViewPlan.build(image=(3, 8, 8), transforms=["crop(2)", "hflip"], scheme="enumerated")
    tables = ParameterTables(plan, SAMPLES)
    assert np.array_equal(tables.rows(np.arange(50), np.zeros(50, np.int64)), plan.outcome_parameters(np.arange(50)))
    assert tables.nbytes == 0
    full = ParameterTables(PLAN, SAMPLES)
    full.rows(np.zeros(SAMPLES, np.int64), np.arange(SAMPLES))
    assert (full.nbytes, pickle.loads(pickle.dumps(full)).nbytes) == (TABLE, 0)


def test_no_pairs_have_no_rows() -> None:
    assert ParameterTables(PLAN, SAMPLES).rows(np.empty(0, np.int64), np.empty(0, np.int64)).shape == (0, 3)
