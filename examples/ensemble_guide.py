"""The mean of two models as one guide, which has no weights of its own: python ensemble_guide.py FOLDER

It is the mean of the logits, not of the probabilities. The softmax of mean logits at temperature T is the geometric
mean of the members' softmaxes at T, whatever T is, so one store serves students of any temperature. The mean of
probabilities belongs to the one temperature at which they were taken.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

import dgkd_cache as dgkd
from dgkd_cache.models import weights_digest


def trained(data: dgkd.Dataset, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    pixels, labels = data.train.pixels_NIHW, torch.from_numpy(data.train.labels_N)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(pixels / 255), labels).backward()
        optimizer.step()
    return model.eval()


def main(folder: str) -> Path:
    data = dgkd.load_dataset("digits")
    plan = dgkd.ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)"])
    train, test = dgkd.ViewRenderer(plan, data.train), dgkd.ViewRenderer(plan, data.test)
    members = [trained(data, seed) for seed in (1, 2)]

    def mean_logits(pixels: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():  # models of any library do here: the result is an array
            return np.mean([member(pixels / 255).numpy() for member in members], axis=0)

    path = Path(folder) / "ensemble.zarr"
    writer = dgkd.GuideWriter.from_logits(
        path,
        lambda view, samples: mean_logits(train.pixels([view] * len(samples), samples)),
        identity={"mean of the logits of": [weights_digest(member) for member in members]},
        guide=dgkd.Provenance(name="ensemble", architecture="mean of 2 networks"),
        train=train,
        views=range(4),
        test=test,
        test_logits=lambda samples: mean_logits(test.evaluation_pixels(samples)),
    )
    print(writer.run(progress=dgkd.PrintProgress()))
    return path


if __name__ == "__main__":
    main(*sys.argv[1:])
