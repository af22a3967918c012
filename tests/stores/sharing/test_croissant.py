"""croissant.json against mlcroissant, the specification's own validator, in a process of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore, convert
from dgkd_stores.sharing.cards import write_card
from dgkd_stores.sharing.croissant import MAX_CLASSES, make_croissant

# It loads pandas and rdflib, whose warnings would be errors here.
CHECK = """
import json, sys
import mlcroissant
found = []
for path in sys.argv[1:]:
    dataset = mlcroissant.Dataset(jsonld=path)
    issues = dataset.metadata.ctx.issues
    records = [dict(record) for record in dataset.records("classes")]
    found.append([sorted(issues.errors), sorted(issues.warnings), dataset.metadata.name, [str(r) for r in records]])
print(json.dumps(found))
"""


def test_mlcroissant_accepts_it_and_reads_the_classes(tmp_path: Path) -> None:
    pytest.importorskip("mlcroissant", reason="mlcroissant is not installed (the extra dev has it)")
    SmallStore(classes=3).write(folder := tmp_path / "ta1.zarr")
    convert(folder, file := tmp_path / "ta1.h5")
    paths = [write_card(store, tmp_path / store.suffix[1:])[1] for store in (folder, file)]
    done = subprocess.run([sys.executable, "-c", CHECK, *paths], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for errors, warnings, name, records in json.loads(done.stdout.splitlines()[-1]):
        assert errors == [] and name.startswith("ta1-dddddddd-")
        assert len(warnings) == 1 and "datePublished" in warnings[0]  # neither store is signed
        assert len(records) == 3 and "class 2 é" in records[2]


def test_what_it_says(tmp_path: Path) -> None:
    SmallStore().write(path := tmp_path / "ta1.zarr")
    with GuideStore.open(path) as store:
        text = make_croissant(store, name="ta1.zarr", data_licence="", published="2026-11-26")
        seal = store.seal
    value = json.loads(text)
    assert value["conformsTo"] == "http://mlcommons.org/croissant/1.1" and value["datePublished"] == "2026-11-26"
    assert str(seal) in value["description"] and "accuracy 0.8812" in value["description"]
    assert value["isBasedOn"] == ["toy", f"dgkd-seal:{'b' * 64}"]
    root = (path / "zarr.json").read_bytes()
    header, files = value["distribution"]
    assert header["sha256"] == hashlib.sha256(root).hexdigest() and header["contentUrl"] == "ta1.zarr/zarr.json"
    assert files["includes"] == "ta1.zarr/**"


def test_too_many_classes_are_not_listed(tmp_path: Path) -> None:
    SmallStore(views=1, samples=2, tests=1, classes=MAX_CLASSES + 1).write(path := tmp_path / "ta1.zarr")
    with GuideStore.open(path) as store:
        value = json.loads(make_croissant(store, name="ta1.zarr", data_licence="", published=""))
    assert value["recordSet"] == []
