"""The README.md of a guide card: front matter for the Hub, and a page that is read in a minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dgkd_stores.coding.canonical import canonical_json
from dgkd_stores.coding.strict_json import parse_strictly
from dgkd_stores.format.draws import DRAW
from dgkd_stores.format.header import GuideIdentity, StoreHeader
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.sharing.card_text import hub_licence, in_markdown, in_yaml, percent, size_category, size_text

__all__ = ["data_licence_of", "make_readme", "summary"]

_CLASSES_SHOWN = 20

_ENTRIES_SHOWN = 20
"""Keys of the identity of given logits that a card shows."""

_SETTINGS = ("method", "objective", "epochs", "optimizer", "lr", "batch_size", "seed")
"""Keys of a guide's training that a card shows."""

_KNOWN = {
    "digits": "CC-BY-4.0 (UCI, Optical Recognition of Handwritten Digits)",
    "fashion-mnist": "MIT",
    "mnist": "",
    "cifar10": "",
    "cifar100": "",
}
"""The data sets that `load_dataset` has by name, with the licence that their makers state."""


_PLACED = {"folder": "folder:PATH", "imagenet": "imagenet:ROOT", "tiny-imagenet": "tiny-imagenet:ROOT"}
"""The data sets that `load_dataset` has by a name and a folder."""


def make_readme(store: GuideStore, *, name: str, data_licence: str) -> str:
    """Returns the README.md of a finished store that is published as `name`; `data_licence` is that of the images."""
    header = store.header
    guide, data = header.guide, header.dataset
    of = "" if guide.identity is not None else f" of {guide.architecture}"
    shown = in_markdown(guide.called), f" of {in_markdown(guide.architecture)}" if of else "", in_markdown(data.name)
    lines = [
        "---",
        *hub_licence(header.licence),
        f"pretty_name: {in_yaml(f'{guide.called}: logits{of} on {data.name}')}",
        "annotations_creators: [machine-generated]",
        "task_categories: [image-classification]",
        f'size_categories: ["{size_category(data.samples)}"]',
        f"source_datasets: [{in_yaml(f'extended|{data.name}')}]",
        f"tags: [dgkd-cache, knowledge-distillation, logits, machine-generated, {store.kind}]",
        "---",
        "",
        f"# {shown[0]}: logits{shown[1]} on {shown[2]}",
        "",
        summary(header),
        "",
        "| | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in _facts(store, data_licence)),
        "",
        "## Use",
        "",
        "```python",
        *_use(header, name),
        "```",
        "",
        "The second line refuses to go on unless your images, labels, classes and their augmentation are those that "
        "the guide saw; each batch has pixels, labels and the guide's logits. Without torch and without the images:",
        "",
        "```sh",
        'pip install "dgkd-cache[share]"  # or the path of a copy of its repository',
        f"dgkd-cache verify --full {name}",
        f"dgkd-cache verify {name} --key PUBLIC_KEY  # who made it: needs {name}.sig, and the maker's key",
        "```",
        "",
        "## Where it comes from",
        "",
        *_provenance(header),
    ]
    return "\n".join(lines) + "\n"


def summary(header: StoreHeader) -> str:
    """Returns in a few sentences what a store is, as Markdown."""
    guide, data = header.guide, header.dataset
    views = "1 augmented view" if header.views == 1 else f"{header.views:,} augmented views"
    images = f"for every {in_markdown(data.split)} image of {in_markdown(data.name)}, in {views}"
    if guide.identity is not None:
        return (
            f"A guide for knowledge distillation: temperature-softened logits that a program gave {images}. A student "
            "learns from it without that program; it holds no images. What gave the logits is said below, in the "
            "maker's words."
        )
    model = f"{in_markdown(guide.architecture)} ({guide.parameters:,} parameters)"
    drawn = f"draw {guide.draw} of " if guide.draw is not None else ""
    active = ", in one pass with its dropout active," if drawn else ""
    return (
        f"A guide for knowledge distillation: the temperature-softened logits of {drawn}a trained {model}{active} "
        f"{images}. A student "
        "learns from it without the model; it holds neither images nor weights. A model computed every number in it."
    )


def data_licence_of(header: StoreHeader, given: str) -> str:
    """Returns the licence of the images: as given, or as it is known of a data set of that name."""
    return given or _KNOWN.get(header.dataset.name, "")


