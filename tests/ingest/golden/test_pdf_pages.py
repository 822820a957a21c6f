"""PDF files whose text is known word by word, against what is read from each page."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from pdf_files import (
    add_outline,
    encrypt,
    make_pdf,
    show_lines,
    show_places,
    two_columns,
    wide_font,
)

from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf.pages import parse_pdf


@dataclass(frozen=True, slots=True)
class Golden:
    """A file, the text of each of its pages, and what is found on them beyond nothing."""

    name: str
    data: bytes
    pages: tuple[str, ...]
    findings: dict[int, tuple[str, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    exact: bool = False


LEFT = (
    "The harbour office keeps a list of all buoys",
    "and writes down when each was last painted",
    "by whom it was done and with which colours",
    "The list hangs beside the door of the office",
    "where everybody who goes out can look at it",
    "before the boats are loaded in the morning",
    "and again when they come back in the evening",
    "with the old chains that are to be replaced",
)
RIGHT = (
    "Chains are measured at three of their links",
    "and a chain that lost a tenth of its weight",
    "is taken ashore and replaced by another one",
    "Worn chains are sold as scrap in the autumn",
    "while shackles are cleaned and used for long",
    "Nobody signs the list without having looked",
    "at the chain as a whole and at every shackle",
    "which takes about half an hour in calm water",
)
TABLE = (("Part", "Thread", "Torque"), ("Mast bolt", "M8", "18 Nm"), ("Lid screw", "M6", "7 Nm"))
BODY = ("Red buoys stand to port.", "Green ones to starboard.", "Wrecks are black.", "End.")
CHINESE = "保修期为两年，电池除外。𠮷"
HEBREW = "שלום עולם"
ROTATED = b"BT /F1 12 Tf 0 1 -1 0 300 100 Tm (Wide table) Tj 0 -20 Td (of the year) Tj ET"


def table_rows(top: int = 700) -> bytes:
    return show_places(
        (50 + 150 * column, top - 14 * row, cell)
        for row, cells in enumerate(TABLE)
        for column, cell in enumerate(cells)
    )


def headed(body: str, number: int) -> bytes:
    head = (50.0, 770.0, f"Harbour rules, edition of May - Page {number} of 4")
    foot = (50.0, 30.0, "Printed on paper that was used before")
    return show_places([head, (50.0, 700.0, body), foot])


def chinese(mapped: bool) -> bytes:
    objects, content = wide_font(CHINESE, mapped=mapped)
    return make_pdf(content, objects=objects)


def hebrew() -> bytes:
    # Characters are drawn from left to right, so the last of the line comes first.
    objects, content = wide_font(HEBREW[::-1], mapped=True)
    return make_pdf(content, objects=objects)


GOLDEN = (
    Golden("simple", make_pdf("First page.\nSecond line.", "Next."), ("First page.\nSecond line.", "Next."), exact=True),
    Golden(
        "columns one after the other",
        make_pdf(show_places(sorted(two_columns(LEFT, RIGHT), key=lambda place: place[0]))),
        (" ".join((*LEFT, *RIGHT)),),
    ),
    Golden(
        "columns interleaved",
        make_pdf(
            show_places(
                [
                    (50, 720, "A title that runs over both columns of the page to its very end"),
                    *two_columns(LEFT, RIGHT),
                    (50, 540, "And a closing line that runs over both of the columns as well"),
                ]
            )
        ),
        (
            "A title that runs over both columns of the page to its very end "
            + " ".join((*LEFT, *RIGHT))
            + " And a closing line that runs over both of the columns as well",
        ),
        findings={1: ("columns",)},
    ),
    Golden("table", make_pdf(table_rows()), ("\n".join(" ".join(row) for row in TABLE),), exact=True),
    Golden(
        "header and footer",
        make_pdf(*(headed(text, number) for number, text in enumerate(BODY, 1))),
        (
            "Harbour rules, edition of May - Page 1 of 4\nRed buoys stand to port.\n"
            "Printed on paper that was used before",
            *BODY[1:],
        ),
        findings={2: ("boilerplate",), 3: ("boilerplate",), 4: ("boilerplate",)},
        exact=True,
    ),
    Golden("turned page", make_pdf(ROTATED, page=b"/Rotate 90"), ("Wide table\nof the year",), exact=True),
    Golden(
        "page turned under its text",
        make_pdf("First line.\nSecond line.\nThird line.", page=b"/Rotate 90"),
        ("First line.\nSecond line.\nThird line.",),
        exact=True,
    ),
    Golden(
        "words broken at the end of a line",
        make_pdf(
            "For exam-\nple the well-\nknown anchor, the well-known rope,\n"
            "the Anglo-\nSaxon chain and pages 10-\n12 of the list."
        ),
        (
            "For example the well-known anchor, the well-known rope,\n"
            "the Anglo-\nSaxon chain and pages 10-\n12 of the list.",
        ),
    ),
    Golden("page without text", make_pdf("One.", "", "Three."), ("One.", "", "Three."), {2: ("empty",)}),
    Golden("opens with the empty password", encrypt(make_pdf("Open to all."), ""), ("Open to all.",)),
    Golden("outline", add_outline(make_pdf("Intro\nText.", "More"), [("Intro", 0, "")]), ("Intro\nText.", "More")),
    Golden(
        "lost cross references",
        make_pdf("Still readable.").replace(b"startxref\n", b"startxref\n9"),
        ("Still readable.",),
    ),
    Golden(
        "one bad page among good",
        make_pdf("Good one.", "Bad.", "Good two.").replace(b"12 0 R ", b"99 0 R ", 1),
        ("Good one.", "", "Good two."),
        {2: ("damaged",)},
    ),
    Golden("Chinese, mapped", chinese(mapped=True), (CHINESE,)),
    Golden("Hebrew", hebrew(), (HEBREW,)),
    Golden(
        "its own page numbers",
        make_pdf(
            show_lines("Preface."), show_lines("Begin."),
            catalog=b"/PageLabels << /Nums [0 << /S /r /St 4 >> 1 << /S /D /P (A-) >>] >>",
        ),
        ("Preface.", "Begin."),
        labels=("p. iv", "p. A-1"),
    ),
    Golden("drawn twice for bold", make_pdf(show_places([(50, 700, "Bold words"), (50.3, 700, "Bold words")])), ("Bold words",)),
)  # fmt: skip


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_every_page_has_its_text(golden: Golden) -> None:
    log = PageLog()
    parsed = parse_pdf(golden.data, Reading(ocr=False), log)
    starts = [page.start for page in parsed.pages]
    ends = [start - 2 for start in starts[1:]] + [len(parsed.text)]
    texts = [parsed.text[start:end] for start, end in zip(starts, ends, strict=True)]
    if not golden.exact:
        texts = [" ".join(text.split()) for text in texts]
    assert texts == [text if golden.exact else " ".join(text.split()) for text in golden.pages]
    found = {number: page.findings for number, page in enumerate(parsed.pages, 1) if page.findings}
    assert found == golden.findings
    labels = golden.labels or tuple(f"p. {number}" for number in range(1, len(texts) + 1))
    assert tuple(page.label for page in parsed.pages) == labels
    assert sorted(log.texts) == list(range(1, len(texts) + 1))


@pytest.mark.parametrize("glyphs", [chinese(mapped=False)], ids=["Chinese"])
def test_a_font_without_a_map_gives_no_words_and_is_told(glyphs: bytes) -> None:
    data = make_pdf("Good page.")
    assert "Good page." in parse_pdf(data, Reading(ocr=False), PageLog()).text
    with pytest.raises(Exception, match="no text on any") as caught:
        parse_pdf(glyphs, Reading(ocr=False), PageLog())
    assert getattr(caught.value, "reason", "") == "no-text"
