"""Runs in `verify`: finds the run of a NAME or PATH, and formats the result of its check. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgkd_cache.errors import Damaged, InvalidInput
from dgkd_cli.app import App
from dgkd_cli.humanize import count_text
from dgkd_stores import clean
from dgkd_stores.disk import expand_user

if TYPE_CHECKING:
    from dgkd_cache.workspace.run_check import RunCheck

__all__ = ["RunResult", "run_at"]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The result for one run."""

    name: str
    check: RunCheck

    @property
    def exit_codes(self) -> tuple[int, ...]:
        """Returns the exit code of each problem; none for an undamaged run."""
        return tuple(problem.exit_code for problem in self.check.faults or self.check.problems)

    def to_dict(self, exit_code: int) -> dict[str, Any]:
        """Returns the run as JSON, with the same keys for every run."""
        damage = [
            {"problem": one.problem, "expected": one.expected, "found": one.found}
            for one in self.check.problems
            if isinstance(one, Damaged)
        ]
        return {
            "run": self.name,
            "path": str(self.check.folder),
            "exit_code": exit_code,
            "refused": self.check.why if self.check.state == "refused" else None,
            "state": self.check.state,
            "verified": self.check.verified,
            "damage": damage,
        }

    def lines(self) -> Iterable[str]:
        """Yields one line for the run, and one for each problem."""
        name, check = f"run {clean(self.name)}", self.check
        if check.state == "begun":
            yield f"{name}: begun and not finished, what there is of it checked"
        elif check.state == "done":
            unverified = f"; {check.why}" if check.why else ""
            yield f"{name}: whole, every file that its card covers checked{unverified}"
        else:
            problems = "1 problem" if len(check.faults) == 1 else f"{count_text(len(check.faults))} problems"
            yield f"{name}: {check.state}, {problems}"
            for problem in check.faults:
                yield f"  {problem}"


def run_at(app: App, text: str) -> Path | None:
    """Returns the folder of the run with the name or path `text`; None if there is no run."""
    from dgkd_cache.config.workspace_config import is_model_name
    from dgkd_cache.workspace.run_check import is_run

    with suppress(InvalidInput):  # an unknown user's home is refused later, as the path of a store
        if is_run(path := expand_user(text)):
            return path
    if not is_model_name(text) or not app.has_workspace:
        return None
    folder = app.workspace().run_folder(text)
    return folder if is_run(folder) else None
