"""The layers of the house: cli -> dgkd_cache -> dgkd_stores, and what loads without torch."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.imports import modules_imported, packages_imported

ROOT = Path(__file__).parent.parent
PLACES = {
    "dgkd_stores": ROOT / "stores" / "dgkd_stores",
    "dgkd_cache": ROOT / "dgkd_cache",
    "dgkd_cli": ROOT / "cli" / "dgkd_cli",
}
MAY_IMPORT = {
    "dgkd_stores": {
        *{"cachetools", "cryptography", "h5py", "huggingface_hub", "lazy_loader", "numcodecs", "numpy", "obstore"},
        *{"xarray", "zarr"},
    },
    "dgkd_cache": {
        "dgkd_stores",
        "jinja2",
        "lazy_loader",
        "numpy",
        "torch",
        "torchvision",
        "pydantic",
        "safetensors",
        "scipy",
        "PIL",
        "sklearn",
        "tensorboard",
        "timm",
        "torchcodec",
        "wandb",
    },
    "dgkd_cli": {"dgkd_cache", "dgkd_stores", "click", "rich", "numpy", "torch"},
}

ROOMS = {
    "dgkd_stores": {
        "disk": set(),
        "coding": set(),
        "format": {"coding", "disk"},
        "containers": {"format", "coding", "disk"},
        "checking": {"containers", "format", "coding", "disk"},
        "reading": {"checking", "containers", "coding", "disk"},
        "writing": {"checking", "reading", "containers", "format", "coding", "disk"},
        "sharing": {"writing", "reading", "checking", "containers", "format", "coding", "disk"},
    },
    "dgkd_cache": {
        "config": set(),
        "randomness": set(),
        "run_files": set(),
        "distributed": set(),
        "device": set(),
        "datasets": {"device", "randomness"},
        "models": {"device", "run_files"},
        "distillation": {"randomness"},
        "views": {"datasets", "device", "randomness"},
        "guides": {"datasets", "device", "distillation", "distributed", "models", "randomness", "views"},
        "dump": {"datasets", "device", "models", "randomness", "views"},
        "training": {
            *{"config", "randomness", "run_files", "distributed", "device"},
            *{"datasets", "models", "distillation", "views", "guides"},
        },
        "estimate": {"dump", "guides", "training", "views"},
        "workspace": {
            *{"config", "randomness", "run_files", "distributed", "device", "datasets", "models"},
            *{"distillation", "views", "guides", "dump", "training", "estimate"},
        },
        "recipes": {"config", "datasets", "views", "workspace"},
        "study": {
            *{"config", "randomness", "run_files", "device", "datasets", "distillation", "dump", "training"},
            "workspace",
        },
        "report": {"config", "study"},
    },
    "dgkd_cli": {
        "humanize": set(),
        "signals": set(),
        "console": set(),
        "catalogue": set(),
        "completion": {"catalogue"},
        "choices": {"completion"},
        "guidance_options": set(),
        "progress": {"humanize"},
        "user_code": set(),
        "app": {"progress", "signals", "user_code"},
        "stores": {"app"},
        "runs": {"app", "humanize"},
        "recompute": {"app", "humanize", "stores", "user_code"},
        "conversion": {"app", "console", "humanize"},
        "transfer": {"app", "signals"},
        "columns": {"console"},
        "description": {"humanize"},
        "run_table": {"columns", "humanize"},
        "comparison": {"columns", "humanize"},
        "data_lines": set(),
        "named_model": {"completion"},
        "signature_check": set(),
        "store_result": {"humanize", "recompute", "signature_check"},
        "settings_option": {"app", "completion"},
        "resume_option": set(),
        "view_range": set(),
        "commands": {
            *{
                "app",
                "catalogue",
                "choices",
                "columns",
                "comparison",
                "completion",
                "console",
                "conversion",
                "description",
            },
            *{"guidance_options", "humanize", "named_model", "recompute", "resume_option", "run_table", "runs"},
            *{"settings_option", "signature_check", "store_result", "stores", "transfer", "user_code", "view_range"},
        },
        "global_options": {"app", "data_lines", "user_code"},
        "main": {"app", "commands", "global_options", "settings_option"},
        "__main__": {"main"},
    },
}
"""The imports of each room of a package, from the ground up."""
FOR_ALL_ROOMS = {
    "dgkd_stores": {"arguments", "errors", "fork_lock", "registry", "sanitize"},
    "dgkd_cache": {"errors", "paths", "progress", "user_code"},
    "dgkd_cli": {"lines"},
}
"""The modules beside the rooms: they import only each other."""


@pytest.mark.parametrize("package", sorted(PLACES))
def test_imports_go_down_only(package: str) -> None:
    files = sorted(PLACES[package].rglob("*.py"))
    assert len(files) > 5
    used = set()
    for path in files:
        imported = packages_imported(path.read_text(encoding="utf-8")) - {package}
        foreign = imported - MAY_IMPORT[package]
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"
        used |= imported
    assert used == MAY_IMPORT[package], "what nothing imports is not in the list"


def test_what_is_imported_is_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    used_extras = ("demo", "hf", "jpeg", "share", "tensorboard", "timm", "wandb", "xarray")
    texts = [*project["dependencies"], *(text for name in used_extras for text in extras[name])]
    declared = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text)[0]).lower() for text in texts}
    owners = importlib.metadata.packages_distributions()
    used = set[str]().union(*MAY_IMPORT.values()) - set(PLACES)
    # One of an extra may not be installed: it has the name of its package.
    found = {re.sub(r"[-_.]+", "-", owners.get(name, [name])[0]).lower() for name in used}
    assert found == declared


@pytest.mark.parametrize("package", sorted(PLACES))
def test_rooms_are_imported_one_way(package: str) -> None:
    rooms, for_all, place = ROOMS[package], FOR_ALL_ROOMS[package], PLACES[package]
    found = {name: set[str]() for name in [*rooms, *for_all]}
    for path in sorted(place.rglob("*.py")):
        *folders, name = path.relative_to(place).with_suffix("").parts
        if folders or name != "__init__":
            modules = modules_imported(path.read_text(encoding="utf-8"), package)
            found[folders[0] if folders else name] |= {module.split(".")[1] for module in modules}
    below = set[str]()
    for room, allowed in rooms.items():
        assert found[room] - {room} - for_all == allowed, f"{room} of {package} imports {found[room]}"
        assert allowed <= below, f"{room} of {package} imports what stands above it"
        below.add(room)
    for name in for_all:
        assert found[name] <= for_all, f"{name}.py imports {found[name]}"


@pytest.mark.parametrize("package", sorted(PLACES))
def test_modules_are_imported_one_way(package: str) -> None:
    """No circle between two files, within a room or across, wherever in a file an import stands."""
    place = PLACES[package]
    names = {".".join([package, *path.relative_to(place).with_suffix("").parts]): path for path in place.rglob("*.py")}
    imports = {
        name: {
            module
            for one in modules_imported(path.read_text(encoding="utf-8"), package)
            for module in (one, one.rpartition(".")[0], f"{one.rpartition('.')[0]}.__init__")
            if module in names and module != name
        }
        for name, path in names.items()
    }
    while free := [name for name, needs in imports.items() if not needs & set(imports)]:
        for name in free:
            del imports[name]
    assert not imports, f"a circle among {sorted(imports)}"


HEAVY = {"torch", "obstore", "huggingface_hub", "cryptography"}


@pytest.mark.parametrize(
    "steps",
    [
        [
            ("import dgkd_stores", HEAVY | {"pydantic", "dgkd_cache", "zarr", "h5py", "fsspec"}),
            ("dgkd_stores.push, dgkd_stores.pull", HEAVY),
        ],
        [
            ("import dgkd_cache", {"torch", "numpy", "importlib.metadata"}),
            ("dgkd_cache.GuideStore, dgkd_cache.Workspace, dgkd_cache.Mismatch", HEAVY),
            ("import dgkd_cache.workspace.workspace", HEAVY),
            ("import dgkd_cache.report.files, dgkd_cache.study.outline", HEAVY),
            ("from dgkd_cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass", HEAVY),
        ],
    ],
    ids=["stores", "all"],
)
def test_what_loads_without_torch(steps: list[tuple[str, set[str]]]) -> None:
    """One thing after another in a process of their own."""
    check = "\n".join(
        f"{code}\nfound = sorted({kept_out!r} & set(sys.modules))\nassert not found, ({code!r}, found)"
        for code, kept_out in steps
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{check}\nprint('LOADED')"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_every_public_name_is_there() -> None:
    import dgkd_cache
    import dgkd_stores

    for package in (dgkd_cache, dgkd_stores):
        stub = ast.parse(Path(str(package.__file__)).with_suffix(".pyi").read_text())
        named = {
            alias.name: importlib.import_module(f"{package.__name__}.{node.module}")
            for node in stub.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert sorted(package.__all__) == sorted(named)
        assert all(getattr(package, name) is getattr(module, name) for name, module in named.items())
        assert set(dir(package)) - {"__version__"} == set(package.__all__)
    assert "__version__" in dir(dgkd_cache) and dgkd_cache.__version__ == importlib.metadata.version("dgkd-cache")
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(dgkd_cache, "no_such" + "_name")
