"""Guides without a model: the store of a program's logits is a store like any other, and says what it is."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.given_logits import IDENTITY, Program, files_of, writer_of
from support.tiny_chain import Lines

import dgkd_cache as dgkd
from dgkd_cache.errors import Damaged, InvalidInput, Mismatch
from dgkd_stores import GuideStore, GuideStoreWriter, card_of, convert, diff, merge, pull, push, subset, verify


@pytest.fixture
def program(bars, plan) -> Program:
    return Program(bars, plan)


def test_rows_are_the_logits_over_t_and_the_header_says_whose(program: Program, bars, plan, tmp_path: Path) -> None:
    path = tmp_path / "given.zarr"
    progress = Lines()
    done = writer_of(path, program, encoding="float32", temperature=2.0).run(progress=progress)
    assert done.path == path and done.views == range(3) and done.nbytes == sum(map(len, files_of(path).values()))
    pixels_VNP = np.stack(
        [program.train.pixels([view] * 100, range(100)).numpy().reshape(100, 64) for view in range(3)]
    )
    with GuideStore.open(path) as store:
        header = store.header
        rows_VNC = store.gather(np.repeat(np.arange(3), 100), np.tile(np.arange(100), 3)).reshape(3, 100, 4)
        np.testing.assert_allclose(rows_VNC, pixels_VNP @ program.weights_PC / 2, rtol=1e-5, atol=1e-6)
        test_MC = bars.test.pixels_NIHW.numpy().reshape(40, 64) @ program.weights_PC
        np.testing.assert_allclose(store.test_logits_MC, test_MC / 2, rtol=1e-5, atol=1e-6)
    assert float(header.guide.accuracy) == (test_MC.argmax(1) == bars.test.labels_N).sum() / 40
    canonical = json.dumps(IDENTITY, sort_keys=True, separators=(",", ":")).encode()
    assert header.guide.weights_digest == hashlib.sha256(canonical).hexdigest()
    assert header.guide.identity == header.guide.training["identity"] == IDENTITY
    assert (header.guide.architecture, header.guide.parameters) == ("logits", 0)
    assert header.compute == {"batch": 32}  # no machine decides bits that come from elsewhere
    assert header.version == 1 and verify(path, full=True).complete
    leads = int(((pixels_VNP[0] @ program.weights_PC).argmax(1) == bars.train.labels_N).sum())
    assert any(f"the label leads in {leads} % of the first 100 rows of given" in line for line in progress.lines)


@pytest.mark.parametrize("settings", [{}, {"encoding": "topk", "topk": 2}], ids=["float16", "topk"])
def test_function_and_iterator_stopped_anywhere_make_the_same_bytes(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    monkeypatch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 100)
    monkeypatch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 64 * 8)
    monkeypatch.setattr("dgkd_cache.dump.header.default_digest_rows", lambda row_bytes: 8)
    whole = files_of(writer_of(tmp_path / "whole.zarr", program, **settings).run().path)
    for stop_at in range(1, 13):
        for ways in itertools.product((None, program.iterator), repeat=2):
            path = tmp_path / f"{stop_at}-{ways[0] is None}-{ways[1] is None}.zarr"
            asked = itertools.count(1)
            with pytest.raises(dgkd.Interrupted, match="the dump of given was stopped"):
                writer = writer_of(path, program, iterator=ways[0], **settings)
                writer.run(stop=lambda asked=asked, at=stop_at: next(asked) == at)
            assert writer_of(path, program, iterator=ways[1], **settings).run().seal
            assert files_of(path) == whole, path


def test_shares_of_views_make_one_store(program: Program, tmp_path: Path) -> None:
    whole = files_of(writer_of(tmp_path / "whole.zarr", program).run().path)
    path, seals = tmp_path / "shared.zarr", []
    for mine in (range(2, 3), range(0, 1), range(1, 2)):
        program.asked.clear()
        seals.append(writer_of(path, program, iterator=program.iterator).run(mine=mine).seal)
        assert {view for view, *_ in program.asked[3 + 4 :]} == {mine[0]}
    assert seals[:2] == [None, None] and seals[2] and files_of(path) == whole


def test_an_error_of_the_program_goes_through_and_loses_nothing(program: Program, tmp_path: Path) -> None:
    whole = files_of(writer_of(tmp_path / "whole.zarr", program).run().path)
    for broken in (0, 2, 5, 12, 18):
        path, calls = tmp_path / f"{broken}.zarr", itertools.count()

        def logits(view: int, samples_B: np.ndarray, calls=calls, broken=broken) -> np.ndarray:
            if next(calls) == broken:
                raise ConnectionError("the service is gone")
            return program.logits(view, samples_B)

        with pytest.raises(ConnectionError) as caught:
            writer_of(path, program, logits=logits).run()
        assert str(caught.value) == "the service is gone"
        assert "were asked for; what is written is kept" in caught.value.__notes__[0]
        assert writer_of(path, program, logits=logits).run().seal and files_of(path) == whole


def test_a_finished_store_asks_for_nothing(program: Program, tmp_path: Path) -> None:
    path = writer_of(tmp_path / "a.zarr", program).run().path
    program.asked.clear()
    assert writer_of(path, program).run().seal and not program.asked


@pytest.mark.parametrize("finished", [True, False])
def test_another_identity_is_refused_before_anything_is_asked_for(
    program: Program, tmp_path: Path, finished: bool, make_tiny, dump
) -> None:
    path = tmp_path / "a.zarr"
    writer_of(path, program).run(mine=None if finished else range(2))
    before = files_of(path)
    program.asked.clear()
    with pytest.raises(Mismatch) as caught:
        writer_of(path, program, identity={**IDENTITY, "version": 4}).run()
    of = 'given of the identity {"members":("a","b"),"service":"bars","version":'
    assert str(caught.value) == (
        f"{path} holds other logits: expected {of}3}}, found {of}4}}; give those logits, choose another path, or "
        f"remove {path} to begin again"
    )
    with pytest.raises(
        Mismatch, match="holds the logits of another model: expected given of the identity .*, found a "
    ):
        dump(path, make_tiny(1))
    assert files_of(path) == before and not program.asked


def test_other_logits_under_the_same_identity_are_called_so(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    writer_of(path, program).run(mine=range(2))
    before = files_of(path)
    with pytest.raises(Mismatch, match="holds other logits, under the same identity: expected fidelity.kl "):
        writer_of(path, program, logits=lambda view, samples_B: 3 * program.logits(view, samples_B)).run()
    assert files_of(path) == before


def test_the_order_of_keys_is_no_other_identity(program: Program, tmp_path: Path) -> None:
    path = writer_of(tmp_path / "a.zarr", program).run().path
    assert writer_of(path, program, identity=dict(reversed(IDENTITY.items()))).run().seal


def test_a_store_without_a_test_set_is_used_as_any_other(program: Program, bars, tmp_path: Path) -> None:
    progress = Lines()
    path = writer_of(tmp_path / "given.zarr", program, tests=False).run(progress=progress).path
    with GuideStore.open(path) as store:
        assert store.header.dataset.test_samples == 0 and store.header.guide.accuracy == ""
        assert store.test_logits_MC.shape == (0, 4) and store.seal
        seal = store.seal
    with dgkd.GuideBank([path], bars.train) as bank:
        batch = next(iter(bank.loader(batch_size=32, dropping=dgkd.Dropping(kind="none"))))
        expected = torch.from_numpy(program.of(batch.pixels) / 4)
        torch.testing.assert_close(batch.softened[0].float(), expected, rtol=2e-3, atol=2e-3)
        assert batch.loss(torch.zeros(32, 4)).isfinite()
    assert convert(path, tmp_path / "given.h5").seal == convert(tmp_path / "given.h5", tmp_path / "b.zarr").seal == seal
    for views in (range(0, 1), range(1, 3)):
        subset(path, tmp_path / f"{views.start}.zarr", views=views)
    merge([tmp_path / "0.zarr", tmp_path / "1.zarr"], tmp_path / "both.zarr")
    with GuideStore.open(tmp_path / "both.zarr") as both:
        assert both.header.guide.identity == IDENTITY
    assert not diff(path, tmp_path / "both.zarr").views
    with_tests = writer_of(tmp_path / "tests.zarr", program).run().path
    assert {one.name for one in diff(path, with_tests).arrays} == {"test_label", "test_sample_digest", "test_logits"}
    push(path, str(tmp_path / "shelf"))
    assert pull(str(tmp_path / "shelf"), tmp_path / "again.zarr").seal == seal
    page = card_of(path).readme.decode()
    assert "not measured" in page and "- no weights: a program gave its logits, of the identity" in page
    assert "- `service`: `bars`\n" in page and '- `members`: `("a","b")`\n' in page


def test_its_images_are_aligned_in_any_order(program: Program, bars, tmp_path: Path) -> None:
    from dgkd_cache.guides.align import align_dataset

    path = writer_of(tmp_path / "given.zarr", program, tests=False).run().path
    turned = dgkd.TensorImages(
        bars.train.pixels_NIHW.flip(0), bars.train.labels_N[::-1].copy(), classes=bars.classes, name="t", split="train"
    )
    aligned = align_dataset(dgkd.Dataset(train=turned, test=bars.test, mean=bars.mean, std=bars.std), path)
    assert aligned.train.labels_N.tolist() == bars.train.labels_N.tolist() and aligned.test is bars.test


def test_rows_in_another_order_are_warned_of(program: Program, bars, tmp_path: Path) -> None:
    labels_N = bars.train.labels_N
    for name, order_N in (("right", np.arange(100)), ("wrong", (np.arange(100) + 1) % 100)):
        rows_NC = np.eye(4, dtype=np.float32)[labels_N[order_N]] * 5
        progress = Lines()
        warned: list[str] = []
        progress.warn = warned.append
        writer_of(tmp_path / f"{name}.zarr", program, logits=lambda view, B, rows_NC=rows_NC: rows_NC[B]).run(
            progress=progress
        )
        share = int((labels_N == labels_N[order_N]).sum())
        assert len(warned) == (name == "wrong") and (name == "right" or share < 50)


@pytest.mark.parametrize(("mixes", "errs"), [(True, False), (True, True), (False, False)])
def test_a_program_that_mixes_nothing_is_warned_of(
    program: Program, bars, tmp_path: Path, mixes: bool, errs: bool
) -> None:
    """Rows that know the class of what they show: of the mixed images, or of the images as they are in the files.

    A guide of mixed images that errs in a third of them has the sample's own label first in less than half of them.
    """
    plan = dgkd.ViewPlan.build(image=(1, 8, 8), transforms=["mixup(0.1)"])
    program.train = dgkd.ViewRenderer(plan, bars.train)
    labels_N = bars.train.labels_N
    partners_N, share_N = program.train.mixed_with([0] * 100, range(100))
    seen_N = np.where(share_N > 0.5, labels_N, labels_N[partners_N]) if mixes else labels_N
    if errs:
        seen_N[::3] = (seen_N[::3] + 1) % 4
        assert (seen_N == labels_N).mean() < 0.5
    progress, warned = Lines(), list[str]()
    progress.warn = warned.append
    logits_NC = 5 * np.eye(4, dtype=np.float32)[seen_N]
    writer_of(tmp_path / "given.zarr", program, logits=lambda view, B: logits_NC[B], views=range(1)).run(
        progress=progress
    )
    assert [("are these logits of the mixed images" in line) for line in warned] == [True] * (not mixes)


@pytest.mark.parametrize("lost", ["logits/c.1.0.0", "label/c.0", "test_logits/c.0.0", "probe/c.0.0", "digest/c.2.0.0"])
@pytest.mark.parametrize("batch", [32, 24])
def test_what_is_lost_is_asked_for_again(program: Program, tmp_path: Path, lost: str, batch: int) -> None:
    path = writer_of(tmp_path / "a.zarr", program).run().path
    shutil.copytree(path, tmp_path / "kept")
    (path / lost).unlink()
    program.asked.clear()
    done = writer_of(path, program, iterator=None, batch_size=batch).repair()
    assert files_of(path) == files_of(tmp_path / "kept") and verify(path, full=True).complete
    assert {view for view, *_ in program.asked[3:]} == ({1} if lost.startswith("logits") else set())
    assert done.seal and done.path == path
    assert writer_of(path, program).repair() == done  # nothing is damaged, nothing is asked for


def test_other_logits_repair_nothing(program: Program, bars, plan, tmp_path: Path) -> None:
    path = writer_of(tmp_path / "a.zarr", program).run().path
    (path / "logits" / "c.1.0.0").unlink()
    before = files_of(path)
    with pytest.raises(Mismatch, match="holds other logits"):
        writer_of(path, program, identity={"service": "another"}).repair()
    with pytest.raises(Mismatch, match="come out otherwise.*make it again with the program that gave its logits"):
        writer_of(path, Program(bars, plan, seed=6)).repair()
    assert files_of(path) == before
    with pytest.raises(Damaged):
        GuideStore.open(path)


def test_a_models_store_is_repaired_by_its_writer(write, make_tiny, tmp_path: Path) -> None:
    path = write(make_tiny(1)).run().path
    shutil.copytree(path, tmp_path / "kept")
    (path / "logits" / "c.1.0.0").unlink()
    write(make_tiny(1)).repair()
    assert files_of(path) == files_of(tmp_path / "kept")


def test_an_unfinished_store_is_completed_by_repair(program: Program, tmp_path: Path) -> None:
    whole = files_of(writer_of(tmp_path / "whole.zarr", program).run().path)
    writer_of(tmp_path / "a.zarr", program).run(mine=range(2))
    assert writer_of(tmp_path / "a.zarr", program).repair().seal and files_of(tmp_path / "a.zarr") == whole


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({}, "the identity of given logits says nothing: expected a JSON object .*, found {}"),
        (["a"], r"found \['a'\] \(list\)"),
        ({"lr": 0.5}, r"no canonical JSON: expected text, integers, .*, found float 0.5; write a number .* decimal"),
        ({1: 2}, "no canonical JSON: expected text as a key, found 1"),
        ({"a": "\ud800"}, "a lone surrogate"),
        ({"rows": "x" * 2**16}, "too large: expected at most 65,536 bytes of JSON, .* found 65,547 bytes"),
    ],
)
def test_what_is_no_identity(program: Program, tmp_path: Path, identity: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        writer_of(tmp_path / "a.zarr", program, identity=identity)
    assert caught.value.exit_code == 2


def test_an_identity_as_deep_as_a_header_can_be_is_read_again(program: Program, tmp_path: Path) -> None:
    def nested(levels: int) -> object:
        return {"a": nested(levels - 1)} if levels else 1

    path = writer_of(tmp_path / "a.zarr", program, identity=nested(26), views=range(1)).run().path
    with GuideStore.open(path) as store:
        assert store.header.guide.identity == nested(26)
    with pytest.raises(InvalidInput, match="and 27 levels"):
        writer_of(tmp_path / "b.zarr", program, identity=nested(27))


def test_the_stores_own_writer_takes_such_a_guide(program: Program, tmp_path: Path) -> None:
    """Without torch, and with the accuracy that somebody else has measured."""
    from dataclasses import replace

    from dgkd_stores import GuideIdentity

    draft = writer_of(tmp_path / "a.zarr", program).draft
    header, identity = draft.complete("dump", dgkd.PrintProgress())
    guide = GuideIdentity.of_logits(name="own", identity={"file": "a.npz"}, training={"epochs": 3})
    assert guide.training == {"epochs": 3, "identity": {"file": "a.npz"}} and guide.guides == {}
    with GuideStoreWriter(tmp_path / "own.zarr", replace(header, guide=guide), identity) as writer:
        for slot in writer.missing():
            writer.write(slot, program.logits(slot.view, np.arange(slot.start, slot.stop)) / 4)
        assert writer.seal()
    with pytest.raises(InvalidInput, match="has the key 'identity': expected another name.*move it into the identity"):
        GuideIdentity.of_logits(name="own", identity={"file": "a"}, training={"identity": "b"})
