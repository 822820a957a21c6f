"""A folder of hostile files, the same in every run, and good ones among them.

Each maker returns the bytes of one file.  `scale` is 1 for the full size and less for a test
that has little time; only bombs depend on it.
"""

from __future__ import annotations

import io
import os
import random
import socket
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

GOOD_FILES = 20
VANISHING = ["vanishing.txt", "vanishing.pdf"]
"""To be deleted when the folder was looked through."""


def make_folder(root: Path, scale: float) -> tuple[list[str], list[str]]:
    """Fill a folder; returns the names of hostile files and of good ones, as paths below it."""
    root.mkdir()
    hostile = []
    for name, data in (*bombs(scale), *texts(scale), *zips(scale), *pages_and_mail(scale)):
        (root / name).write_bytes(data)
        hostile.append(name)
    hostile += make_specials(root)
    for name in VANISHING:
        (root / name).write_bytes(make_good(name[-4:], 99))
    hostile += VANISHING
    good = []
    for number in range(GOOD_FILES):
        suffix = (".txt", ".md", ".html", ".pdf")[number % 4]
        name = f"{number * 5:03d} good{suffix}"  # Spread among the others.
        (root / name).write_bytes(make_good(suffix, number))
        good.append(name)
    return hostile, good


def make_good(suffix: str, number: int) -> bytes:
    sentence = f"The good word number {number} is marmalade{number}."
    match suffix:
        case ".html":
            return f"<html><h1>Page</h1><p>{sentence}</p></html>".encode()
        case ".pdf":
            return pdf([f"BT /F 12 Tf 72 700 Td ({sentence}) Tj ET".encode()])
    return f"# Title\n\n{sentence}\n".encode()


# ---- PDF


def pdf(contents: list[bytes], *, more: dict[int, bytes] | None = None, copies: int = 1) -> bytes:
    """A PDF with one page for each content, the whole list of them `copies` times.

    Objects are 1 catalogue, 2 page tree, 3 font, then page and content in turns; `more`
    replaces or adds some.
    """
    objects = {1: b"<</Type/Catalog/Pages 2 0 R>>", 3: FONT}
    kids = b""
    for i, content in enumerate(contents):
        page, stream = 4 + 2 * i, 5 + 2 * i
        objects[page] = PAGE % stream
        objects[stream] = packed(content)
        kids += b"%d 0 R " % page
    objects[2] = b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids * copies, len(contents) * copies)
    return write_pdf(objects | (more or {}))


FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
PAGE = (
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>"
    b"/Contents %d 0 R>>"
)


def packed(content: bytes, extra: bytes = b"") -> bytes:
    data = zlib.compress(content, 9)
    head = b"<</Length %d/Filter/FlateDecode%b>>" % (len(data), extra)
    return head + b"stream\n" + data + b"\nendstream"


def write_pdf(objects: dict[int, bytes], root: bytes = b"/Root 1 0 R") -> bytes:
    out, places = io.BytesIO(), {}
    out.write(b"%PDF-1.7\n")
    for number, body in sorted(objects.items()):
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    start, size = out.tell(), max(objects) + 1
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    for number in range(1, size):
        known = number in places
        out.write(b"%010d %05d %b \n" % (places.get(number, 0), 0, b"n" if known else b"f"))
    out.write(b"trailer\n<</Size %d%b>>\nstartxref\n%d\n%%%%EOF" % (size, root, start))
    return out.getvalue()


