from __future__ import annotations

import time
from contextlib import suppress
from email.message import EmailMessage

import pytest
from office_samples import make_eml, make_mbox

from ingest.base.errors import ParseError
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.web.mail import parse_mail, parse_mailbox


def read(message: EmailMessage | bytes) -> Parsed:
    data = message if isinstance(message, bytes) else message.as_bytes()
    return parse_mail(data, media.EML)


@pytest.fixture
def message() -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "Leave"
    made["From"] = "ann@example.com"
    return made


def test_subject_people_date_and_body() -> None:
    parsed = read(make_eml())
    assert parsed.title == "Leave in Köln"
    assert parsed.text == (
        "Leave in Köln\n\nFrom: Ann Müller <ann@example.com>\nTo: bob@example.com\n"
        "Date: 2024-05-01 12:30+02:00\n\n"
        "Everyone gets 30 days of leave.\n\n> quoted\n\n-- \nAnn"
    )
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "Leave in Köln")]


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= from =?iso-8859-1?q?K=F6ln?=", "Grüße from Köln"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"folded\r\n over lines", "folded over lines"),
        (b"=?nonsense?q?abc?=", "=?nonsense?q?abc?="),
        (b"=?utf-8?b?####?=", None),
        (b"=?utf-8?q?", "=?utf-8?q?"),
    ],
)
def test_headers_are_decoded(header: bytes, shown: str | None) -> None:
    parsed = read(b"Subject: " + header + b"\r\nFrom: a@b.c\r\n\r\nbody")
    assert parsed.text.endswith("From: a@b.c\n\nbody")
    if shown is not None:
        assert parsed.title == shown


def test_the_plain_form_of_a_body_is_preferred(message) -> None:
    message.set_content("plain words")
    message.add_alternative("<p>html words</p>", subtype="html")
    assert read(message).text.endswith("\n\nplain words")


def test_html_is_read_where_the_plain_form_is_empty(message) -> None:
    message.set_content("\n")
    table = "<table><tr><th>Name<th>Days<tr><td>Ann<td>30</table>"
    message.add_alternative(f"<h1>Rules</h1>{table}", subtype="html")
    parsed = read(message)
    assert parsed.text.endswith("Rules\n\nName | Days\nAnn | 30")
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "Leave"), (2, "Rules")]
    (found,) = parsed.tables
    assert parsed.text[found.start : found.end] == "Name | Days\nAnn | 30"


def test_text_attachments_follow_and_others_are_named(message) -> None:
    message.set_content("See below.")
    message.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="t.csv")
    message.add_attachment(b"<p>page</p>", maintype="text", subtype="html", filename="p.html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Bücher.pdf")
    message.add_attachment(b"PK", maintype="application", subtype="zip", filename="../b.zip")
    parsed = read(message)
    assert parsed.text.endswith(
        "See below.\n\nAttachment: t.csv\n\na | b\n1 | 2\n\nAttachment: p.html\n\npage"
    )
    assert [table.columns for table in parsed.tables] == ["a | b"]
    assert parsed.notes == ("2 attachments were not read: Bücher.pdf, b.zip",)


def test_attached_messages_are_read_to_a_depth(message) -> None:
    for level in range(8):
        outer = EmailMessage()
        outer["Subject"] = f"outer {level}"
        outer["From"] = "ann@example.com"
        outer.set_content(f"body {level}")
        outer.add_attachment(message if level else read_inner())
        message = outer
    parsed = read(message)
    assert [h.title for h in parsed.headings] == [f"outer {level}" for level in range(7, 1, -1)]
    assert parsed.notes == ("1 attachment was not read: message/rfc822",)


def read_inner() -> EmailMessage:
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("deep")
    return inner


@pytest.mark.parametrize(
    ("charset", "data"),
    [
        ("iso-8859-1", "Größe".encode("latin-1")),
        ("us-ascii", "Größe".encode()),
        ("nonsense", "Größe".encode()),
        ("punycode", "Größe".encode()),
        ("utf-8", "Größe".encode("cp1252")),
    ],
)
def test_bodies_are_read_whatever_their_charset_says(charset: str, data: bytes) -> None:
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\n"
    head += "Content-Transfer-Encoding: 8bit\n\n"
    assert read(head.encode() + data).text == "x\n\nGröße"


