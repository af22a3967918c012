"""The card of a guide: whole, deterministic, without text that acts, and what its lines say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore, Incomplete, InvalidInput, StoreHeader, convert
from dgkd_stores.sharing.cards import card_of, write_card
from dgkd_stores.sharing.signatures import sign_store

EVIL = [
    "<img src=x onerror=alert(1)>",
    "[a](javascript:x)",
    "`` | **x** | ``",
    "---\nlicense: mit\n---",
    "</script><script>",
    "@everyone #1 https://evil.example/\x1b[2J",
    "'\"\\{{x}}",
]


class Named(SmallStore):
    """A store with other texts in its header."""

    def __init__(self, **texts: object) -> None:
        super().__init__(views=1)
        self.texts = texts

    @property
    def header(self) -> StoreHeader:
        header, texts = super().header, self.texts
        return replace(
            header,
            dataset=replace(header.dataset, **{key: texts[key] for key in ("name", "classes") if key in texts}),
            guide=replace(header.guide, **{key: texts[key] for key in ("architecture", "training") if key in texts}),
            licence=str(texts.get("licence", "")),
        )


def front_matter(readme: str) -> dict[str, object]:
    yaml = pytest.importorskip("yaml")
    _, matter, _ = readme.split("---\n", 2)
    return dict(yaml.safe_load(matter))


def test_the_readme_says_what_the_store_is(store: Path) -> None:
    readme = card_of(store).readme.decode()
    with GuideStore.open(store) as opened:
        seal, header = opened.seal, opened.header
    assert front_matter(readme) == {
        "license": "unknown",
        "pretty_name": "ta1: logits of resnet8 on toy",
        "annotations_creators": ["machine-generated"],
        "task_categories": ["image-classification"],
        "size_categories": ["n<1K"],
        "source_datasets": ["extended|toy"],
        "tags": ["dgkd-cache", "knowledge-distillation", "logits", "machine-generated", "zarr"],
    }
    for line in (
        "| accuracy | 88.12 % of 11 test samples, by the guide itself |",
        "| rows | 3 views x 50 samples x 7 classes |",
        "| view plan | `crop(4), hflip, seed 0`; digest `" + header.plan_digest[:16] + "` |",
        "| views | 0 to 2 of that plan |",
        "| encoding | float32, logits / 4; KL 1e-08 nats to the exact logits, "
        "the same first class in 100 % of 50 rows |",
        "| licence of the logits | not stated by their maker |",
        "| licence of the data | see the data set's own source |",
        f"| seal | `{seal}` |",
        f"- weights: `{'a' * 64}`",
        f"- learnt from `teacher`: the store of seal `{'b' * 64}`",
    ):
        assert f"\n{line}\n" in readme, line


def test_it_is_read_in_a_minute(store: Path) -> None:
    """A fast reader takes 300 words a minute; digests and code are not read."""
    body = card_of(store).readme.decode().split("---\n", 2)[2]
    words = re.sub(r"```.*?```|`[0-9a-f]{16,}`|\|", "", body, flags=re.DOTALL).split()
    assert len(words) < 300


def test_the_same_store_has_the_same_card(store: Path, tmp_path: Path, new_key: Callable[..., Path]) -> None:
    (other := tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    shutil.copytree(store, other / "ta1.zarr")
    assert card_of(store) == card_of(other / "ta1.zarr")
    before = card_of(store)
    sign_store(store, new_key("lab"), now=datetime(2026, 11, 26, 23, 59, tzinfo=UTC))
    signed = card_of(store)
    assert signed.readme == before.readme and b'"datePublished": "2026-11-26"' in signed.croissant
    assert b"datePublished" not in before.croissant


def test_an_hdf5_file_has_one_too(store: Path) -> None:
    convert(store, file := store.with_name("ta1.h5"))
    card = card_of(file)
    assert b'GuideBank(["ta1.h5"]' in card.readme and b"application/x-hdf5" in card.croissant


def test_names_and_licences_that_are_given(tmp_path: Path) -> None:
    Named(name="fashion-mnist", licence="Apache-2.0").write(path := tmp_path / "ta1.zarr")
    card = card_of(path, name="resnet.zarr", data_licence="of ours")
    readme, croissant = card.readme.decode(), card.croissant.decode()
    assert 'GuideBank(["resnet.zarr"], dgkd.load_dataset("fashion-mnist").train)' in readme
    assert "ta1.zarr" not in readme + croissant
    assert "| licence of the data | `of ours` |" in readme and "Licence of the images: of ours" in croissant
    assert front_matter(readme)["license"] == "apache-2.0" and "licenses/Apache-2.0.html" in croissant
    assert "| licence of the data | `MIT` |" in card_of(path).readme.decode()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("pets", "MODULE:FACTORY"),
        ("folder:pets", "folder:PATH"),
        ("mine:factory", "MODULE:FACTORY"),
        ("imagenet", "imagenet:ROOT"),
        ("tiny-imagenet", "tiny-imagenet:ROOT"),
    ],
)
def test_other_data_sets_have_a_place_holder(tmp_path: Path, name: str, place: str) -> None:
    Named(name=name).write(path := tmp_path / "ta1.zarr")
    assert f'load_dataset("{place}")' in card_of(path).readme.decode()


def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path) -> None:
    training = {"epochs": EVIL[0], "derived_from": {"seal": EVIL[2], "range": [1, EVIL[3]]}}
    recipe = Named(name=EVIL[3], classes=tuple(EVIL), architecture=EVIL[0], licence=EVIL[2], training=training)
    recipe.write(path := tmp_path / "`$(x)`.zarr")
    card = card_of(path)
    readme, croissant = card.readme.decode(), card.croissant.decode()
    assert front_matter(readme)["license"] == "other"  # the class that is called a front matter is none
    body = readme.split("---\n", 2)[2]
    outside = re.sub(r"```.*?```|`[^`\n]*`", "CODE", body, flags=re.DOTALL)
    assert not re.search(r"[<>\[\]`@\x00-\x09\x1b]|javascript|evil|alert|https", outside.replace("logits /", ""))
    assert "STORE.zarr" in body and "$(x)" not in readme
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert all(line.count("|") == 3 for line in rows)
    assert not set("<>&\x1b") & set(croissant)


def test_an_unfinished_store_has_none(tmp_path: Path) -> None:
    SmallStore().write(path := tmp_path / "ta1.zarr", chunks=1)
    with pytest.raises(Incomplete):
        card_of(path)


def test_files_are_written_once(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "card"
    readme, croissant = write_card(store, folder)
    assert [readme.name, croissant.name] == ["README.md", "croissant.json"]
    assert readme.read_bytes() == card_of(store).readme and croissant.read_bytes() == card_of(store).croissant
    write_card(store, folder)
    readme.write_text("mine")
    with pytest.raises(InvalidInput, match=r"README.md is there already: .*another folder"):
        write_card(store, folder)
    assert readme.read_text() == "mine" and sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "croissant.json",
    ]


def test_arguments_are_checked(store: Path) -> None:
    for given in ({"name": 3}, {"data_licence": None}):
        with pytest.raises(InvalidInput):
            card_of(store, **given)  # type: ignore[arg-type]  # wrong on purpose
