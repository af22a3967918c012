"""The verdict of a study in one sentence: does the guidance help, by how much, and at what cost?

It is a pure function of the results, so that results.json, the command line and the report say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["verdict_sentence"]

_Comparison = Mapping[str, Any]

_DOES = {
    "higher": "helps the student",
    "lower": "harms the student",
    "inconclusive": "is not shown to help or to harm the student",
    "incomplete": "cannot be judged before all runs are finished",
}

_OPPOSITE = {"higher": "lower", "lower": "higher"}
_NEGATED = {"mean": "mean", "low": "high", "high": "low"}


def verdict_sentence(results: Mapping[str, Any]) -> str:
    """Returns what a study says of dense guidance: whether it helps, the difference with its interval, and the cost.

    `results` are those of `make_results`, whose `verdict` this is. Dense variants have at least two guides and are
    compared with variants that have fewer, whichever of the two is the reference; without any such comparison, the
    sentence is about guidance at all, and else about how variants differ. Of several variants it is about the one with
    the smallest adjusted p, which is named where the verdicts of others are not the same. The others follow: those with
    a verdict by name, those without one as a number where there are several.
    """
    subject, asked = _asked(results)
    if not asked:
        return f"Nothing is compared with {results['reference']}."
    name = min(asked, key=_by_p)["variant"]
    about = [one for one in asked if one["variant"] == name]
    others = [one for one in asked if one["variant"] != name]
    verdicts = {one["verdict"] for one in asked} - {"incomplete"}
    by = f" by {name}" if others and len(verdicts) > 1 else ""
    from_these = " from these guides" if results["guides"] == "shared" and _guides(results, name) else ""
    if subject:
        sentence = f"{subject}{by}{from_these} {_does(about)}: {_differences(about)}{_cost(results, about[0])}"
    else:
        # The one with the smallest p comes first: where it is inconclusive, so are all.
        shown = ""
        if all(one["verdict"] == "inconclusive" for one in about):
            shown = "No difference is shown" + ("; that of the smallest p: " if len(asked) > len(about) else ": ")
        sentence = f"{shown}{_differences(about)}{_cost(results, about[0])}"
    if others:
        sentence += f"; {', '.join(_in_short(others))}"
    if about[0]["exploratory"] and (seeds := len(about[0]["seeds"])):
        return f"Exploratory ({seeds} seed{'s' if seeds > 1 else ''}): {sentence}."
    return f"{sentence}."


def _by_p(one: _Comparison) -> tuple[bool, float]:
    """Sorts by adjusted p, and what is not judged after all that is."""
    return one["verdict"] == "incomplete", 1.0 if one["adjusted_p"] is None else one["adjusted_p"]


def _asked(results: Mapping[str, Any]) -> tuple[str, Sequence[_Comparison]]:
    """Returns what the question is about, and the comparisons that answer it, each of what has more guides with what
    has fewer; a control answers another question, and so do students of other sparsities."""
    changes = {name: variant["changes"] for name, variant in results["variants"].items()}
    made = [one for one in results["comparisons"] if "control" not in changes[one["variant"]]]
    alike = [one for one in made if _pruned(changes[one["variant"]]) == _pruned(changes[one["reference"]])]
    for subject, least in (("Dense guidance", 2), ("Guidance", 1)):
        found = []
        for one in alike:
            mine, theirs = (_guides(results, one[key]) >= least for key in ("variant", "reference"))
            if mine != theirs:
                found.append(one if mine else _turned(one))
        if found:
            return subject, found
    return "", made


def _pruned(changes: Mapping[str, Any]) -> tuple[Any, Any]:
    """Returns of what a variant is pruned, and how much; (None, None) for one that is not."""
    return changes.get("prunes"), changes.get("sparsity")


def _turned(one: _Comparison) -> _Comparison:
    """Returns a comparison seen from its reference."""
    turned = {"variant": one["reference"], "reference": one["variant"]}
    turned |= {key: None if one[of] is None else -one[of] for key, of in _NEGATED.items()}
    return {**one, **turned, "verdict": _OPPOSITE.get(one["verdict"], one["verdict"])}


def _guides(results: Mapping[str, Any], variant: str) -> int:
    """Returns how many guides the student of a variant has; 0 while none of its runs is finished."""
    runs = results["variants"][variant]["runs"].values()
    return max((len(results["runs"][run]["guide_runs"]) for run in runs), default=0)


def _does(comparisons: Sequence[_Comparison]) -> str:
    if len({one["verdict"] for one in comparisons}) == 1:
        return _DOES[comparisons[0]["verdict"]]
    return " and ".join(f"{_DOES[one['verdict']]} against {one['reference']}" for one in comparisons)


def _differences(comparisons: Sequence[_Comparison]) -> str:
    return f"{comparisons[0]['variant']} is " + " and ".join(map(_difference, comparisons))


def _difference(one: _Comparison) -> str:
    """Returns a difference with its interval, and, if it is inconclusive, which one would have been found."""
    if not one["seeds"]:
        return f"without a finished seed in common with {one['reference']}"
    facts = [f"n = {len(one['seeds'])}"]
    if one["adjusted_p"] is not None:
        p = "below 0.001" if one["adjusted_p"] < 0.001 else f"{one['adjusted_p']:.3f}"
        facts.insert(0, f"adjusted p {p}")
    if one["low"] is not None:
        facts.insert(0, f"95 % interval {100 * one['low']:+.2f} to {100 * one['high']:+.2f}")
    if one["verdict"] == "inconclusive" and one["detectable"] is not None:
        least = f"{100 * one['detectable']:.2f}" if one["detectable"] < 1 else "no difference"
        facts.append(f"{least} would be found with 80 % power")
    side = "above" if one["mean"] >= 0 else "below"
    return f"{100 * abs(one['mean']):.2f} points of accuracy {side} {one['reference']} ({', '.join(facts)})"


def _cost(results: Mapping[str, Any], one: _Comparison) -> str:
    """Returns the epochs that a variant took, with those of its guides, beside its reference's, and guide forwards."""
    mine, theirs = (results["variants"][one[key]]["cost"] for key in ("variant", "reference"))
    epochs, other = (cost["epochs"] + cost["guides_epochs"] for cost in (mine, theirs))
    if not one["seeds"] or not mine["guide_forwards"]:
        return ""
    forwards = f"{mine['guide_forwards']:,} guide forwards"
    if theirs["guide_forwards"]:
        forwards += f" (against {theirs['guide_forwards']:,})"
    return f", for {epochs:,} epochs of training with its guides' (against {other:,}) and {forwards}"


def _in_short(others: Sequence[_Comparison]) -> Iterator[str]:
    """Yields each verdict; comparisons without one are counted, because a large study has dozens of them."""
    unjudged = ("inconclusive", "incomplete")
    yield from (_named(one) for one in others if one["verdict"] not in unjudged)
    for verdict in unjudged:
        found = [one for one in others if one["verdict"] == verdict]
        if len(found) > 1:
            yield f"{len(found)} other comparisons are {verdict}"
        else:
            yield from map(_named, found)


def _named(one: _Comparison) -> str:
    difference = f" ({100 * one['mean']:+.2f})" if one["seeds"] else ""
    return f"{one['variant']} against {one['reference']} is {one['verdict']}{difference}"
