"""`report`: the page of a comparison that is finished, of one that works, and of results from elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.markup import read_page, table_texts, text_of
from support.tiny_chain import CONFIG, MODULE

from dgkd_cli.main import main

CHAIN = 'teacher = "plain4"\nstudent = "plain2"'
WORDS = ("--methods", "scratch,kd", "--seeds", "2")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which two methods were compared over two seeds."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "report_bars.py").write_text(MODULE)  # a name of its own: other tests have loaded the usual one
    (folder / "dgkd.toml").write_text(CONFIG.format(chain=CHAIN).replace("tiny_bars", "report_bars"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.chdir(folder)
        result = run("compare", "--device", "cpu", *WORDS)
        assert result.exit_code == 0, result.output
        sys.modules.pop("report_bars", None)
    return folder


@pytest.fixture
def ws(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder, without the module of its data set, which no report reads."""
    shutil.copytree(made / "compare", tmp_path / "ws" / "compare")
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


def test_the_page_of_a_finished_comparison(ws: Path) -> None:
    whole = (ws / "compare" / "results.json").read_bytes()
    result = run("report")
    assert result.exit_code == 0, result.output
    assert "report: compare/report.html" in result.stdout.splitlines()
    root = read_page((ws / "compare" / "report.html").read_text(encoding="utf-8"))
    found = json.loads(whole)
    table = {row[0]: row for row in table_texts(next(root.iter("table")))}
    for name, shown in (("scratch", "scratch (reference)"), ("kd", "kd")):
        assert table[shown][2].startswith(f"{100 * found['variants'][name]['test']['top1']['mean']:.2f}")
    assert "dgkd-cache compare --methods scratch,kd --seeds 2 --device cpu" in [
        text_of(one) for one in root.iter("pre")
    ]
    assert "on report_bars:bars" in text_of(next(root.iter("h1")))
    figures = {one.attrib["id"]: one for one in root.iter("figure")}
    assert "class 0" not in text_of(figures["fig-classes"]), "classes have the names of the data set"
    assert (ws / "compare" / "results.json").read_bytes() == whole, "results.json stays the same bytes"
    files = {path.name for path in (ws / "compare").iterdir()}
    assert {"runs.csv", "variants.csv", "comparisons.csv", "report.html"} <= files


def test_what_is_finished_while_others_work(ws: Path) -> None:
    whole = json.loads((ws / "compare" / "results.json").read_text())
    for path in (ws / "compare" / "results.json", ws / "compare" / "timings.json"):
        path.unlink()
    lost = whole["variants"]["kd"]["runs"]["1"]
    (ws / "compare" / "records" / f"{lost}.json").unlink()
    result = run("report", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["finished"], told["planned"], told["results"]) == (3, 4, "compare/results-partial.json")
    assert not (ws / "compare" / "results.json").exists()
    text = text_of(read_page((ws / "compare" / "report.html").read_text(encoding="utf-8")))
    assert "3 of 4 students" in text and "kd: seed 1" in text and "seconds of training" in text
    assert "Not finished: the report is of 3 of 4 runs" in run("report").stdout


def test_records_alone_are_reported_as_the_file_plans_them(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report_bars.py").write_text((made / "report_bars.py").read_text())
    variants = 'scratch = { method = "scratch" }\nkd = { method = "kd", dropping = "none" }\n'
    table = f"\n[compare]\nseeds = 3\n[compare.variants]\n{variants}"
    (tmp_path / "dgkd.toml").write_text((made / "dgkd.toml").read_text() + table)
    shutil.copytree(made / "compare" / "records", tmp_path / "compare" / "records")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run("report", "--json")
    sys.modules.pop("report_bars", None)
    assert result.exit_code == 0, result.output
    assert (json.loads(result.stdout)["finished"], json.loads(result.stdout)["planned"]) == (4, 6)


def test_results_from_elsewhere(ws: Path, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    shutil.copy(ws / "compare" / "results.json", tmp_path / "else" / "results.json")
    assert run("report", "--results", str(tmp_path / "else" / "results.json")).exit_code == 0
    assert (tmp_path / "else" / "report.html").is_file()
    result = run("report", "--output", str(tmp_path / "new" / "page.html"))
    assert result.exit_code == 0 and (tmp_path / "new" / "results.json").is_file()


def test_what_is_refused(ws: Path) -> None:
    for path in (ws / "compare" / "records").iterdir():
        path.unlink()
    result = run("report")
    assert (result.exit_code, result.stdout) == (3, "") and "0 of 4 runs" in result.stderr
    assert not (ws / "compare" / "report.html").exists()
    (ws / "compare" / "study.json").write_text("{}")
    assert run("report").exit_code == 12
    (ws / "compare" / "study.json").unlink()
    result = run("report")
    assert result.exit_code == 2 and "dgkd-cache compare" in result.stderr
    result = run("report", "--output", "compare/results.json")
    assert result.exit_code == 2 and ".html" in result.stderr
    (ws / "bad.json").write_text('{"format": "dgkd-study", "version": 1}')
    assert run("report", "--results", "bad.json").exit_code == 12
    assert run("report", "--results", "none.json").exit_code == 2


def test_it_loads_no_torch(ws: Path) -> None:
    code = (
        "import sys\nfrom dgkd_cli.main import main\n"
        "main(['report'], standalone_mode=False)\nprint('LOADED', *{'torch', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "LOADED"
