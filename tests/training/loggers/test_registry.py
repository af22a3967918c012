"""Loggers by name: an unknown one and one that is not installed are refused, with the command that helps."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.training.loggers import LOGGERS, LoggedRun, open_mirror, require_loggers

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_each_is_an_extra_of_its_name() -> None:
    require_loggers(list(LOGGERS))
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    assert {name: [text.partition(">")[0] for text in extras[name]] for name in LOGGERS} == {
        "tensorboard": ["tensorboard"],
        "wandb": ["wandb"],
    }


def test_an_unknown_one_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown logger 'tensorbord'.*did you mean tensorboard") as caught:
        require_loggers(["wandb", "tensorbord"])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", LOGGERS)
def test_one_that_is_not_installed_names_the_command(name: str, tmp_path: Path) -> None:
    """Also beside a folder of its name, which wandb makes where it is run."""
    (tmp_path / name).mkdir()
    code = (
        "import sys\n"
        "from dgkd_cache.training.loggers import require_loggers\n"
        f"sys.path[:] = [{str(tmp_path)!r}, *(path for path in sys.path if 'site-packages' not in path)]\n"
        f"require_loggers([{name!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    says = f"the logger {name} needs the package {name}: expected that package, installed, found none; run: pip install"
    assert f'{says} "dgkd-cache[{name}]"' in done.stderr
    assert InvalidInput.exit_code == 2


def test_opening_loads_no_library(run: LoggedRun) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from dgkd_cache.training.loggers import LOGGERS, LoggedRun, open_mirror\n"
        "open_mirror(list(LOGGERS), LoggedRun(name='a', folder=Path('a'), settings={}), warn=print)\n"
        "print(*sorted({'tensorboard', 'wandb', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""


def test_a_name_that_is_given_twice_counts_once(run: LoggedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setitem(LOGGERS, "wandb", opened.append)
    open_mirror(["wandb", "wandb"], run, warn=print)
    assert opened == [run]
