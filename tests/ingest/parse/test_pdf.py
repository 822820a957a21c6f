from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from random import Random

import pytest
from pdf_files import (
    add_outline,
    encrypt,
    make_pdf,
    picture_page,
    show_lines,
    show_places,
    wide_font,
)

from ingest.base.errors import EmptyDocument, EncryptedDocument, ParseError
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.failures import TimedOut
from ingest.parse.base.frames import pack_error, unpack_error
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf.fallback import Pypdf
from ingest.parse.pdf.pages import parse_pdf
from ingest.parse.pdf.pdfium import DamagedFile, Pdfium

WITHOUT_OCR = Reading(ocr=False)


def read(data: bytes, reading: Reading = WITHOUT_OCR, log: PageLog | None = None) -> Parsed:
    return parse_pdf(data, reading, log or PageLog())


def findings(parsed: Parsed) -> list[tuple[str, ...]]:
    return [page.findings for page in parsed.pages]


def test_pages_are_joined_and_their_starts_known() -> None:
    parsed = read(make_pdf("First page.\nSecond line.", "Next page.", title="Annual Report"))
    assert parsed.text == "First page.\nSecond line.\n\nNext page."
    assert [parsed.text[page.start :].split()[0] for page in parsed.pages] == ["First", "Next"]
    assert [page.score for page in parsed.pages] == [1.0, 1.0]
    assert parsed.title == "Annual Report"
    assert parsed.notes == ()


def test_a_page_without_text_is_noted() -> None:
    parsed = read(make_pdf("One.", "", "Three."))
    assert parsed.notes == ("page 2 without text (a scan or a picture)",)
    assert findings(parsed) == [(), ("empty",), ()]
    assert parsed.pages[1].score == 0.0
    assert parsed.text[parsed.pages[2].start :] == "Three."


def test_no_text_at_all_hints_at_ocr() -> None:
    with pytest.raises(EmptyDocument, match="no text on any page of 2") as caught:
        read(make_pdf("", ""))
    assert "OCR" in caught.value.hint
    assert caught.value.reason == "no-text"
    assert [(p.label, p.score, p.findings) for p in caught.value.pages] == [
        ("p. 1", 0.0, ("empty",)), ("p. 2", 0.0, ("empty",)),
    ]  # fmt: skip
    assert unpack_error(pack_error(caught.value)).pages == caught.value.pages


def test_many_pages_of_one_finding_are_named_in_part() -> None:
    parsed = read(make_pdf("One.", *[""] * 12))
    assert parsed.notes == (
        "pages 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more without text (a scan or a picture)",
    )


def test_a_bad_page_does_not_cost_the_good_ones() -> None:
    parsed = read(make_pdf("Good one.", "Bad.", "Good two.").replace(b"12 0 R ", b"99 0 R ", 1))
    assert parsed.text == "Good one.\n\n\n\nGood two."
    assert parsed.notes == ("page 2 cannot be read",)
    assert findings(parsed) == [(), ("damaged",), ()]


def test_a_page_is_not_given_the_text_of_another() -> None:
    # The second extractor does not count the lost page, so its second page is our third.
    parsed = read(make_pdf("One.", "Two.", "Three.").replace(b"12 0 R ", b"99 0 R ", 1))
    assert parsed.text.count("Three.") == 1


def test_a_file_that_the_first_extractor_refuses_is_read_by_the_second() -> None:
    damaged = make_pdf("Some text here.", "Two.").replace(b"2 0 obj", b"2 0 \x89bj", 1)
    damaged = damaged.replace(b" f \n0", b" f \n\xc6", 1)
    with pytest.raises(DamagedFile):
        Pdfium(damaged, ())
    assert read(damaged).text == "Some text here.\n\nTwo."


def test_a_page_that_the_first_extractor_finds_empty_is_read_by_the_second() -> None:
    objects, content = wide_font("The quick brown fox", mapped=True)
    damaged = make_pdf(content, objects=objects).replace(
        b"/Type0 /BaseFont", b"/Type0 /Bas\0\0\0\0t"
    )
    assert Pdfium(damaged, ()).text(0) == ("", False)
    parsed = read(damaged)
    assert parsed.text == "The quick brown fox"
    assert findings(parsed) == [()]


