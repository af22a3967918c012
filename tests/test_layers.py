"""The layers of the house: cli -> dgkd_cache -> dgkd_stores, and what loads without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = {
    "dgkd_stores": ROOT / "stores" / "dgkd_stores",
    "dgkd_cache": ROOT / "dgkd_cache",
    "dgkd_cli": ROOT / "cli" / "dgkd_cli",
}
MAY_IMPORT = {
    "dgkd_stores": {"numpy", "numcodecs"},
    "dgkd_cache": {
        "dgkd_stores",
        "numpy",
        "torch",
        "torchvision",
        "pydantic",
        "pydantic_core",
        "safetensors",
        "PIL",
        "sklearn",
    },
    "dgkd_cli": {"dgkd_cache", "dgkd_stores", "click", "rich", "numpy", "torch"},
}
ROOMS = {
    "disk": set(),
    "coding": set(),
    "format": {"coding", "disk"},
    "containers": {"format", "coding", "disk"},
    "reading": {"containers", "coding", "disk"},
    "checking": {"containers", "format", "coding", "disk"},
    "writing": {"checking", "reading", "containers", "format", "coding", "disk"},
}
"""What each room of the stores imports, from the ground up."""
FOR_ALL_ROOMS = {"arguments", "errors", "text", "forks"}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere in it, its own left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
    return found - sys.stdlib_module_names


@pytest.mark.parametrize("package", sorted(PLACES))
def test_imports_go_down_only(package: str) -> None:
    files = sorted(PLACES[package].rglob("*.py"))
    assert len(files) > 5
    used = set()
    for path in files:
        foreign = imported(path) - {package} - MAY_IMPORT[package]
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"
        used |= imported(path) - {package}
    assert used == MAY_IMPORT[package], "what nothing imports is not in the list"


def test_rooms_of_the_stores() -> None:
    place, found = PLACES["dgkd_stores"], {name: set[str]() for name in [*ROOMS, *FOR_ALL_ROOMS]}
    for path in sorted(place.rglob("*.py")):
        *rooms, name = path.relative_to(place).with_suffix("").parts
        if rooms or name != "__init__":
            found[rooms[0] if rooms else name] |= rooms_imported(path, ".".join(["dgkd_stores", *rooms]))
    below = set[str]()
    for room, allowed in ROOMS.items():
        assert found[room] - {room} - FOR_ALL_ROOMS == allowed <= below, f"{room}/ imports {found[room]}"
        below.add(room)
    for name in FOR_ALL_ROOMS:
        assert found[name] <= FOR_ALL_ROOMS, f"{name}.py imports {found[name]}"


def rooms_imported(path: Path, package: str) -> set[str]:
    """The rooms, and the modules beside them, that a file of a package of the stores imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level < 2, f"{path}: what lies elsewhere is named in full"
            module = ".".join([package] * node.level + [node.module] * bool(node.module))
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("dgkd_stores.")}
    return found


@pytest.mark.parametrize(
    ("code", "kept_out"),
    [
        ("import dgkd_stores", {"torch", "pydantic", "dgkd_cache", "zarr", "h5py", "fsspec"}),
        ("import dgkd_cache", {"torch"}),
        ("import dgkd_cache.workspace.workspace", {"torch"}),
        ("from dgkd_cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass", {"torch"}),
    ],
)
def test_what_loads_without_torch(code: str, kept_out: set[str]) -> None:
    check = f"{code}\nimport sys\nprint('LOADED', *sorted({kept_out!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "LOADED"


def test_every_public_name_is_there() -> None:
    import dgkd_cache
    import dgkd_stores

    for package in (dgkd_cache, dgkd_stores):
        for name in package.__all__:
            assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(dgkd_cache, "no_such" + "_name")
