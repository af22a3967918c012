"""The figures that docs/study tells are those of its records, computed here from the records by another way."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from dgkd_cache.study.results import make_results

STUDY = Path(__file__).parents[2] / "docs" / "study"
TOLD = (STUDY / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| ([^|]+) \| (\d+\.\d\d ± \d+\.\d\d) \| (\d+\.\d\d ± \d+\.\d\d) \|")
SWEEP = next(part for part in TOLD.split("\n## ") if "(sweep/report.html)" in part)
CELLS = {cell: (held, test) for cell, held, test in ROW.findall(SWEEP)}


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


RESULTS = load(STUDY / "sweep/results.json")
FINISHED = [folder.parent.name for folder in sorted(STUDY.glob("*/results.json")) if folder.parent.name != "sweep"]
METHODS = [name for name in FINISHED if "dgkd+drop" in load(STUDY / name / "results.json")["variants"]]
"""The comparisons of the five methods."""
SPARSITIES = ("0.5", "0.8", "0.9", "0.95")


def of_cell(cell: str) -> list[dict[str, Any]]:
    """Returns the last epochs in the records of a cell's runs."""
    runs = RESULTS["variants"][cell]["runs"]
    return [load(STUDY / f"sweep/records/{run}.json")["epochs"][-1] for run in runs.values()]


def test_every_cell_of_the_sweep_is_told() -> None:
    assert set(CELLS) == set(RESULTS["variants"])
    assert len(CELLS) == 12


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_of_the_sweep(cell: str) -> None:
    epochs = of_cell(cell)
    assert len(epochs) == 3
    for key, told in zip(("validation_accuracy", "test_accuracy"), CELLS[cell], strict=True):
        percent = [100 * epoch[key] for epoch in epochs]
        assert told == f"{statistics.mean(percent):.2f} ± {statistics.stdev(percent):.2f}"


def test_nothing_in_the_sweep_is_conclusive_and_two_cells_fail() -> None:
    assert all(comparison["adjusted_p"] >= 0.05 for comparison in RESULTS["comparisons"])
    lowest = {cell: min(epoch["test_accuracy"] for epoch in of_cell(cell)) for cell in CELLS}
    highest = {cell: max(epoch["test_accuracy"] for epoch in of_cell(cell)) for cell in CELLS}
    failed = {"objective paper", "lr 0.1"}
    worst = max(highest[cell] for cell in failed)
    assert worst + 0.15 < lowest["base"], "15 points or more below the base"
    assert worst < min(low for cell, low in lowest.items() if cell not in failed)


def test_no_setting_of_the_sweep_is_conclusive_on_the_held_out_samples() -> None:
    held = {cell: [100 * epoch["validation_accuracy"] for epoch in of_cell(cell)] for cell in CELLS}
    cells = [cell for cell in CELLS if cell != "base"]
    p = [float(stats.ttest_rel(held[cell], held["base"]).pvalue) for cell in cells]
    assert min(multipletests(p, method="holm")[1]) >= 0.05
    above = {cell: statistics.mean(held[cell]) - statistics.mean(held["base"]) for cell in cells}
    told = {cell: f"{points:.1f}" for cell, points in above.items() if points > 0}
    assert told == {"lambda 0.75": "0.4", "temperature 2": "0.2", "keep 1": "0.3"}


@pytest.mark.parametrize("path", sorted(STUDY.glob("*/results.json")), ids=lambda path: path.parent.name)
def test_the_results_are_those_of_the_records_alone(path: Path) -> None:
    """Byte for byte, as on a machine that has nothing of the study but its records and settings."""
    told = load(path)
    records = {record.stem: load(record) for record in path.parent.glob("records/*.json")}
    of_seed = {(name, int(seed)): run for name, one in told["variants"].items() for seed, run in one["runs"].items()}
    made = make_results(
        {name: one["changes"] for name, one in told["variants"].items()},
        {key: records[run] for key, run in of_seed.items()},
        seeds=told["seeds"],
        reference=told["reference"],
        pairs=[(one["variant"], one["reference"]) for one in told["comparisons"]],
        guides=told["guides"],
        protocol=told["protocol"],
        others=[records[run] for run in sorted(set(records) - set(of_seed.values()))],
    )
    assert json.dumps(made, sort_keys=True, indent=1) + "\n" == path.read_text(encoding="utf-8")


