"""A plain PyTorch loop that trains a student from guide stores: python train_student.py STORE STORE STORE"""

import sys

import torch

import dgkd_cache as dgkd


def main(stores: list[str]) -> float:
    data = dgkd.load_dataset("digits")
    student = dgkd.build_model("resnet8", channels=1, classes=10, height=8, width=8, seed=0)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)

    bank = dgkd.GuideBank(stores, data.train)  # proves that the guides saw these images
    for batch in bank.loader(batch_size=128, epochs=5, seed=0, dropping=dgkd.Dropping(keep=0.75)):
        loss = batch.loss(student(batch.pixels / 255))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return dgkd.evaluate(student, lambda pixels: student(pixels / 255), data.test).accuracy


if __name__ == "__main__":
    print(f"test accuracy {main(sys.argv[1:]):.4f}")
