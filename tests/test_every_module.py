"""Every module has a test file of its name, in the folder of tests that its room has."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = {"dgkd_cache": "tests", "stores/dgkd_stores": "tests/stores", "cli/dgkd_cli": "tests/cli"}

CODING, WRITER = "stores/dgkd_stores/coding", "tests/stores/writing/test_writer.py"
CODECS, ENCODINGS = "tests/stores/coding/test_codecs.py", "tests/stores/coding/test_encodings.py"
TESTED_ELSEWHERE = {
    # What all codecs hold to, and all encodings, is tested in one file each, over their names.
    **{f"{CODING}/codecs/{name}.py": CODECS for name in ("abc", "blosc", "none", "zstd")},
    **{f"{CODING}/encodings/{name}.py": ENCODINGS for name in ("abc", "float16", "float32", "registry")},
    # These two have a file of their own, beside those.
    f"{CODING}/codecs/deflate.py": "tests/stores/coding/test_deflate.py",
    f"{CODING}/encodings/uint8.py": "tests/stores/coding/test_uint8.py",
    # A writer that goes on with a store compares its header and its identity arrays: tested as what it then refuses.
    "stores/dgkd_stores/format/identity.py": WRITER,
    "stores/dgkd_stores/writing/compare.py": WRITER,
}
"""Modules without a file of their name, and the file that tests them."""


def file_of(module: Path) -> Path:
    """The test file that the name of a module asks for; `import_` is called so only because `import` is a keyword."""
    package = next(place for place in PLACES if module.is_relative_to(ROOT / place))
    room = module.relative_to(ROOT / package).parent
    return ROOT / PLACES[package] / room / f"test_{module.stem.rstrip('_')}.py"


@pytest.mark.parametrize("place", PLACES)
def test_every_module_has_a_test_file_of_its_name(place: str) -> None:
    modules = [path for path in sorted((ROOT / place).rglob("*.py")) if not path.stem.startswith("__")]
    assert len(modules) > 20
    lacking = {str(path.relative_to(ROOT)) for path in modules if not file_of(path).is_file()}
    assert lacking == {name for name in TESTED_ELSEWHERE if name.startswith(f"{place}/")}


def test_the_files_named_instead_are_there() -> None:
    for file in set(TESTED_ELSEWHERE.values()):
        assert "def test_" in (ROOT / file).read_text(encoding="utf-8"), file