class Study:
    """A finished comparison of methods: its measures, read from the records of its runs."""

    def __init__(self, name: str) -> None:
        self.folder = STUDY / name
        self.results = load(self.folder / "results.json")
        # The part of the page that tells this comparison.
        self.told = next(part for part in TOLD.split("\n## ") if f"({name}/report.html)" in part)

    def of(self, variant: str, measure: str) -> list[float]:
        """Returns a measure of a variant's runs on test, in the order of the seeds."""
        runs = self.results["variants"][variant]["runs"]
        records = [load(self.folder / f"records/{runs[seed]}.json") for seed in sorted(runs, key=int)]
        return [record["test"][measure] for record in records]

    def spread(self, variant: str, measure: str, digits: int, factor: float = 1.0) -> str:
        values = [factor * value for value in self.of(variant, measure)]
        return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


@pytest.mark.parametrize("name", [*METHODS, "draws"])
def test_the_variants_of_a_study(name: str) -> None:
    study = Study(name)
    for variant in study.results["variants"]:
        figures = [
            study.spread(variant, "top1", 2, 100),
            study.spread(variant, "nll", 3),
            study.spread(variant, "ece", 2, 100),
        ]
        assert f"| {variant} | {' | '.join(figures)} |" in study.told


@pytest.mark.parametrize("name", FINISHED)
def test_the_comparisons_of_a_study(name: str) -> None:
    """Differences, intervals and adjusted p from SciPy and statsmodels, and no comparison left out."""
    study = Study(name)
    pairs = [(one["variant"], one["reference"]) for one in study.results["comparisons"]]
    accuracy = {variant: [100 * value for value in study.of(variant, "top1")] for pair in pairs for variant in pair}
    tests = [stats.ttest_rel(accuracy[variant], accuracy[other]) for variant, other in pairs]
    adjusted = multipletests([test.pvalue for test in tests], method="holm")[1]
    rows = []
    for (variant, other), test, p in zip(pairs, tests, adjusted, strict=True):
        interval = test.confidence_interval()
        shown = "< 0.001" if p < 0.0005 else f"{p:.3f}"
        difference = statistics.mean(accuracy[variant]) - statistics.mean(accuracy[other])
        figures = f"{difference:+.2f} | {interval.low:+.2f} to {interval.high:+.2f} | {shown}"
        rows.append(f"| {variant} - {other} | {figures} | {'conclusive' if p < 0.05 else 'inconclusive'} |")
    assert rows == re.findall(r"^\| .+ \| (?:in)?conclusive \|$", study.told, re.MULTILINE)


@pytest.mark.parametrize("name", METHODS)
def test_the_costs_of_a_study(name: str) -> None:
    """Epochs, forwards and bytes, added up from the records of the students and of all that guides them."""
    study = Study(name)
    rows = []
    for variant in ("scratch", "kd", "takd", "dgkd", "dgkd+drop"):
        students = set(study.results["variants"][variant]["runs"].values())
        found, left = {}, sorted(students)
        while left:
            run = left.pop()
            found[run] = load(study.folder / f"records/{run}.json")
            left += [guide for guide in found[run]["guide_runs"] if guide not in found]
        guides = [record["cost"] for run, record in found.items() if run not in students]
        epochs = sum(found[run]["cost"]["epochs"] for run in students), sum(cost["epochs"] for cost in guides)
        forwards = sum(cost["dump_forwards"] for cost in guides)
        saved = sum(record["cost"]["guide_rows"] for record in found.values()) - forwards
        stores = [one["store_bytes"] for one in found.values() if one["guide_runs"]]
        sizes = {store: size for one in stores for store, size in one.items()}
        millions = f"{forwards / 1e6:.2f} | {saved / 1e6:.2f} | {sum(sizes.values()) / 1e6:.1f}"
        rows.append(f"| {variant} | {epochs[0]} + {epochs[1]} | {millions} |")
    assert rows == re.findall(r"^\| .+ \| \d+ \+ \d+ \| .+ \|$", study.told, re.MULTILINE)


