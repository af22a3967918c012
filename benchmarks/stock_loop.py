"""A training loop as one writes it from the paper with torchvision at hand; nothing of this project's loop is in it.

Images become PIL images and go one by one through torchvision's transforms, a DataLoader with two workers collates
them, and everything is float32 and contiguous. All guides are forwarded at each step; one divergence is then left out
at random, as the authors' code does, and the objective is theirs: KLDivLoss as it comes, a mean over all elements.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

__all__ = ["StockImages", "StockLoop"]

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class StockImages(Dataset[tuple[Tensor, int]]):
    """Images as in torchvision's CIFAR10: pixels (N, 32, 32, 3) in memory; an item is a transformed PIL image."""

    def __init__(self, pixels_NHWI: NDArray[np.uint8], labels_N: NDArray[np.int64]) -> None:
        self._pixels_NHWI, self._labels = pixels_NHWI, labels_N.tolist()
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(pixels_NHWI.shape[1], padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image_IHW: Tensor = self._transform(Image.fromarray(self._pixels_NHWI[index]))
        return image_IHW, self._labels[index]


class StockLoop:
    """Trains `student` under `guides` (none: by cross-entropy alone)."""

    def __init__(
        self,
        images: StockImages,
        student: nn.Module,
        guides: Sequence[nn.Module],
        *,
        device: torch.device,
        temperature: float = 4.0,
        lambda_: float = 0.5,
        workers: int = 2,
    ) -> None:
        self._device = device
        self._student = student.to(device).train()
        self._guides = [guide.to(device).eval() for guide in guides]
        self._temperature, self._lambda = temperature, lambda_
        self._loader = DataLoader(
            images,
            batch_size=128,
            shuffle=True,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            drop_last=True,
        )
        self._optimizer = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch advises against this mean; the authors use it
            self._divergence = nn.KLDivLoss()
        self._cross_entropy = nn.CrossEntropyLoss()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch; its workers end with it."""
        return iter(self._loader)

    def step(self, images_BIHW: Tensor, labels_B: Tensor) -> float:
        images_BIHW = images_BIHW.to(self._device, non_blocking=True)
        labels_B = labels_B.to(self._device, non_blocking=True)
        logits_BC = self._student(images_BIHW)
        loss = self._cross_entropy(logits_BC, labels_B)
        if self._guides:
            loss = (1 - self._lambda) * loss + self._lambda * self._temperature**2 * self._guidance(
                images_BIHW, logits_BC
            )
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return float(loss.item())

    def _guidance(self, images_BIHW: Tensor, logits_BC: Tensor) -> Tensor:
        with torch.no_grad():
            guided = [guide(images_BIHW) for guide in self._guides]
        log_student_BC = torch.log_softmax(logits_BC / self._temperature, dim=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            terms = [
                self._divergence(log_student_BC, torch.softmax(guide_BC / self._temperature, dim=1))
                for guide_BC in guided
            ]
        terms.pop(random.randrange(len(terms)))
        return torch.stack(terms).sum()
