"""Pictures of pages, made from known words, read off; without the extra there is nothing to test."""

from __future__ import annotations

from pathlib import Path

import pytest
from pdf_files import make_pdf, picture_page, show_lines

from ingest.base.errors import EmptyDocument
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf.pages import parse_pdf

pytest.importorskip("rapidocr_onnxruntime")
from PIL import Image, ImageDraw, ImageFont

LINES = (
    "Annual inspection of the buoys",
    "Mast bolts are tightened to 18 Nm",
    "Signed by the harbour master",
)
DOCUMENTS = Path(__file__).parents[3] / "data" / "documents"


def picture(lines: tuple[str, ...] = LINES, turn: float = 0.0) -> bytes:
    """Return a page of a scan: 150 dots per inch of grey paper."""
    paper = Image.new("L", (900, 1200), 240)
    draw = ImageDraw.Draw(paper)
    font = ImageFont.load_default(size=30)
    for row, line in enumerate(lines):
        draw.text((90, 150 + 60 * row), line, fill=30, font=font)
    paper = paper.rotate(turn, Image.Resampling.BICUBIC, fillcolor=240)
    objects, content = picture_page(paper.width, paper.height, paper.tobytes())
    return make_pdf(content, objects=objects)


@pytest.mark.parametrize("turn", [0.0, 0.8])
def test_a_scanned_page_is_read_off_its_picture(turn: float) -> None:
    begun: list[tuple[int, float]] = []
    log = PageLog({}, lambda number, seconds: begun.append((number, seconds)))
    parsed = parse_pdf(picture(turn=turn), Reading(page_seconds=5), log)
    assert parsed.text.split("\n") == list(LINES)
    assert parsed.pages[0].findings == ("ocr",)
    assert 0 < parsed.pages[0].score < 1
    assert parsed.notes == ("page 1 read off a picture",)
    assert (1, 30) in begun


def test_no_picture_is_read_where_that_is_not_wanted() -> None:
    with pytest.raises(EmptyDocument, match="no text") as caught:
        parse_pdf(picture(), Reading(ocr=False), PageLog())
    assert "RAG_OCR" in caught.value.hint


def test_a_page_with_words_is_not_read_off() -> None:
    begun: list[tuple[int, float]] = []
    log = PageLog({}, lambda number, seconds: begun.append((number, seconds)))
    reading = Reading(page_seconds=5)
    parsed = parse_pdf(make_pdf(show_lines("Words.")), reading, log)
    assert parsed.pages[0].findings == ()
    assert (1, 5) in begun
    assert (1, 30) not in begun


def test_paper_without_ink_has_no_text() -> None:
    with pytest.raises(EmptyDocument):
        parse_pdf(picture(()), Reading(), PageLog())


def test_the_sample_scan_is_read_as_it_was_written() -> None:
    data = (DOCUMENTS / "office" / "delivery-note-scan.pdf").read_bytes()
    words = " ".join(parse_pdf(data, Reading(), PageLog()).text.split())
    for line in (
        "Battery packs for instruments",
        "Merrowby Buoy Works, Quay Street 9",
        "2 Pack 36 Ah, 12.8 V 40 HC-2509-C",
        "Charge on dispatch: 30 percent",
        "Two cartons opened, packs dry. Taken with reservation.",
    ):
        assert line in words