def test_an_encrypted_file_without_password_is_read() -> None:
    assert read(encrypt(make_pdf("Open to all."), "")).text == "Open to all."


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_an_encrypted_file_is_read_with_the_password_that_fits(algorithm: str) -> None:
    data = encrypt(make_pdf("Secret."), "schlüssel", algorithm)
    reading = replace(WITHOUT_OCR, passwords=("wrong", "schlüssel"))
    assert read(data, reading).text == "Secret."


@pytest.mark.parametrize("passwords", [(), ("wrong",)])
def test_an_encrypted_file_with_another_password_is_refused(passwords: tuple[str, ...]) -> None:
    with pytest.raises(EncryptedDocument) as caught:
        read(encrypt(make_pdf("Secret."), "password"), replace(WITHOUT_OCR, passwords=passwords))
    assert "RAG_FILE_PASSWORDS" in caught.value.hint


def test_bookmarks_found_on_their_page_are_headings() -> None:
    data = add_outline(
        make_pdf("Intro\nSome text.", "Payment\nof wages"),
        [("Intro", 0, ""), ("PAYMENT", 1, "Intro"), ("Not there", 1, "")],
    )
    parsed = read(data)
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "Intro"), (2, "PAYMENT")]
    assert parsed.text[parsed.headings[1].start :].startswith("Payment\n")


def test_bookmarks_without_end_cost_no_text() -> None:
    data = make_pdf("Still here.", catalog=b"/Outlines << /First 50 0 R >>")
    chain = b"".join(
        b"%d 0 obj\n<< /Title (x) /First %d 0 R >>\nendobj\n" % (number, number + 1)
        for number in range(50, 3050)
    )
    at = data.index(b"xref\n")
    assert read(data[:at] + chain + data[at:]).text == "Still here."


@pytest.mark.parametrize("keep", [9, 40, 200])
def test_a_truncated_file_is_a_parse_error(keep: int) -> None:
    with pytest.raises(ParseError, match="damaged PDF"):
        read(make_pdf("Some text.")[:keep])


def test_a_lost_cross_reference_table_is_rebuilt() -> None:
    data = make_pdf("Still readable.")
    cut = data[: data.index(b"xref\n")] + b"trailer << /Root 1 0 R >>\nstartxref\n7\n%%EOF"
    assert read(cut).text == "Still readable."


def test_the_log_hears_of_each_page_before_and_after_it_is_read() -> None:
    heard: list[tuple[str, int, float | str]] = []
    log = PageLog(
        {},
        lambda number, seconds: heard.append(("begin", number, seconds)),
        lambda number, text: heard.append(("done", number, text)),
    )
    read(make_pdf("One.", "Two."), replace(WITHOUT_OCR, file_seconds=20, page_seconds=3), log)
    assert heard == [
        ("begin", 0, 20),
        ("begin", 1, 3),
        ("done", 1, "One."),
        ("begin", 2, 3),
        ("done", 2, "Two."),
        ("begin", 0, 20),
    ]


def test_pages_in_the_log_are_not_read_again_and_lost_ones_are_told() -> None:
    log = PageLog({1: "Kept from before.", 2: None})
    parsed = read(make_pdf("One.", "Two.", "Three."), WITHOUT_OCR, log)
    assert parsed.text == "Kept from before.\n\n\n\nThree."
    assert findings(parsed) == [(), ("timeout",), ()]
    assert parsed.notes == ("page 2 not read within 10 s",)


def test_what_was_found_on_a_page_is_known_to_the_next_process() -> None:
    log = PageLog()
    data = make_pdf("One.", "", "Three.")
    first = read(data, log=log)
    assert read(data, log=PageLog(dict(log.texts))) == first


def test_a_file_of_which_no_page_was_read_in_time_is_no_scan() -> None:
    with pytest.raises(TimedOut) as caught:
        read(make_pdf("One.", "Two."), WITHOUT_OCR, PageLog({1: None, 2: None}))
    assert "RAG_PAGE_TIMEOUT_SECONDS" in caught.value.hint


