"""Write the guide store of a model of your own: python dump_own_model.py NAME FOLDER"""

import sys
from pathlib import Path

import torch
from torch import nn

import dgkd_cache as dgkd


def main(name: str, folder: str) -> Path:
    data = dgkd.load_dataset("digits")
    plan = dgkd.ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)"])
    torch.manual_seed(len(name))
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    pixels, labels = data.train.pixels_NIHW, torch.from_numpy(data.train.labels_N)
    for _ in range(30):  # your own training, whatever it is
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(pixels / 255), labels).backward()
        optimizer.step()

    path = Path(folder) / f"{name}.zarr"
    writer = dgkd.GuideWriter(
        path,
        model.eval(),
        lambda pixels: model(pixels / 255),  # uint8 (B, I, H, W) to logits (B, C)
        guide=dgkd.Provenance(name=name),
        train=dgkd.ViewRenderer(plan, data.train),
        test=dgkd.ViewRenderer(plan, data.test),
        views=range(4),
        settings=dgkd.DumpSettings(temperature=4.0),
    )
    print(writer.run())
    return path


if __name__ == "__main__":
    main(*sys.argv[1:])
