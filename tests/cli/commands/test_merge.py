"""`merge`: parts of a guide put together again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from dgkd_stores import diff, read_header

Command = Callable[..., Result]


def test_parts_put_together_have_the_rows_of_the_whole(command: Command, guides: Path, workspace: Path) -> None:
    for views in ("0:1", "1:3"):
        assert command("subset", "ta1", "--views", views, "-o", f"{views[0]}.zarr").exit_code == 0
    result = command("merge", "1.zarr", "0.zarr", "-o", "all.zarr", "--codec", "zstd", "--json")
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert value["sources"] == ["1.zarr", "0.zarr"] and value["codec"] == "zstd"
    found = diff(guides / "ta1.zarr", "all.zarr")
    assert found.common == 3 and not (found.views or found.arrays or found.only[0])
    shown = command("info", "all.zarr").stdout
    assert shown.count("derived from") == 2 and "views 1:3 (merge)" in " ".join(shown.split())


def test_what_is_refused(command: Command, guides: Path) -> None:
    result = command("merge", "ta1", "teacher", "-o", "a.zarr")
    assert result.exit_code == 13
    assert "is not of the same guide as" in result.stderr and "`dgkd-cache diff " in result.stderr
    result = command("merge", "ta1", "ta1", "-o", "a.zarr")
    assert result.exit_code == 2 and "overlap" in result.stderr
    result = command("merge", "ta1", "-o", "a.zarr")
    assert result.exit_code == 2 and "at least two stores" in result.stderr
    assert read_header(guides / "ta1.zarr").seal and not Path("a.zarr").exists()
