"""Lightning trains a student from guide stores: python train_lightning.py STORE STORE STORE"""

import sys

import lightning
import torch

import dgkd_cache as dgkd


class Student(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = dgkd.build_model("resnet8", channels=1, classes=10, height=8, width=8, seed=0)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.network(pixels / 255)

    def training_step(self, batch: dgkd.GuidedBatch, batch_idx: int) -> torch.Tensor:
        loss = batch.loss(self(batch.pixels))
        self.log("loss", loss, batch_size=len(batch))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def main(stores: list[str]) -> float:
    data = dgkd.load_dataset("digits")
    student = Student()

    bank = dgkd.GuideBank(stores, data.train)  # proves that the guides saw these images
    # Without epochs= each iteration is one epoch. Lightning takes the batches as they are: this is no DataLoader.
    loader = bank.loader(batch_size=128, seed=0, dropping=dgkd.Dropping(keep=0.75))
    trainer = lightning.Trainer(max_epochs=5, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(student, train_dataloaders=loader)

    return dgkd.evaluate(student, student, data.test).accuracy


if __name__ == "__main__":
    print(f"test accuracy {main(sys.argv[1:]):.4f}")
