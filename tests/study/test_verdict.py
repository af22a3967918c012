"""The sentence of a study: whole sentences, written by hand from the figures that they are about."""

from __future__ import annotations

from typing import Any

import pytest

from dgkd_cache.study.results import make_results
from dgkd_cache.study.verdict import verdict_sentence

GUIDES = {"scratch": [], "kd": ["t"], "dgkd": ["t", "a"], "dgkd+drop": ["t", "a"], "shuffled": ["t", "a"]}
SCRATCH = [0.60, 0.62, 0.61, 0.63, 0.59]
GAINS = {
    "scratch": [0.0] * 5,
    "kd": [0.01, 0.01, 0.012, 0.008, 0.01],
    "dgkd": [0.02, 0.021, 0.019, 0.02, 0.02],
    "dgkd+drop": [0.01, -0.02, 0.03, 0.02, -0.01],
    "shuffled": [-0.1, -0.11, -0.1, -0.1, -0.1],
}


def record(run: str, top1: float, guides: list[str]) -> dict[str, Any]:
    cost = {"epochs": 2, "steps": 6, "trained_samples": 200, "guide_rows": 200 * len(guides), "dump_forwards": 1_000}
    test = {"top1": top1, "top5": None, "nll": 1.0, "ece": 0.1}
    return {"run": run, "test": test, "compute": {}, "guide_runs": guides, "cost": cost, "epochs": []}


def results(*names: str, seeds: int = 5, guides: str = "shared") -> dict[str, Any]:
    changes = {name: {"control": "shuffled"} if name == "shuffled" else {} for name in names}
    runs = {
        (name, seed): record(f"{name}-{seed}", SCRATCH[seed] + GAINS[name][seed], GUIDES[name])
        for name in names
        for seed in range(seeds)
    }
    others = [record("t", 0.9, []), record("a", 0.8, ["t"])]
    return {**make_results(changes, runs, seeds=range(seeds), reference=names[0], guides=guides, others=others)}


def test_it_helps() -> None:
    found = results("scratch", "kd", "dgkd", guides="per-seed")
    assert verdict_sentence(found) == (
        "Dense guidance helps the student: dgkd is 2.00 points of accuracy above scratch (95 % interval +1.91 to "
        "+2.09, adjusted p below 0.001, n = 5), for 14 epochs of training with its guides' (against 10) "
        "and 2,000 guide forwards."
    )


def test_the_dense_variant_may_be_the_reference() -> None:
    found = results("dgkd", "kd", "scratch")
    low, high = (-100 * found["comparisons"][0][key] for key in ("high", "low"))
    assert verdict_sentence(found).startswith(
        "Dense guidance from these guides helps the student: dgkd is 1.00 points of accuracy above kd (95 % interval "
        f"{low:+.2f} to {high:+.2f}, adjusted p below 0.001, n = 5) and 2.00 points of accuracy above scratch (95 % "
    )
    assert 0 < low < 1 < high
    harmed = verdict_sentence(results("shuffled", "scratch"))
    assert harmed.startswith("Dense guidance from these guides harms the student: shuffled is 10.20 points"), harmed


def test_two_dense_variants_say_nothing_of_helping() -> None:
    found = verdict_sentence(results("dgkd", "dgkd+drop"))
    begin = "No difference is shown: dgkd+drop is 1.40 points of accuracy below dgkd (95 % interval"
    assert found.startswith(begin), found
    assert "the student" not in found


def test_differences_of_variants_alike_say_what_is_shown() -> None:
    found = results("dgkd", "dgkd+drop", "shuffled")
    first, second = found["comparisons"]
    alike = {**found, "variants": {name: {**one, "changes": {}} for name, one in found["variants"].items()}}
    sentence = verdict_sentence(alike)
    assert sentence.startswith("shuffled is 12.20 points of accuracy below dgkd (95 % interval"), sentence
    second = {**second, "verdict": "inconclusive", "adjusted_p": 0.9}
    sentence = verdict_sentence({**alike, "comparisons": [{**first, "adjusted_p": 0.2}, second]})
    assert sentence.startswith("No difference is shown; that of the smallest p: dgkd+drop is 1.40 points"), sentence


