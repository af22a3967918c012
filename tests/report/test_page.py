"""The page: whole, closed, self-contained, below a megabyte; what is hostile in it is text."""

from __future__ import annotations

import base64
import hashlib
import re
from xml.etree.ElementTree import Element

import pytest
from support.markup import read_page, table_texts, text_of
from support.study_results import DRAWN, HOSTILE, PRUNED, made_results, made_timings, sweep

from dgkd_cache.report.page import make_page, sections_of
from dgkd_cache.report.results_file import Results


def page_of(content: dict, **settings: str) -> str:
    words = {"verdict": "v", "title": "t", "command": "c", "version": "1"} | settings
    return make_page(Results.model_validate(content), made_timings(content), **words)


@pytest.fixture(scope="module")
def hostile() -> str:
    variants = {
        name: {"method": "kd" if index else "scratch", "lambda": index / 10} for index, name in enumerate(HOSTILE)
    }
    content = made_results(variants, names=[*HOSTILE, *HOSTILE[:2]])
    return page_of(content, verdict=" ".join(HOSTILE), title=HOSTILE[2], command=HOSTILE[0])


def by_class(root: Element, css: str) -> list[Element]:
    return [one for one in root.iter() if css in one.attrib.get("class", "").split()]


def test_a_large_study_is_below_a_megabyte(page_text: str) -> None:
    assert len(page_text.encode()) < 1_000_000
    large = made_results(sweep(), epochs=30, classes=1000, names=[f"a class of a long name {i}" for i in range(1000)])
    assert len(page_of(large).encode()) < 1_000_000


def test_every_section_of_the_promise_is_there(page: Element) -> None:
    titles = [text_of(one) for one in page.iter("h2")]
    assert titles == [
        *("Variants", "Every run", "Learning curves", "Accuracy against cost", "Who guides whom", "Sweeps"),
        *("Agreement with the guides", "Calibration", "Accuracy by class", "How to make it again"),
    ]
    (verdict,) = by_class(page, "verdict")
    assert text_of(verdict) == "Dense guidance helps."
    assert "dgkd-cache compare --seeds 5" in [text_of(one) for one in page.iter("pre")]
    assert "dgkd-cache 1.2.3" in text_of(page)


def test_every_figure_has_a_caption_and_a_table(page: Element) -> None:
    figures = [*page.iter("figure")]
    assert len(figures) == 11
    for number, figure in enumerate(figures, 1):
        caption = text_of(next(figure.iter("figcaption")))
        assert caption.startswith(f"Figure {number}.")
        (details,) = figure.iter("details")
        assert "open" not in details.attrib and text_of(next(details.iter("summary"))) == f"Data of figure {number}"
        (table,) = details.iter("table")
        assert len(table_texts(table)) > 1
        assert [one for one in figure.iter("svg") if one.attrib.get("role") == "img"]


def test_tables_have_headers_and_equal_rows(page: Element) -> None:
    for table in page.iter("table"):
        assert text_of(next(table.iter("caption")))
        head, *rows = table.iter("tr")
        assert all(cell.tag == "th" and cell.attrib["scope"] == "col" for cell in head)
        for row in rows:
            assert (row[0].tag, row[0].attrib["scope"]) == ("th", "row")
            assert len(row) == len(head) and all(cell.tag == "td" for cell in row[1:])
    regions = by_class(page, "scroll")
    assert all(one.attrib["tabindex"] == "0" and one.attrib["aria-label"] for one in regions), "keys can scroll them"


def test_pictures_speak(page: Element) -> None:
    for svg in page.iter("svg"):
        if svg.attrib.get("aria-hidden") == "true":
            continue
        assert svg.attrib["role"] == "img"
        named = {one.attrib["id"]: text_of(one) for one in svg if "id" in one.attrib and one.tag in ("title", "desc")}
        assert [*named] == svg.attrib["aria-labelledby"].split() and all(named.values())