def _facts(store: GuideStore, data_licence: str) -> Iterator[tuple[str, str]]:
    header = store.header
    guide, data, compute = header.guide, header.dataset, header.compute
    tests = f" of {data.test_samples:,} test samples" if data.test_samples else ""
    of_what = "the guide itself" if guide.draw is None else "this draw"
    yield "accuracy", f"{percent(guide.accuracy)}{tests}, by {of_what}" if guide.accuracy else "not measured"
    if guide.draw is not None:
        yield "draw", f"{guide.draw}: one pass of the model with its dropout active, at {_rates(guide)}"
    yield "rows", f"{header.views:,} views x {data.samples:,} samples x {header.classes:,} classes"
    more = header.classes - _CLASSES_SHOWN
    classes = ", ".join(map(in_markdown, data.classes[:_CLASSES_SHOWN])) + (f" and {more:,} more" if more > 0 else "")
    yield "classes", classes
    yield "view plan", f"{_plan(header.plan)}; digest `{header.plan_digest[:16]}`"
    yield "views", f"{header.first_view:,} to {header.first_view + header.views - 1:,} of that plan"
    kl, top1 = float(str(header.fidelity["kl"])), percent(str(header.fidelity["top1"]))
    error = f"KL {kl:.2g} nats to the exact logits, the same first class in {top1} of {header.fidelity['rows']:,} rows"
    yield "encoding", f"{header.encoding}, logits / {header.temperature}; {error}"
    yield "size", f"{size_text(store.nbytes)}, {store.kind}, codec {store.codec}"
    computed = [f"{key} {compute[key]}" for key in ("device", "precision", "torch") if key in compute]
    given = "elsewhere: a program gave the logits"
    yield "computed with", given if guide.identity is not None else in_markdown(", ".join(computed))
    yield "data set", f"{in_markdown(data.name)}, {in_markdown(data.split)}; digest `{data.digest[:16]}`"
    of_data = data_licence_of(header, data_licence)
    yield "licence of the logits", in_markdown(header.licence) if header.licence else "not stated by their maker"
    yield "licence of the data", in_markdown(of_data) if of_data else "see the data set's own source"
    yield "seal", f"`{store.seal}`"


def _rates(guide: GuideIdentity) -> str:
    record: Any = guide.training[DRAW]
    rates = sorted(set(record["rates"].values()), key=float)
    return f"the rate{'s' * (len(rates) > 1)} {', '.join(map(in_markdown, rates[:_ENTRIES_SHOWN]))}"


def _plan(plan: Mapping[str, Any]) -> str:
    """Describes a view plan of any program: the transforms by name and numbers, the scheme and the seed."""
    found = plan.get("transforms")
    transforms = ", ".join(map(_transform, found)) if isinstance(found, list) else ""
    rest = [f"{key} {plan[key]}" for key in ("scheme", "seed", "decoder") if isinstance(plan.get(key), str | int)]
    return in_markdown(", ".join(filter(None, [transforms or "no transforms", *rest])))


def _transform(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    # The order of keys in a plan says nothing, so several numbers have their names.
    numbers = [(key, str(one)) for key, one in value.items() if key != "name" and isinstance(one, int | str)]
    shown = [number if len(numbers) == 1 else f"{key} {number}" for key, number in numbers[:6]]
    return str(value.get("name", "?")) + (f"({', '.join(shown)})" if shown else "")


def _use(header: StoreHeader, name: str) -> Iterator[str]:
    data = header.dataset.name
    images = _PLACED.get(data.partition(":")[0], data if data in _KNOWN else "MODULE:FACTORY")
    yield "import dgkd_cache as dgkd"
    yield f'bank = dgkd.GuideBank(["{name}"], dgkd.load_dataset("{images}").train)'
    yield 'batches = bank.loader(batch_size=128, dropping=dgkd.Dropping(kind="none"))'


def _provenance(header: StoreHeader) -> Iterator[str]:
    guide = header.guide
    if (identity := guide.identity) is None:
        yield f"- weights: `{guide.weights_digest}`"
    else:
        yield f"- no weights: a program gave its logits, of the identity `{guide.weights_digest}`"
        for key, value in list(identity.items())[:_ENTRIES_SHOWN]:
            text = value if isinstance(value, str) else canonical_json(value).decode()
            yield f"- {in_markdown(key)}: {in_markdown(text)}"
    yield from _derivation(guide.training.get("derived_from"))
    for name, seal in guide.guides.items():
        yield f"- learnt from {in_markdown(name)}: the store of seal `{seal}`"
    if not guide.guides and identity is None:
        yield "- learnt from labels alone: it had no guides"
    settings = [f"{key} {guide.training[key]}" for key in _SETTINGS if key in guide.training]
    if settings:
        yield f"- trained with {in_markdown(', '.join(settings))}"
    yield from _pruning(guide.training.get("pruning"))
    yield ""
    yield "All of this is in the store's header, which the seal covers. A seal tells that a store is whole, a signature"
    yield "beside it who made it. `dgkd-cache card` wrote this page from the store."


def _pruning(text: object) -> Iterator[str]:
    """Yields a line for a guide whose card says that it was pruned; none for any other, or for a text of another form.

    The value of that key is the JSON of the model's card.
    """
    try:
        found = parse_strictly(text.encode()) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return
    if not isinstance(found, Mapping):
        return
    kept, of = found.get("weights_kept"), found.get("weights_of")
    if not isinstance(kept, int) or not isinstance(of, int):
        return
    source, criterion = (in_markdown(str(found.get(key, "?"))) for key in ("source", "criterion"))
    yield f"- pruned from {source}: {kept:,} of {of:,} weights are left, by the criterion {criterion}; all others are 0"


def _derivation(value: object) -> Iterator[str]:
    """Yields a line for each store that this one was made from, as `derived_from` names them; none if there is none."""
    if isinstance(value, str):  # of a control of a study
        yield f"- its rows were made from the store of seal {in_markdown(value)}"
    if not isinstance(value, Mapping):
        return
    sources = value.get("sources")
    for one in sources if isinstance(sources, list) else []:
        if isinstance(one, Mapping):
            first, views = one.get("first_view"), one.get("views")
            held = (
                f", views {first} to {first + views - 1}" if isinstance(first, int) and isinstance(views, int) else ""
            )
            made = f"- made by {in_markdown(str(value.get('operation', '?')))} from the store of seal"
            yield f"{made} {in_markdown(str(one.get('seal', '?')))}{held}"
