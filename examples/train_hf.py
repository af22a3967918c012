"""Hugging Face's Trainer trains a student from guide stores: python train_hf.py STORE STORE STORE"""

import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import torch
import transformers

import dgkd_cache as dgkd


class Batches:
    """The loader's batches, each in a dict, as the Trainer takes its inputs."""

    def __init__(self, loader: dgkd.GuideLoader) -> None:
        self.loader = loader
        self.set_epoch = loader.set_epoch  # the Trainer calls it before each epoch

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[dict[str, dgkd.GuidedBatch]]:
        return ({"batch": batch} for batch in self.loader)


class GuidedTrainer(transformers.Trainer):
    def get_train_dataloader(self) -> Any:
        return self.train_dataset  # its batches are made already: no sampler, no collator

    def compute_loss(self, model: torch.nn.Module, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        batch = inputs["batch"]
        logits = model(batch.pixels / 255)
        loss = batch.loss(logits)
        return (loss, logits) if return_outputs else loss


def main(stores: list[str]) -> float:
    data = dgkd.load_dataset("digits")
    student = dgkd.build_model("resnet8", channels=1, classes=10, height=8, width=8, seed=0)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)

    bank = dgkd.GuideBank(stores, data.train)  # proves that the guides saw these images
    batches = Batches(bank.loader(batch_size=128, seed=0, dropping=dgkd.Dropping(keep=0.75)))
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            folder, num_train_epochs=5, lr_scheduler_type="constant", max_grad_norm=0, save_strategy="no", use_cpu=True
        )
        GuidedTrainer(student, settings, train_dataset=batches, optimizers=(optimizer, None)).train()

    return dgkd.evaluate(student, lambda pixels: student(pixels / 255), data.test).accuracy


if __name__ == "__main__":
    print(f"test accuracy {main(sys.argv[1:]):.4f}")
