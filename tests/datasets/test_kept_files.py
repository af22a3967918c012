"""Files that are kept and can be made again are counted and removed, and nothing else is."""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.datasets.kept_files import forget_kept, kept_files


def test_only_files_of_its_own_are_counted_and_removed(tmp_path: Path) -> None:
    mine = {
        "index/ab/1.files": 10,
        f"index/ab/2.files.{'0' * 32}.partial": 5,
        "index/cd/3.files": 1,
        "constants/6.constants": 3,
        "pixels/4.pixels": 100,
        f"pixels/5.pixels.{'f' * 32}.partial": 50,
    }
    others = ["index/ab/notes.txt", "pixels/4.png", "cifar-10-batches-py/test_batch", "index.files", "pixels/x.partial"]
    for name, nbytes in (mine | dict.fromkeys(others, 7)).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(nbytes))
    (tmp_path / "pixels" / "link.pixels").symlink_to(tmp_path / "pixels" / "4.png")
    index, pixels, constants = kept_files(tmp_path)
    assert (index.files, index.nbytes, pixels.files, pixels.nbytes) == (3, 16, 2, 150)
    assert (constants.files, constants.nbytes) == (1, 3)
    assert forget_kept(tmp_path) == 169
    assert all((tmp_path / name).exists() for name in others) and not any((tmp_path / name).exists() for name in mine)
    assert (tmp_path / "pixels" / "link.pixels").is_symlink() and not (tmp_path / "index" / "cd").exists()
    assert [one.nbytes for one in kept_files(tmp_path)] == [0, 0, 0] and forget_kept(tmp_path / "nowhere") == 0