def bombs(scale: float) -> Iterator[tuple[str, bytes]]:
    """PDFs that cost far more than they weigh, and PDFs that are none."""
    text = b"BT /F 12 Tf 72 700 Td (%b) Tj ET"
    some = text % b"some words of a page"
    mega = int(1_000_000 * scale)
    yield "tj 70 MB.pdf", pdf([text % (b"A" * 70 * mega)])
    yield "tj 5 MB on 100 pages.pdf", pdf([text % (b"word " * mega)], copies=100)
    yield "900k operators on 200 pages.pdf", pdf([b"q Q " * int(0.9 * mega)], copies=200)
    yield "900k texts on 50 pages.pdf", pdf([b"BT /F 9 Tf (a) Tj ET\n" * mega], copies=50)
    yield "20000 pages.pdf", pdf([some + b"0 0 m " * 20_000], copies=int(20_000 * scale))
    yield "a slow page among good.pdf", pdf([some, text % (b"A" * 70 * mega), some])
    fonts = b"".join(b"/F%d %d 0 R" % (n, n + 100) for n in range(3000))
    many = {n + 100: FONT for n in range(3000)}
    used = b"".join(b"BT /F%d 9 Tf (a) Tj ET " % n for n in range(3000))
    many[4] = PAGE.replace(b"/F 3 0 R", fonts) % 5
    yield "3000 fonts on 50 pages.pdf", pdf([used], more=many, copies=50)
    zeros = zlib.compress(b"\0" * 100 * mega, 9)
    double = packed(zeros, b"").replace(b"/FlateDecode", b"[/FlateDecode/FlateDecode]")
    yield "flate 100 MB.pdf", pdf([b"\0" * 100 * mega])
    yield "flate in flate.pdf", pdf([b""], more={5: double})
    a85 = packed(b"z" * 30 * mega).replace(b"/FlateDecode", b"[/FlateDecode/ASCII85Decode]")
    yield "ascii85.pdf", pdf([b""], more={5: a85})
    predictor = b"/DecodeParms<</Predictor 12/Columns 1>>"
    yield "predictor.pdf", pdf([b""], more={5: packed(b"\2a" * 15 * mega, predictor)})
    lzw = b"<</Length 4/Filter/LZWDecode>>stream\n\x80\x0b\x60\x50\nendstream"
    yield "lzw.pdf", pdf([b""], more={5: lzw})
    ranges = packed(b"1 beginbfrange <0000> <0FFFFFFF> <0041> endbfrange")
    wide = FONT[:-2] + b"/ToUnicode 90 0 R>>"
    yield "to unicode.pdf", pdf([some], more={3: wide, 90: ranges})
    cid = (
        b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[<</Type/Font"
        b"/Subtype/CIDFontType2/BaseFont/X/W[0 2000000000 500]>>]>>"
    )
    yield "widths.pdf", pdf([some], more={3: cid})
    tree = {
        n: b"<</Type/Pages/Count 2/Kids[%d 0 R %d 0 R]>>" % (n + 1, n + 1) for n in range(50, 88)
    }
    yield "page tree of 2^38.pdf", pdf([some], more={2: tree[50], **tree, 88: PAGE % 5})
    deep = {n: b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (n + 1) for n in range(50, 3050)}
    yield "deep page tree.pdf", pdf([some], more={2: deep[50], **deep, 3050: PAGE % 5})
    loop = {2: b"<</Type/Pages/Count 1/Kids[2 0 R 4 0 R]>>"}
    yield "page tree loop.pdf", pdf([some], more=loop)
    yield "parent loop.pdf", pdf([some], more={4: (PAGE % 5).replace(b"Parent 2", b"Parent 4")})
    form = b"/XObject<</X 60 0 R>>"
    own = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<<%b>>/Length 5>>stream\n/X Do\nendstream"
    page = (PAGE % 5).replace(b"/Resources<<", b"/Resources<<" + form)
    yield "form in itself.pdf", pdf([b"/X Do"], more={4: page, 60: own % form})
    outline = b"<</Type/Catalog/Pages 2 0 R/Outlines 70 0 R>>"
    again = b"<</First 71 0 R/Last 71 0 R>>"
    item = b"<</Title(x)/Next 71 0 R/First 70 0 R/Parent 70 0 R>>"
    yield "outline loop.pdf", pdf([some], more={1: outline, 70: again, 71: item})
    yield "count lies.pdf", pdf([some], more={2: b"<</Type/Pages/Kids[4 0 R]/Count 2000000000>>"})
    yield "no pages.pdf", pdf([], copies=1)
    length = b"<</Length 5 0 R>>stream\nBT\nendstream"
    yield "length of itself.pdf", pdf([b""], more={5: length})
    yield "contents of itself.pdf", pdf([some], more={5: b"5 0 R"})
    yield "nested arrays.pdf", pdf([some], more={9: b"[" * 200_000})
    yield "nested dictionaries.pdf", pdf([some], more={1: b"<</A" * 100_000})
    yield "nested in content.pdf", pdf([b"[" * mega])
    yield "nested strings.pdf", pdf([b"(" * mega])
    yield "inline image.pdf", pdf([b"BI /W 1 /H 1 ID " + b"E" * mega])
    yield "marked content.pdf", pdf([b"/P BMC " * mega])
    yield "large page.pdf", pdf([some], more={4: (PAGE % 5).replace(b"612 792", b"9e9 9e9")})
    yield "encrypted by nonsense.pdf", pdf([some]).replace(b"/Root", b"/Encrypt<</V 9>>/Root")
    yield "encrypted by a loop.pdf", pdf([some]).replace(b"/Root", b"/Encrypt 1 0 R/Root")
    whole = pdf([some, text % b"second"])
    yield "xref lies.pdf", whole.replace(b"startxref\n", b"startxref\n99999999")
    yield "xref is minus one.pdf", whole.replace(b"startxref\n", b"startxref\n-")
    yield "xref of itself.pdf", whole.replace(b"/Root", b"/Prev 9/XRefStm 9/Root")
    yield "size lies.pdf", whole.replace(b"/Size ", b"/Size 99999999")
    yield "root is missing.pdf", whole.replace(b"/Root 1", b"/Root 77")
    yield "half.pdf", whole[: len(whole) // 2]
    yield "no end.pdf", whole[:-40]
    yield "head only.pdf", b"%PDF-1.7\n"
    yield "zeros.pdf", b"%PDF-1.7\n" + b"\0" * 100_000
    noise = random.Random(7)
    yield "noise.pdf", b"%PDF-1.7\n" + noise.randbytes(100_000)
    for number in range(10):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        yield f"damaged {number}.pdf", bytes(damaged)


# ---- text of all kinds


def texts(scale: float) -> Iterator[tuple[str, bytes]]:
    """Plain formats: encodings, nesting, lines without end."""
    mega = int(1_000_000 * scale)
    german, japanese, russian = (
        "Größe und Maße über alles.\n" * 9,
        "日本語の文書です。\n" * 30,
        "Русский текст.\n" * 30,
    )
    yield "empty.txt", b""
    yield "blank.txt", b" \n\t\r\n" * 100
    yield "mark only.txt", b"\xef\xbb\xbf"
    yield "utf-16.txt", german.encode("utf-16")
    yield "utf-16 le.txt", german.encode("utf-16-le")
    yield "utf-16 be.txt", german.encode("utf-16-be")
    yield "utf-16 odd.txt", german.encode("utf-16")[:-1]
    yield "utf-32.txt", german.encode("utf-32")
    yield "latin-1.txt", german.encode("latin-1")
    yield "shift-jis.txt", japanese.encode("shift_jis")
    yield "gb18030.txt", "这是一个中文文件。\n".encode("gb18030") * 30
    yield "koi8.txt", russian.encode("koi8-r")
    yield "nuls.txt", b"text\0with\0nuls\0" * 100
    yield "nuls only.txt", b"\0" * 10_000
    yield "surrogates.txt", "half \ud83d a pair\n".encode("utf-8", "surrogatepass") * 50
    yield "garbage inside.txt", german.encode() * 20 + random.Random(3).randbytes(2000)
    yield "binary.txt", random.Random(4).randbytes(50_000)
    yield "terminal.txt", b"\x1b]0;title\x07\x1b[2J\x1b]8;;http://x\x1b\\link\n" * 100
    yield "invisible.txt", ("word" + "\u200b\u202e\U000e0041").encode() * 1000
    yield "combining.txt", ("a" + "\u0301" * 20_000).encode()
    yield "one line of 60 MB.txt", b"x" * int(60 * mega)
    yield "one line of words.txt", b"word " * int(4 * mega)
    yield "lines only.txt", b"\n" * mega
    yield "page.pdf", b"this is plain text, whatever the name says\n"
    for name, piece in (("code.py", b"("), ("code.c", b"{"), ("code.rs", b"<"), ("code.js", b"`"),
                        ("a.md", b"["), ("b.md", b">"), ("c.md", b"#"), ("d.md", b"|"), ("e.md", b"*"),
                        ("f.md", b"- "), ("a.org", b"*"), ("a.rst", b"="), ("a.tex", b"{"),
                        ("b.tex", b"\\begin{a}"), ("c.tex", b"$"), ("a.yaml", b"&a [*a,"),
                        ("a.json", b"["), ("b.json", b'{"a":'), ("c.json", b"9"), ("d.json", b'"\\ud800",'),
                        ("a.csv", b'"'), ("b.csv", b","), ("c.csv", b'"a\n'), ("a.tsv", b"\t"),
                        ("a.jsonl", b"[\n"), ("a.srt", b"1\n00:00:00,000 --> "), ("a.vtt", b"WEBVTT\n<v "),
                        ("a.xml", b"<a>"), ("b.xml", b"<!ENTITY a 'b'>")):  # fmt: skip
        yield f"many of {name}", piece * (mega // len(piece))
    yield "wide field.csv", b"a,b\n" + b"x" * 300_000 + b",y\n"
    yield "laughs.xml", LAUGHS
    yield "nan.json", b'{"a": NaN, "a": -Infinity, "b": 1e999999}'
    yield "notebook.ipynb", b'{"cells": ' + b"[" * 100_000
    yield "cells.ipynb", b'{"cells": [' + b'{"cell_type": "code", "source": 7},' * 9999 + b"{}]}"
    yield "nothing.ipynb", b"{}"


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%b">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    + b"]><l>&a9;</l>"
)


# ---- formats that are archives

KINDS = {
    "docx": ("word/document.xml", "[Content_Types].xml"),
    "pptx": ("ppt/presentation.xml", "[Content_Types].xml"),
    "xlsx": ("xl/workbook.xml", "[Content_Types].xml"),
    "odt": ("content.xml", "mimetype"),
    "epub": ("META-INF/container.xml", "mimetype"),
}
MIMETYPES = {"odt": b"application/vnd.oasis.opendocument.text", "epub": b"application/epub+zip"}


def archive(kind: str, part: bytes, more: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    main, first = KINDS[kind]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in {
            first: MIMETYPES.get(kind, b"<Types/>"),
            main: part,
            **(more or {}),
        }.items():
            stamp = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            stamp.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(stamp, data)
    return out.getvalue()


def zips(scale: float) -> Iterator[tuple[str, bytes]]:
    """Office files and books that unpack to too much, or to nothing."""
    huge = b" " * int(300_000_000 * scale)
    members = {f"word/{n}.xml": b"" for n in range(11_000)}
    for kind, (main, _) in KINDS.items():
        fine = archive(kind, b"<a/>")
        yield f"bomb.{kind}", archive(kind, b"<a>" + huge + b"</a>")
        yield f"laughs.{kind}", archive(kind, LAUGHS)
        yield f"deep.{kind}", archive(kind, b"<a>" * 200_000)
        yield f"hollow.{kind}", fine
        yield f"half.{kind}", fine[: len(fine) // 2]
        yield f"noise.{kind}", b"PK\x03\x04" + random.Random(kind).randbytes(5000)
        yield (
            f"climbing.{kind}",
            archive(kind, b"<a/>", {"../../climbed.txt": b"x", "/etc/x": b"x"}),
        )
        yield f"locked.{kind}", with_flag(fine)
        yield f"lying.{kind}", with_small_sizes(archive(kind, b"<a>" + huge[:30_000_000] + b"</a>"))
        if kind in ("docx", "epub"):
            yield f"many members.{kind}", archive(kind, b"<a/>", members)
            yield (
                f"nested.{kind}",
                archive(kind, b"<a/>", {"inner.zip": fine * 10, main + "2": fine}),
            )


def with_flag(data: bytes) -> bytes:
    """Mark every member as encrypted."""
    out = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            out[at + offset] |= 1
            at = data.find(mark, at + 1)
    return bytes(out)


def with_small_sizes(data: bytes) -> bytes:
    """Let the directory say that every member unpacks to ten bytes."""
    out = bytearray(data)
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        out[at + 24 : at + 28] = (10).to_bytes(4, "little")
        at = data.find(b"PK\x01\x02", at + 1)
    return bytes(out)


# ---- pages, mail, rich text


def pages_and_mail(scale: float) -> Iterator[tuple[str, bytes]]:
    many = int(100_000 * scale)
    for name, piece, count in (
        ("a", b"<a ", many), ("comment", b"<!--", many), ("close", b"</", many), ("div", b"<div>", 10 * many),
        ("table", b"<table><tr><td>", many), ("list", b"<ul><li>", many), ("entity", b"&#99999999;", many),
        ("attribute", b"<a b=c d='", many), ("cdata", b"<![", many), ("script", b"<script>", many),
        ("frame", b"<svg><style>", many), ("font", b"<b><i><p>", many),
    ):  # fmt: skip
        yield f"{name}.html", b"<html><body>" + piece * count
    yield "reference.html", b"<html>&#" + b"9" * 10 * many + b";"
    yield "one attribute.html", b"<html><p " + b" ".join(b"a%d=1" % n for n in range(many)) + b">x"
    yield "laughs.xhtml", LAUGHS.replace(b"<l>", b"<html><p>").replace(b"</l>", b"</p></html>")
    head = b"From: a@b.c\nSubject: x\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMIME-Version: 1.0\n"
    yield "headers.eml", head + b"X: y\n" * many + b"\nbody"
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000)
    )
    yield "nested.eml", head + nested + b"\ntext"
    yield "charset.eml", head + b"Content-Type: text/plain; charset=no-such\n\n\xff\xfe text"
    yield "words.eml", head + b"To: " + b"=?utf-8?q?x?=" * many + b"\n\nbody"
    yield "base64.eml", head + b"Content-Transfer-Encoding: base64\n\n" + b"!" * many
    yield "messages.mbox", b"From a@b.c Mon Jan  1 00:00:00 2024\nSubject: x\n\n\n" * (many // 4)
    yield "braces.rtf", b"{\\rtf1 " + b"{" * 10 * many
    yield "binary.rtf", b"{\\rtf1\\bin999999999 x}"
    yield "unicode.rtf", b"{\\rtf1\\u-99999999 ?\\'zz text}"
    yield "tables.rtf", b"{\\rtf1 " + b"\\trowd\\cell" * many


# ---- what is no ordinary file


def make_specials(root: Path) -> list[str]:
    """Put what only a file system can be hostile with; returns what must have an outcome."""
    made = []
    for name in ("line\nbreak.txt", "\U0001f600 \u202etxt.exe.txt", "e" * 251 + ".txt", "a\\b.txt"):
        made += attempt(root, name, lambda path: path.write_bytes(b"a fine text in an odd file\n"))
    if sys.platform == "win32":
        return made
    for name, make in SPECIALS.items():
        made += attempt(root, name, make)
    raw = os.fsencode(root) + b"/not \xff\xfe text.txt"
    made += attempt(root, Path(os.fsdecode(raw)).name, lambda path: path.write_bytes(b"fine"))
    if os.geteuid() != 0:
        made += attempt(root, "closed.txt", lambda path: (path.write_bytes(b"x"), path.chmod(0)))
    make_deep(root)
    return [*made, "deep"]


def attempt(root: Path, name: str, make: Callable[[Path], object]) -> list[str]:
    """Make an entry where the file system takes it."""
    try:
        make(root / name)
    except (OSError, ValueError):
        return []
    return [name]


def make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # The name of a socket may have about 100 bytes.
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def make_deep(root: Path) -> None:
    inside = os.open(root, os.O_RDONLY)
    for level in range(300):
        name = "deep" if level == 0 else "d"
        os.mkdir(name, dir_fd=inside)
        outside, inside = inside, os.open(name, os.O_RDONLY, dir_fd=inside)
        os.close(outside)
    os.close(inside)


SPECIALS: dict[str, Callable[[Path], object]] = {
    "pipe.txt": lambda path: os.mkfifo(path),
    "socket.txt": make_socket,
    "zero.txt": lambda path: path.symlink_to("/dev/zero"),
    "password.txt": lambda path: path.symlink_to("/etc/passwd"),
    "loop.txt": lambda path: path.symlink_to(path),
    "loop": lambda path: path.symlink_to(path.parent),
    "gone.txt": lambda path: path.symlink_to("nowhere"),
    "a terabyte.txt": make_sparse,
    "a terabyte.pdf": make_sparse,
}