def test_the_outline_is_in_order(page: Element) -> None:
    levels = [int(one.tag[1]) for one in page.iter() if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    for landmark in ("header", "nav", "main", "footer"):
        assert len([*page.iter(landmark)]) == 1
    (html,) = page.iter("html")
    assert html.attrib["lang"] == "en"
    (skip,) = by_class(page, "skip")
    assert skip.attrib["href"] == f"#{next(page.iter('main')).attrib['id']}"


def test_ids_are_unique_and_links_lead_somewhere(page: Element) -> None:
    ids = [one.attrib["id"] for one in page.iter() if "id" in one.attrib]
    assert len(ids) == len(set(ids))
    links = [one.attrib["href"] for one in page.iter("a")]
    assert links and all(link[0] == "#" and link[1:] in ids for link in links)
    assert all(one.attrib["aria-labelledby"] in ids for one in page.iter("section"))


@pytest.mark.parametrize("which", ["page_text", "hostile"])
def test_nothing_is_fetched(which: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(which)
    root = read_page(text)
    for one in root.iter():
        assert one.tag not in ("img", "iframe", "object", "embed", "base", "form", "foreignobject", "use", "image")
        for name, value in one.attrib.items():
            assert not name.startswith("on") and name not in ("src", "srcset", "action", "style", "xlink:href")
            if name == "href":
                assert value.startswith("#") or (one.tag == "link" and value == "data:,")
            if name == "clip-path":
                assert value.startswith("url(#")
    (sheet,) = (one.text or "" for one in root.iter("style"))
    assert "url(" not in sheet and "@import" not in sheet and "http" not in sheet
    assert "http" not in next(one.text or "" for one in root.iter("script"))


def test_only_our_style_and_script_are_allowed(page: Element) -> None:
    (policy,) = (one.attrib["content"] for one in page.iter("meta") if "http-equiv" in one.attrib)
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        (one,) = page.iter(tag)
        digest = base64.b64encode(hashlib.sha256((one.text or "").encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_hostile_names_are_shown_as_they_are(hostile: str) -> None:
    root = read_page(hostile)
    assert len([*root.iter("script")]) == 1 and "49" not in text_of(next(root.iter("h1")))
    rows = table_texts(next(root.iter("table")))[1:]
    assert [row[0] for row in rows] == [text.strip() for text in (f"{HOSTILE[0]} (reference)", *HOSTILE[1:])]
    (verdict,) = by_class(root, "verdict")
    assert text_of(verdict) == " ".join(" ".join(HOSTILE).split())
    assert text_of(next(root.iter("title"))) == HOSTILE[2]


def test_control_characters_do_not_reach_the_page() -> None:
    text = page_of(made_results(seeds=[0]), verdict="a\x00\x1b[2J\u202eb\ud800", title="t\u2028")
    assert "a��[2J�b�" in text and not re.search("[\x00\x1b\u202e\u2028\ud800]", text)


def test_the_same_results_give_the_same_page(content: dict, page_text: str) -> None:
    again = page_of(
        content,
        verdict="Dense guidance helps.",
        title="plain2 on digits",
        command="dgkd-cache compare --seeds 5",
        version="1.2.3",
    )
    assert again == page_text


def test_what_is_not_finished_is_told_on_top() -> None:
    root = read_page(page_of(made_results(missing=[("kd", 3), ("dgkd", 0)])))
    (note,) = by_class(root, "progress")
    assert "23 of 25" in text_of(note) and "kd: seed 3" in text_of(note) and "dgkd: seed 0" in text_of(note)
    rows = {row[0]: row for row in table_texts(next(root.iter("table")))}
    assert rows["kd"][6] == "incomplete" and rows["takd"][6] != "incomplete"
    assert not by_class(read_page(page_of(made_results())), "progress")


@pytest.mark.parametrize(
    "content",
    [
        made_results({"alone": {"method": "scratch"}}, seeds=[4], epochs=1, classes=1),
        made_results(seeds=[0]),
        made_results(missing=[("scratch", seed) for seed in range(5)]),
        made_results(gain=0.0, seeds=[0, 1], guides="per-seed", protocol="paper"),
        made_results(PRUNED, seeds=[0], missing=[("small net", 0)]),
        made_results(DRAWN, seeds=[0], missing=[("kd", 0)]),
    ],
    ids=["one run", "one seed", "no reference", "two seeds", "no source", "no model itself"],
)
def test_small_studies_have_a_page_too(content: dict) -> None:
    results = Results.model_validate(content)
    read_page(page_of(content))
    assert {"variants", "runs", "chains", "again"} <= {one.key for one in sections_of(results, {}, command="")}


@pytest.mark.parametrize(("variants", "title"), [(PRUNED, "Pruning"), (DRAWN, "Draws")], ids=["pruning", "draws"])
def test_pruning_and_draws_have_a_section_where_there_is_something_to_show(variants: dict, title: str) -> None:
    content = made_results(variants, seeds=[0, 1, 2])
    text = page_of(content)
    assert len(text.encode()) < 1_000_000
    root = read_page(text)
    titles = [text_of(one) for one in root.iter("h2")]
    assert titles[:4] == ["Variants", "Every run", title, "Learning curves"] and "Sweeps" not in titles
    (section,) = (one for one in root.iter("section") if text_of(next(one.iter("h2"))) == title)
    (figure,) = section.iter("figure")
    legend = [text_of(one) for one in figure.iter("li")]
    assert len(legend) >= 2 and all(one.attrib["role"] == "img" for one in figure.iter("svg") if "role" in one.attrib)
    told = {row[1] for row in table_texts(next(figure.iter("table")))[1:]}
    assert told == variants.keys() - {"scratch"}
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    assert len(ids) == len(set(ids))


def test_hostile_names_of_what_is_pruned_are_shown_as_they_are() -> None:
    prune = {"method": "scratch", "criterion": "magnitude", "prunes": HOSTILE[0], "sparsity": 0.5}
    variants = {HOSTILE[0]: {"method": "scratch"}} | {
        name: {**prune, "lr": index / 10} for index, name in enumerate(HOSTILE[1:], 1)
    }
    root = read_page(page_of(made_results(variants, seeds=[0])))
    assert len([*root.iter("script")]) == 1
    (figure,) = (one for one in root.iter("figure") if one.attrib["id"] == "fig-sparsity")
    assert f"{HOSTILE[0]}, not pruned" in [text_of(one) for one in figure.iter("li")]


def test_other_studies_have_neither(page: Element) -> None:
    assert not {"Pruning", "Draws"} & {text_of(one) for one in page.iter("h2")}