def test_what_is_not_judged_comes_last() -> None:
    found = results("scratch", "dgkd+drop", "dgkd")
    first, second = found["comparisons"]
    lost = {**first, "verdict": "incomplete", "adjusted_p": None, "seeds": [], "mean": None, "low": None, "high": None}
    sentence = verdict_sentence({**found, "comparisons": [lost, second]})
    assert sentence.startswith("Dense guidance from these guides helps the student: dgkd is")
    assert sentence.endswith("; dgkd+drop against scratch is incomplete.")


def test_what_is_inconclusive_says_what_would_be_found() -> None:
    found = results("kd", "dgkd+drop", "shuffled")
    (one, _) = found["comparisons"]
    assert verdict_sentence(found) == (
        "Dense guidance from these guides is not shown to help or to harm the student: dgkd+drop is 0.40 points of "
        f"accuracy below kd (95 % interval {100 * one['low']:+.2f} to {100 * one['high']:+.2f}, "
        f"adjusted p {one['adjusted_p']:.3f}, n = 5, {100 * one['detectable']:.2f} would be found with 80 % power), "
        "for 14 epochs of training with its guides' (against 12) and 2,000 guide forwards (against 1,000)."
    ), "and the control is no answer to the question"


def test_a_spread_that_hides_everything() -> None:
    found = results("kd", "dgkd+drop")
    one = {**found["comparisons"][0], "detectable": 1.2}
    assert "n = 5, no difference would be found with 80 % power)" in verdict_sentence({**found, "comparisons": [one]})


def test_the_clearest_variant_is_told_first_and_the_others_follow() -> None:
    found = verdict_sentence(results("scratch", "dgkd+drop", "dgkd"))
    assert found.startswith("Dense guidance by dgkd from these guides helps the student: dgkd is 2.00 points")
    assert found.endswith("; dgkd+drop against scratch is inconclusive (+0.60).")


def test_of_many_others_those_with_a_verdict_are_named_and_the_rest_is_counted() -> None:
    found = results("scratch", "dgkd+drop", "dgkd")
    other, clearest = found["comparisons"]
    lower = {**other, "verdict": "lower", "mean": -0.01, "adjusted_p": 0.04}
    many = [clearest, other, lower, *[{**other, "verdict": "incomplete"}] * 3, other]
    assert verdict_sentence({**found, "comparisons": many}).endswith(
        " guide forwards; dgkd+drop against scratch is lower (-1.00), 2 other comparisons are inconclusive, 3 other "
        "comparisons are incomplete."
    )


def test_variants_of_one_verdict_are_not_told_apart() -> None:
    found = results("scratch", "dgkd+drop", "dgkd")
    for one in found["comparisons"]:
        one["verdict"] = "inconclusive"
    assert verdict_sentence(found).startswith("Dense guidance from these guides is not shown to help or to harm")


def test_two_references_have_a_verdict_each() -> None:
    found = results("scratch", "kd", "dgkd", guides="per-seed")
    of_dgkd = found["comparisons"][1]
    found["comparisons"].append({**of_dgkd, "reference": "kd", "mean": 0.01, "verdict": "inconclusive", "p": 0.5})
    text = verdict_sentence(found)
    assert text.startswith(
        "Dense guidance helps the student against scratch and is not shown to help or to harm the student against kd: "
        "dgkd is 2.00 points of accuracy above scratch ("
    )
    assert ") and 1.00 points of accuracy above kd (" in text


@pytest.mark.parametrize(("seeds", "begins"), [(1, "Exploratory (1 seed): Guidance"), (4, "Exploratory (4 seeds): Gu")])
def test_few_seeds_are_exploratory(seeds: int, begins: str) -> None:
    assert verdict_sentence(results("scratch", "kd", seeds=seeds)).startswith(begins)


def test_before_all_runs_are_finished_there_is_no_verdict() -> None:
    found = results("scratch", "kd")
    lacking = {**found["comparisons"][0], "verdict": "incomplete", "adjusted_p": None, "seeds": (0, 1, 2, 3, 4, 5)}
    text = verdict_sentence({**found, "comparisons": [lacking]})
    head = "Guidance from these guides cannot be judged before all runs are finished: kd is"
    assert text.startswith(f"{head} 1.00 points of accuracy above scratch (")
    without = {**lacking, "seeds": (), "mean": None, "low": None}
    assert verdict_sentence({**found, "comparisons": [without]}) == (
        f"{head} without a finished seed in common with scratch."
    )


def test_without_a_comparison_there_is_nothing_to_say() -> None:
    assert verdict_sentence(results("kd")) == "Nothing is compared with kd."
