"""The result of a pull as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from dgkd_stores import pull


def test_to_dict(place: Path, tmp_path: Path) -> None:
    preview = pull(str(place), tmp_path / "got", dry_run=True).to_dict()
    assert preview["dry_run"] and preview["verification"] is None and preview["signature"] is None
    found = pull(str(place), tmp_path / "got").to_dict()
    assert set(found) == set(preview) and json.loads(json.dumps(found)) == found
    assert found["verification"]["path"] == found["path"] == preview["path"]
    assert found["verification"]["seal"] == found["seal"]
