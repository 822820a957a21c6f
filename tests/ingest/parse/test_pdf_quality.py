from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.base.clean import clean
from ingest.parse.pdf.quality import judge, pack_page, score, unpack_page

PROSE = (
    "The chains of the buoys are looked at in spring, and those that have lost a tenth of their "
    "weight are taken ashore and replaced before the boats go out again in the summer."
)
GERMAN = (
    "Die Donaudampfschifffahrtsgesellschaft und ihre Rechtsschutzversicherungsgesellschaften "
    "haben im Frühjahr alle Tonnen neu gestrichen und die Ketten der großen Anker erneuert."
)
# Each character 29 places lower, as fonts with their own numbers give it.
SHIFTED = "".join(char if char == " " else chr(max(33, ord(char) - 29)) for char in PROSE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ("empty",)),
        (" \n\t", ("empty",)),
        (PROSE, ()),
        (GERMAN, ()),
        ("保修期为两年，电池除外。" * 20, ()),
        ("ภาษาไทยไม่มีช่องว่างระหว่างคำในประโยคเดียวกัน" * 10, ()),
        ("kWh Nm mm M8 M12", ()),
        ("\uf0b7 " + PROSE, ()),
        (SHIFTED, ("garbage",)),
        ("\ufffd" * 30 + " a b c", ("garbage",)),
        ("\uf041\uf042\uf043" * 10, ("garbage",)),
        ("(cid:12)(cid:7)(cid:33) " * 20, ("garbage",)),
        ("\x01\x02\x03 ab", ("garbage",)),
        (PROSE.replace(" ", ""), ("glued",)),
        (PROSE + " https://example.org/" + "a" * 30, ()),
    ],
)
def test_a_page_is_judged_by_its_text(text: str, found: tuple[str, ...]) -> None:
    assert judge(text) == found


@given(st.sets(st.sampled_from(["empty", "garbage", "glued", "boilerplate", "columns", "ocr"])))
def test_a_page_is_as_good_as_its_worst_finding(findings: set[str]) -> None:
    assert score(findings) == min((score([finding]) for finding in findings), default=1.0)
    assert 0 <= score(findings) <= 1


@given(st.text().map(clean), st.lists(st.sampled_from(["ocr", "columns", "glued"]), unique=True))
def test_a_packed_page_is_unpacked_as_it_was(text: str, findings: list[str]) -> None:
    assert unpack_page(pack_page(text, findings)) == (text, tuple(findings))
