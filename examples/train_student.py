"""A plain PyTorch loop that trains a student from three guide stores: python train_student.py STORE STORE STORE"""

import sys

import torch
from torch.utils.data import DataLoader

import dgkd_cache as dgkd

EPOCHS, VIEWS, T = 5, 4, 4.0


def main(stores: list[str]) -> float:
    data = dgkd.load_dataset("digits")
    plan = dgkd.ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)"])
    random = dgkd.RunRandom(seed=0)
    schedule = dgkd.Schedule("cycle", VIEWS, random=random, samples=len(data.train))
    sampler = dgkd.ViewSampler(schedule, random, len(data.train), batch_size=128)
    loader = DataLoader(dgkd.ViewDataset(data.train, plan), batch_sampler=sampler, num_workers=2)
    bank = dgkd.GuideBank(stores, views=dgkd.ViewRenderer(plan, data.train), scheduled=range(VIEWS), temperature=T)
    dropping = dgkd.Dropping(kind="bernoulli", keep=0.75)
    student = dgkd.build_model("resnet8", channels=1, classes=10, height=8, width=8, seed=random.torch_seed())
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        for step, (pixels, labels, views, samples) in enumerate(loader, epoch * len(loader)):
            keep = dropping.keep_mask(random.drop_words(step, len(bank.names)), bank.names)
            softened = bank.gather(views.numpy(), samples.numpy(), keep)  # a dropped guide is not read
            logits = student(pixels.float() / 255)
            loss = dgkd.dense_guidance_loss(logits, labels, softened, guides=len(bank.names), temperature=T).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    answers = student.eval()(data.test.resident.float() / 255).argmax(1)
    return (answers.numpy() == data.test.labels_N).mean()


if __name__ == "__main__":
    print(f"test accuracy {main(sys.argv[1:]):.4f}")