@pytest.mark.parametrize("name", METHODS)
def test_guided_students_are_worse_calibrated_in_every_seed(name: str) -> None:
    study = Study(name)
    scratch = study.of("scratch", "ece")
    for variant in ("kd", "takd", "dgkd", "dgkd+drop"):
        assert all(mine > other for mine, other in zip(study.of(variant, "ece"), scratch, strict=True))


def test_some_variants_of_cifar_end_below_scratch_in_every_seed() -> None:
    study = Study("cifar10")
    scratch = study.of("scratch", "top1")
    for variant in ("dist", "dgkd, shuffled", "dgkd, shuffled in class"):
        assert all(mine < other for mine, other in zip(study.of(variant, "top1"), scratch, strict=True))


def test_the_page_of_results_says_the_same() -> None:
    page = (STUDY.parent / "results.md").read_text(encoding="utf-8").replace("dgkd with dropping", "dgkd+drop")
    methods, draws = page.split("With few images")
    told = dict(re.findall(r"(\S+)\s+(\d+\.\d\d ± \d\.\d\d) %", methods))
    study = Study("cifar10")
    assert told == {variant: study.spread(variant, "top1", 2, 100) for variant in told}
    assert set(told) == {"scratch", "kd", "takd", "dgkd", "dgkd+drop"}
    study, draws = Study("draws"), " ".join(draws.split())
    guided, scratch = (study.spread(variant, "top1", 2, 100) for variant in ("no draws", "scratch"))
    assert f"ends at {guided} %, from scratch at {scratch} %" in draws
    gained = 100 * (statistics.mean(study.of("no draws", "top1")) - statistics.mean(study.of("scratch", "top1")))
    assert f"{gained:.2f} points" in draws


def test_one_kind_of_machine_is_told() -> None:
    (machine,) = {json.dumps(load(path)["compute"], sort_keys=True) for path in STUDY.glob("*/records/*.json")}
    found = {key: value.partition("+")[0] for key, value in json.loads(machine).items() if isinstance(value, str)}
    versions = "torch {torch}, torchvision {torchvision} and numpy {numpy}".format(**found)
    assert (found["precision"], found["capability"]) == ("float32", "AVX512")
    assert f"in float32, on processors with AVX-512, with {versions}." in TOLD
    page = (STUDY.parent / "results.md").read_text(encoding="utf-8")
    assert f"in float32 with torch {found['torch']}." in " ".join(page.split())


def test_the_page_of_results_has_intervals_of_the_tables() -> None:
    page = (STUDY.parent / "results.md").read_text(encoding="utf-8")
    told = re.findall(r"\(95 %\s+interval\s+(\S+)\s+to\s+(\S+),\s+adjusted\s+p\s+(\S+)\)", page)
    names = [*METHODS, "draws"]
    assert len(told) == len(names) == 3
    for (low, high, p), name in zip(told, names, strict=True):
        assert f"| {low} to {high} | {p} |" in Study(name).told


def test_the_sparsities_of_pruned_students() -> None:
    """A row for each way of pruning, a column for each sparsity; every variant is in it."""
    study = Study("pruning")
    ways = dict.fromkeys(name.rpartition(" ")[0] for name in study.results["variants"] if name != "dense")
    assert {"dense", *(f"{way} {sparsity}" for way in ways for sparsity in SPARSITIES)} == {*study.results["variants"]}
    for way in ways:
        cells = [study.spread(f"{way} {sparsity}", "top1", 2, 100) for sparsity in SPARSITIES]
        assert f"| {way} | {' | '.join(cells)} |" in study.told
    assert f"{study.spread('dense', 'top1', 2, 100)} %" in study.told


