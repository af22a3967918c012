"""Calls of the library that provoke a hint with code, for tests/test_applied_code.py."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CASES", "Code"]


@dataclass(frozen=True)
class Code:
    """The call that provokes a hint of the source, and the words in it that the hint is for (default: the argument).

    `filled` stands for what a hint leaves open; `offers` is how many pieces of code it gives.
    """

    hint: str
    program: str
    wrong: str = ""
    offers: int = 1
    filled: tuple[tuple[str, str], ...] = ()


WRITER = (
    "GuideWriter(path=fresh(), model=model, forward={forward}, guide={guide}, train={train}, test=test, views={views}, "
    "settings={settings})"
)
GIVEN = {
    "forward": "forward",
    "guide": "Provenance(name='teacher')",
    "train": "train",
    "views": "range(2)",
    "settings": "DumpSettings()",
}
PROGRAM = (
    "GuideWriter.from_logits(path=fresh(), logits={logits}, identity={identity}, guide=Provenance(name='given'), "
    "train=train, views=range(2))"
)
PLAN = "ViewPlan.build(image=(1, 8, 8), transforms={})"
DRAWN = "Schedule(kind='draw', views=3, random={}, samples=100)"

CASES = [
    Code("write always=(X,)", "Dropping(always='teacher')"),
    Code("write bank.names", "Dropping().keep_mask(random=random, step=step, names='teacher')"),
    Code("write RunRandom(seed)", "Dropping().keep_mask(random=seed, step=0, names=bank.names)"),
    Code("write [X]", "GuideBank(stores='teacher.zarr', images=train)"),
    Code("write list(stores)", "GuideBank(stores=stores, images=train)"),
    Code('write ["teacher.zarr", "ta1.zarr"]', "GuideBank(stores={'teacher.zarr'}, images=train)"),
    Code("write images=data.train", "GuideBank(stores=['teacher.zarr'], images=data)"),
    Code("write views=range(X)", "GuideBank(stores=['teacher.zarr'], images=train, views=3)"),
    Code("write align=True, which matches the samples by content", "GuideBank(stores=['teacher.zarr'], images=turned)"),
    Code("write dropping=Dropping(keep=0.75)", "bank.loader(batch_size=4, dropping=0.75)"),
    Code("write temperature=X", "GuideBank(stores=[*stores, warmer()], images=train)"),
    Code("write lambda pixels: model(pixels / 255)", WRITER.format_map(GIVEN | {"forward": "1"})),
    Code("write guide=dgkd_cache.Provenance(name=X)", WRITER.format_map(GIVEN | {"guide": "'ta1'"})),
    Code(
        "write settings=dgkd_cache.DumpSettings(temperature=4.0)", WRITER.format_map(GIVEN | {"settings": "{'x': 4.0}"})
    ),
    Code("write X=dgkd_cache.ViewRenderer(plan, data.X)", WRITER.format_map(GIVEN | {"train": "images"})),
    Code("write views=range(X)", WRITER.format_map(GIVEN | {"views": "3"})),
    Code(
        'write for example identity={"service": "classifier", "version": 3}',
        PROGRAM.format(logits="lambda view, samples_B: rows[samples_B]", identity="{}"),
    ),
    Code(
        "give logits=lambda view, samples_B: rows[samples_B]",
        PROGRAM.format(logits="None", identity="{'service': 'classifier'}"),
    ),
    Code('write transforms = ["none"] for none', PLAN.format([])),
    Code('write transforms=["crop(4)", "hflip"]', PLAN.format("[torch.nn.Identity()]")),
    Code("write one of them, for example crop(4) or hflip", PLAN.format(["zzz"]), wrong="zzz", offers=2),
    Code("write for example X", PLAN.format(["resized-crop(0)"]), wrong="resized-crop(0)"),
    Code("write for example X", PLAN.format(["crop(0)"]), wrong="crop(0)"),
    Code("write for example X", PLAN.format(["erasing(2)"]), wrong="erasing(2)"),
    Code(
        "write for example X", PLAN.format(["color-jitter(0.4, 0.4, 0.4, 1)"]), wrong="color-jitter(0.4, 0.4, 0.4, 1)"
    ),
    Code(
        "write blur(X, X, X) or leave it out",
        PLAN.format(["blur(0.1, 3)", "erasing"]),
        wrong="blur(0.1, 3)",
        offers=2,
    ),
    Code("write crop(X) or leave it out", PLAN.format(["crop(8)", "hflip"]), wrong="crop(8)", offers=2),
    Code(
        'put a resized-crop first, for example transforms = ["resized-crop(224)", "hflip"]',
        "ViewPlan.build(image=(1, None, None), transforms=['crop(1)'])",
    ),
    Code(
        'set scheme = "sampled"', "ViewPlan.build(image=(1, 8, 8), transforms=['resized-crop(8)'], scheme='enumerated')"
    ),
    Code("write them in that order", PLAN.format(["hflip", "crop(1)"])),
    Code("write image=(X, X, X)", "ViewPlan.build(image=(8, 8, 1), transforms=['hflip'])"),
    Code("write ViewDataset(plan, images)", "ViewDataset(images, images)"),
    Code("write ViewRenderer(plan, images)", "ViewRenderer(images, images)"),
    Code("write RunRandom(seed)", "ViewSampler(schedule=schedule, random=seed, samples=100, batch_size=4)"),
    Code("write random=RunRandom(seed)", DRAWN.format("seed")),
    Code(
        "write len(images), or train_N",
        "ViewSampler(schedule=schedule, random=random, samples=images, batch_size=4)",
        offers=2,
    ),
    Code(
        "give the DataLoader batch_sampler=ViewSampler(...)",
        "first_batch(dataset=view_dataset)",
        filled=(("ViewSampler(...)", "ViewSampler(schedule, random, len(images), 4)"),),
    ),
    Code(
        "write TensorImages(pixels, labels, classes=..., name=..., split=...) for arrays, or "
        'load_dataset("folder:PATH").train for files',
        "ViewRenderer(plan=rgb_plan, images=pixels)",
        offers=2,
        filled=(
            ("classes=..., name=..., split=...", 'classes=("a", "b"), name="mine", split="train"'),
            ("folder:PATH", "folder:photos"),
        ),
    ),
    Code("write views.pixels([0, 0], [5, 17]) for samples 5 and 17 in view 0", "train.pixels(views_B=0, samples_B=5)"),
    Code(
        "give channels=X, height=X, width=X, and images in that order",
        "Own(name='a', split='b', classes=('x',), labels_N=[0], channels=8, height=8, width=1)",
    ),
    Code(
        "give what bank.gather(views, samples, keep) returns, and guide_count=len(bank.names)",
        "dense_guidance_loss(logits_BC=logits, labels_B=labels, softened_KBC=logits, guide_count=1, "
        "objective='paper', lambda_=0.5, temperature=1.0)",
    ),
    Code(
        "write samples=len(images) for the Schedule: it is made for the whole data set",
        "views_of(kind='draw', samples=5)",
    ),
    Code("write stop=lambda: False", "run(stop=True)"),
    Code('write encoding="topk"', "DumpSettings(topk=3)"),
    Code("write X(os.environ)", "choose_waiting(environment=None)"),
    Code("write X(os.environ)", "describe_waiting(environment=None)"),
    Code("write X(os.environ)", "keep_freed_memory(environment=None)"),
    Code("write X(os.environ)", "describe_freed_memory(environment=None)"),
    Code("write X=X", "Dataset(train=images, test=data.test, mean=(0.5,), std=('1',))"),
    Code(
        "write classes=[X], if that is the only class",
        "TensorImages(pixels, [0, 0], classes='cat', name='mine', split='train')",
    ),
    Code("write folder:X for images in class folders", "load_dataset(name='photos')", wrong="photos"),
    Code("try wrn-16-2", "build('wrn-x')", wrong="wrn-x"),
    Code("wrn-X-X and wrn-X-X are the nearest", "build('wrn-17-2')", wrong="wrn-17-2", offers=2),
    Code("did you mean X?", "build('plain12')", wrong="plain12", offers=3),
    Code("did you mean X?", "get_encoding('float46')", wrong="float46"),
    Code("did you mean X?", "get_codec('zsd')", wrong="zsd"),
    Code("did you mean X?", "load_dataset(name='digit')", wrong="digit"),
    Code("did you mean X?", "Schedule(kind='drwa', views=3, random=random, samples=9)", wrong="drwa"),
    Code("did you mean X?", "Dropping(kind='bernouli')", wrong="bernouli"),
    Code("did you mean X?", PLAN.format(["hfilp"]), wrong="hfilp"),
    Code("use the encoding float32", "get_encoding('float16').encode(numpy.full((1, 4), 1e6, 'f4'))", wrong="float16"),
    Code(
        "write a number that is no integer as a decimal string (`decimal(x)`)", "canonical_json({'lr': x})", wrong="x"
    ),
    Code(
        "set reader to mmap, if you trust its disk",
        "GuideStore.open(path='teacher.zarr', reader='pread').gather([0], [0])",
        wrong="pread",
    ),
]
