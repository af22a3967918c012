"""Models that torchvision and timm publish, against their own objects; weights that are known by their digest."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torchvision

from dgkd_cache.errors import Damaged, InvalidInput
from dgkd_cache.models.published import pretrained_weights, published_of


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "efficientnet_b3", "swin_v2_t", "vgg16"])
def test_torchvisions_transforms(name: str) -> None:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    transforms, found = weights.transforms(), published_of(f"torchvision:{name}", pretrained=True)
    assert found.preprocess is not None and found.preprocess.resizing is not None
    assert found.preprocess.input_size == transforms.crop_size[0]
    assert found.preprocess.resizing.short_side == transforms.resize_size[0]
    assert found.preprocess.resizing.interpolation == transforms.interpolation.value
    assert [float(text) for text in found.preprocess.mean] == transforms.mean
    assert [float(text) for text in found.preprocess.std] == transforms.std
    assert found.classes == (tuple(weights.meta["categories"]),)
    assert found.class_count == 1000 and published_of(f"torchvision:{name}").class_count is None
    assert (found.name, found.url) == (weights.name, weights.url)


def test_a_file_is_known_by_the_digest_in_its_name() -> None:
    first = torchvision.models.ResNet50_Weights.IMAGENET1K_V1  # resnet50-0676ba61.pth
    found = published_of("torchvision:resnet50", sha256="0676ba61" + "0" * 56)
    assert found.name == "IMAGENET1K_V1" and found.classes == (tuple(first.meta["categories"]),)
    assert found.preprocess is not None and found.preprocess.resizing is not None
    assert found.preprocess.resizing.short_side == 256
    other = published_of("torchvision:resnet50", sha256="f" * 64)
    assert (other.name, other.classes) == ("", ())


def test_the_input_transform_of_inception_is_in_the_preprocessing() -> None:
    found = published_of("torchvision:inception_v3", pretrained=True)
    assert found.preprocess is not None
    normal = torchvision.models.Inception_V3_Weights.DEFAULT.transforms()
    pixels = torch.rand(2, 3, 4, 4)
    mean, std = (torch.tensor(values)[:, None, None] for values in (normal.mean, normal.std))
    model = torchvision.models.Inception3(init_weights=False, transform_input=True, aux_logits=False)
    mine = (pixels - 0.5) / 0.5
    assert found.preprocess.mean == found.preprocess.std == ("0.5",) * 3
    assert torch.allclose(model._transform_input((pixels - mean) / std), mine, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet10t", "vit_base_patch16_siglip_224", "convnext_atto"])
def test_timms_data_configuration(name: str) -> None:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    with torch.device("meta"):
        config = timm.data.resolve_model_data_config(timm.create_model(name))
    found = published_of(f"timm:{name}").preprocess
    assert found is not None and found.resizing is not None
    assert (found.input_size, found.resizing.interpolation) == (config["input_size"][1], config["interpolation"])
    assert found.resizing.short_side == math.floor(config["input_size"][1] / config["crop_pct"])
    assert found.resizing.squash == (config["crop_mode"] == "squash")
    assert [*map(float, found.mean)] == list(config["mean"]) and [*map(float, found.std)] == list(config["std"])


def test_timms_classes_are_known_as_synsets_and_as_words() -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    synsets, words = published_of("timm:resnet10t", pretrained=True).classes
    assert (len(synsets), synsets[0], words[0]) == (1000, "n01440764", "tench, Tinca tinca")


@pytest.mark.parametrize(
    ("name", "classes"),
    [("resnet10t", 1000), ("convnext_nano.in12k", 11821), ("vit_small_patch14_dinov2.lvd142m", 0)],
)
def test_the_number_of_classes_of_timms_weights(name: str, classes: int) -> None:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    with torch.device("meta"):
        assert timm.create_model(name).num_classes == classes
    assert published_of(f"timm:{name}", pretrained=True).class_count == classes
    assert published_of(f"timm:{name}").class_count is None


def test_nothing_is_published_of_other_networks() -> None:
    assert published_of("resnet8").preprocess is None
    with pytest.raises(InvalidInput, match="nothing is published of resnet8"):
        published_of("resnet8", pretrained=True)


def test_a_downloaded_file_must_be_the_published_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    path.parent.mkdir()
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(Damaged, match="expected SHA-256 f37072fd"):
        pretrained_weights("torchvision:resnet18")


def test_a_download_that_fails_names_the_other_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(InvalidInput, match="cannot be had.*no network.*adopt that"):
        pretrained_weights("torchvision:resnet18")
