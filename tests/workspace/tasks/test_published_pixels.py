"""Un-augmented images of adopted models, against the published transforms themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torchvision.transforms import functional as F

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.published import published_of
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.workspace.tasks.published_pixels import unaugmented


def images(height: int, width: int) -> TensorImages:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 3, height, width), dtype=np.uint8)
    return TensorImages(pixels, [0, 1, 0], classes=["a", "b"], name="noise", split="test")


def prepared(preprocess: Preprocess, source: TensorImages) -> torch.Tensor:
    plan = ViewPlan.build(image=(3, source.height, source.width), transforms=["resized-crop(24)"])
    return Preprocessing(preprocess)(unaugmented(plan, source, preprocess).evaluation_pixels([0, 1, 2]))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 61), (300, 260), (224, 224)])
def test_torchvisions_transforms_on_tensors(height: int, width: int) -> None:
    source = images(height, width)
    transforms = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    preprocess = published_of("torchvision:resnet18").preprocess
    assert preprocess is not None
    expected = torch.stack([transforms(source.image(i)) for i in range(3)])
    assert torch.allclose(prepared(preprocess, source), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet10t", "vit_base_patch16_siglip_224"])  # a centre crop, and both sides squashed
@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 61), (260, 230)])
def test_timms_transforms_on_images_of_pillow(name: str, height: int, width: int) -> None:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    source = images(height, width)
    with torch.device("meta"):
        config = timm.data.resolve_model_data_config(timm.create_model(name))
    transforms = timm.data.create_transform(**config)
    preprocess = published_of(f"timm:{name}").preprocess
    assert preprocess is not None
    expected = torch.stack([transforms(F.to_pil_image(source.image(i))) for i in range(3)])
    assert torch.allclose(prepared(preprocess, source), expected, atol=1e-6)


def test_a_model_that_was_trained_here_has_images_in_the_views_size() -> None:
    source = images(32, 32)
    plan = ViewPlan.build(image=(3, 32, 32), transforms=["none"])
    preprocess = Preprocess.build(mean=["0.5"] * 3, std=["0.5"] * 3, input_size=64)
    assert type(unaugmented(plan, source, preprocess)) is ViewRenderer