def test_flowed_paragraphs_are_joined() -> None:
    head = b"Subject: x\nContent-Type: text/plain; format=flowed\n\n"
    assert read(head + b"one \ntwo\nthree\n> quoted \n> text\n-- \nAnn").text == (
        "x\n\none two\nthree\n> quoted \n> text\n-- \nAnn"
    )


def test_what_is_no_message_is_a_parse_error() -> None:
    with pytest.raises(ParseError, match="no headers"):
        read(b"\n")


def test_each_message_of_a_mailbox_is_a_page() -> None:
    parsed = parse_mailbox(make_mbox(make_eml(), make_eml().replace(b"Leave", b"Pay")), media.MBOX)
    assert [page.label for page in parsed.pages] == ["message 1", "message 2"]
    assert [h.level for h in parsed.headings] == [2, 2]
    assert [parsed.text[page.start :].partition("\n")[0] for page in parsed.pages] == [
        h.title for h in parsed.headings
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_that_begin_with_from_are_text(end: bytes) -> None:
    lines = [
        b"From a@b.c Wed May  1 12:30:00 2024", b"Subject: one", b"", b">From here on", b"",
        b"From there to", b"nowhere", b"", b"From a@b.c Wed May  1 12:30:00 2024", b"Subject: two",
        b"", b"end",
    ]  # fmt: skip
    parsed = parse_mailbox(end.join(lines), media.MBOX)
    assert parsed.text == "one\n\nFrom here on\n\nFrom there to\nnowhere\n\ntwo\n\nend"
    assert len(parsed.pages) == 2


def test_a_mailbox_without_messages_is_a_parse_error() -> None:
    with pytest.raises(ParseError, match="no message"):
        parse_mailbox(b"just text", media.MBOX)


def nested(depth: int) -> bytes:
    head = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(depth)
    )
    return b"Subject: x\n" + head + b"\n\ndeep\n"


@pytest.mark.parametrize(
    "hostile",
    [
        b"Subject: " + b"=?a?q?" * 100_000 + b"\n\nx",
        b"Subject: x\n" + b"A: b\n" * 100_000 + b"\nx",
        b"Subject: " + b"x" * 5_000_000 + b"\n\nx",
        b"Subject: x\nDate: " + b"(" * 10_000 + b"\n\nx",
        b"Subject: x\nContent-Type: text/plain; charset=" + b'"\\' * 10_000 + b"\n\nx",
        b"Subject: x\nContent-Type: text/plain;" + b"a=b;" * 5_000 + b"\n\nx",
        b"Subject: x\nContent-Transfer-Encoding: base64\n\n" + b"=" * 100_000,
        b"Subject: x\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n" + b"~" * 100_000,
        nested(200),
        nested(5_000),
    ],
    ids=range(10),
)
def test_hostile_messages_take_linear_time(hostile: bytes) -> None:
    started = time.process_time()
    with suppress(ParseError, ValueError, RecursionError):
        read(hostile)
    assert time.process_time() - started < 3


def test_a_damaged_message_does_not_cost_the_mailbox() -> None:
    parsed = parse_mailbox(make_mbox(make_eml(), nested(5_000), make_eml()), media.MBOX)
    assert parsed.text.count("Everyone gets 30 days") == 2
    assert len(parsed.pages) == 3


def test_many_messages_take_linear_time() -> None:
    started = time.process_time()
    parsed = parse_mailbox(make_mbox(*[b"Subject: x\n\nbody\n"] * 5_000), media.MBOX)
    assert len(parsed.pages) == 5_000
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("plain", "page", "expected"),
    [
        ("Read it at https://example.com/a-very-long-address-of-a-page", "<p>" + "Word " * 40, "Word"),
        ("Figures below.", "<p>Figures below.<table><tr><td>Rent<td>800<tr><td>Heat<td>90</table>",
         "Rent | 800"),
        ("Figures: Rent 800, Heat 90.", "<table><tr><td>Rent<td>800<tr><td>Heat<td>90</table>",
         "Figures: Rent 800"),
        ("A plain answer.", "<p>A plain answer.<p>Ann", "A plain answer."),
    ],
)  # fmt: skip
def test_a_page_is_read_for_a_stub_or_for_a_table(message, plain, page, expected) -> None:
    message.set_content(plain)
    message.add_alternative(page, subtype="html")
    message.get_payload()[1].add_related(b"x", maintype="image", subtype="png")
    text = read(message).text
    assert expected in text
    assert ("Rent | 800" in text) == ("Rent | 800" in expected)
    assert ("Ann" in text) is False
