"""Synset ids and words: those of ILSVRC2012 beside timm's and torchvision's lists, and files of another form."""

from __future__ import annotations

from pathlib import Path

import pytest
from torchvision.models import ResNet18_Weights

from dgkd_cache.datasets.synsets import all_words, read_words, require_synsets
from dgkd_cache.errors import DataUnreadable

CATEGORIES = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]


def test_the_thousand_classes_have_torchvisions_names_in_timms_order() -> None:
    data = pytest.importorskip("timm.data", reason="the extra timm is not installed")
    info = data.ImageNetInfo("imagenet-1k")
    ids, described = info.label_names(), info.label_descriptions()
    words = all_words(ids, None)
    assert words == tuple((name,) for name in CATEGORIES)
    both = all_words(ids, described)
    assert [names[0] for names in both] == CATEGORIES
    assert all(text in names for text, names in zip(described, both, strict=True))
    # Each is a word of WordNet's, except two that torchvision made unique.
    differing = [(name, text) for (name,), text in zip(words, described, strict=True) if name not in text.split(", ")]
    assert differing == [("crane bird", "crane"), ("maillot tank suit", "maillot, tank suit")]
    assert all_words(ids[:100], None) == all_words(ids[::-1], None) == ()
    assert all_words(ids[:2], described[:2]) == (
        ("tench, Tinca tinca", "tench", "Tinca tinca"),
        ("goldfish, Carassius auratus", "goldfish", "Carassius auratus"),
    )


def test_words_in_both_forms_of_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("n00000002\ta hat, a cap\nn00000001 one\n\n")
    assert read_words(path, ["n00000001", "n00000002"]) == ["one", "a hat, a cap"]


@pytest.mark.parametrize("line", ["n1 tench", "tench n00000001", "n00000001", "", "n000000012 x"])
def test_a_list_of_another_form_is_refused(tmp_path: Path, line: str) -> None:
    (path := tmp_path / "words.txt").write_text(f"n00000001 one\n{line}\nn00000002 two\n")
    with pytest.raises(DataUnreadable, match=f"is not a list of synsets.*found '{line}' in line 2"):
        read_words(path, ["n00000001"])


def test_a_folder_called_otherwise_is_refused(tmp_path: Path) -> None:
    require_synsets(["n00000001"], tmp_path)
    with pytest.raises(DataUnreadable, match="found 2 others: 'cat', 'n1'; move them away"):
        require_synsets(["cat", "n00000001", "n1"], tmp_path)