def test_glyphs_without_a_map_to_letters_are_told_and_not_stored() -> None:
    objects, content = wide_font("Nothing of this can be known", mapped=False)
    pages = make_pdf(content, "A page of words.", objects=objects)
    parsed = read(pages)
    assert findings(parsed) == [("garbage",), ()]
    assert parsed.text.strip() == "A page of words."
    assert "page 1 not readable: the font does not tell its letters" in parsed.notes


def test_words_run_together_are_told() -> None:
    glued = "thewholepagewaswrittenwithoutasingleblankbetweenitsmanywords"
    parsed = read(make_pdf("\n".join([glued] * 4)))
    assert findings(parsed) == [("glued",)]
    assert 0 < parsed.pages[0].score < 1


def test_a_table_whose_last_row_is_the_same_on_every_page_keeps_it() -> None:
    rows = [(50, 700, "Chains"), (300, 700, "12"), (50, 686, "Carried over"), (300, 686, "400")]
    parsed = read(make_pdf(*(show_places([(50, 714, name), *rows]) for name in "ABCD")))
    assert parsed.text.count("Carried over 400") == 4


def test_page_numbers_are_removed_wherever_counting_begins() -> None:
    texts = ("The first.", "The second.", "The third.", "The fourth.")
    pages = (
        show_places([(50, 700, text), (300, 30, str(number))])
        for number, text in enumerate(texts, 17)
    )
    parsed = read(make_pdf(*pages))
    assert parsed.text == "\n\n".join(texts)
    assert findings(parsed) == [("boilerplate",)] * 4
    assert parsed.notes == ()


def test_a_page_with_nothing_but_its_number_is_empty() -> None:
    bodies = ["The first.", "", "The third.", "The fourth."]
    pages = (
        show_places([(50, 700, body), (300, 30, str(number))] if body else [(300, 30, str(number))])
        for number, body in enumerate(bodies, 1)
    )
    assert findings(read(make_pdf(*pages)))[1] == ("empty", "boilerplate")


def test_a_page_tree_that_lies_about_its_size_is_bounded() -> None:
    parsed = read(make_pdf("One.", "Two.").replace(b"/Count 2", b"/Count 9999"))
    assert parsed.text.startswith("One.\n\nTwo.")


def test_a_scan_without_the_extra_names_it() -> None:
    if find_spec("rapidocr_onnxruntime"):
        pytest.skip("the extra is installed")
    objects, content = picture_page(60, 80, bytes(4800))
    with pytest.raises(EmptyDocument) as caught:
        read(make_pdf(content, objects=objects), Reading())
    assert 'pip install "foldercite[ocr]"' in caught.value.hint
    parsed = read(make_pdf(content, show_lines("Words."), objects=objects), Reading())
    assert 'pip install "foldercite[ocr]"' in parsed.notes[0]


def test_the_second_extractor_reads_arrays_longer_than_its_default() -> None:
    data = make_pdf("Large.", catalog=b"/Large [%s]" % (b"1 " * 150_000))
    assert Pypdf(data, ()).text(0)[0].strip() == "Large."


def test_the_second_extractor_refuses_a_page_of_endless_commands() -> None:
    data = make_pdf(b"BT /F1 12 Tf (a) Tj ET " * 150_000)
    with pytest.raises(DamagedFile):
        Pypdf(data, ()).text(0)


def test_damage_anywhere_is_text_or_a_parse_error() -> None:
    random = Random(11)
    whole = make_pdf("Some text here.\nMore of it.", "Second page.", title="Damaged")
    outcomes = set()
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(random.choice((1, 2, 8))):
            place = random.randrange(len(data) - 30)
            match random.randrange(3):
                case 0:
                    data[place] = random.randrange(256)
                case 1:
                    del data[place : place + random.choice((1, 5, 25))]
                case _:
                    data[place:place] = data[place : place + 20]
        try:
            outcomes.add(bool(read(bytes(data)).text))
        except ParseError:
            outcomes.add(False)
    assert outcomes == {True, False}