def test_the_weights_of_pruned_students_are_as_many_as_their_sparsity_says() -> None:
    study = Study("pruning")
    for name, variant in study.results["variants"].items():
        for run in variant["runs"].values():
            pruned = load(study.folder / f"records/{run}.json")["training"].get("pruning")
            assert (pruned is None) == (name == "dense")
            if pruned is not None:
                removed = pruned["weights_of"] - pruned["weights_kept"]
                assert removed == round(float(name.rpartition(" ")[2]) * pruned["weights_of"])


def test_the_costs_of_draws() -> None:
    """A row for each number of draws: the forward passes of their dumps, and the bytes of their stores."""
    study = Study("draws")
    rows = []
    for variant, number in (("no draws", 1), ("1 draw", 1), ("4 draws", 4), ("16 draws", 16)):
        (run, *others) = study.results["variants"][variant]["runs"].values()
        student = load(study.folder / f"records/{run}.json")
        assert all(
            load(study.folder / f"records/{one}.json")["store_bytes"] == student["store_bytes"] for one in others
        )
        (guide,) = student["guide_runs"]
        forwards = number * load(study.folder / f"records/{guide}.json")["cost"]["dump_forwards"]
        assert study.results["variants"][variant]["cost"]["guide_forwards"] == forwards
        rows.append(f"| {variant} | {forwards / 1e6:.2f} | {sum(student['store_bytes'].values()) / 1e6:.1f} |")
    assert rows == re.findall(r"^\| [^|]+ \| \d+\.\d\d \| \d+\.\d \|$", study.told, re.MULTILINE)


def test_what_is_said_of_pruning_and_draws() -> None:
    study, mean = Study("pruning"), statistics.mean
    top1 = {name: 100 * mean(study.of(name, "top1")) for name in study.results["variants"]}
    for sparsity in ("0.5", "0.8"):
        ends = [value for name, value in top1.items() if name.endswith(f" {sparsity}")]
        assert len(ends) == 5 and max(ends) - min(ends) < 0.9
    assert max(abs(top1["dense"] - value) for name, value in top1.items() if name.endswith(" 0.5")) < 0.3
    by_size = [top1[f"magnitude {one}"] - top1[f"gradient {one}"] for one in ("0.9", "0.95")]
    guided = [top1[f"magnitude, 3 guides {one}"] - top1[f"3 guides {one}"] for one in ("0.9", "0.95")]
    assert [f"{one:.1f}" for one in by_size + guided] == ["1.9", "3.9", "2.3", "4.2"]
    later = [top1[f"{guides} 0.95"] - top1["gradient 0.95"] for guides in ("3 guides", "1 guide")]
    assert [f"{one:.1f}" for one in later] == ["0.7", "0.9"]
    assert f"{top1['magnitude, 3 guides 0.95'] - top1['magnitude 0.95']:.2f}" == "1.05"
    assert f"{min(one['adjusted_p'] for one in study.results['comparisons']):.3f}" == "0.061"
    draws = Study("draws")
    (teacher,) = [one for one in draws.results["runs"].values() if one["model"] == "teacher"]
    assert f"{100 * teacher['test']['top1']:.2f}" == "75.96"
    top1 = {name: 100 * mean(draws.of(name, "top1")) for name in draws.results["variants"]}
    assert f"{top1['no draws'] - top1['scratch']:.1f}" == "4.0"
    numbers = [top1[name] for name in ("no draws", "1 draw", "4 draws", "16 draws")]
    assert max(numbers) - min(numbers) < 0.3
    assert all(abs(top1[f"{name}, student"] - top1[name]) < 0.2 for name in ("4 draws", "16 draws"))
    assert f"{top1['16 draws, student, 90th percentile'] - top1['16 draws']:.1f}" == "-0.4"
    drawn = [name for name in draws.results["variants"] if "draw" in name and name != "no draws"]
    for key in ("ece", "nll"):
        found = [draws.of(name, key) for name in drawn]
        assert all(
            mine < other for values in found for mine, other in zip(values, draws.of("no draws", key), strict=True)
        )
