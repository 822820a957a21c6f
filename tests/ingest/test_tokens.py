from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.tokens import count_tokens, estimate_tokens, read_vocabulary


def test_vocabulary_is_byte_for_byte_the_published_one() -> None:
    lines = (b"%s %d\n" % (b64encode(token), rank) for rank, token in enumerate(read_vocabulary()))
    published = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    assert sha256(b"".join(lines)).hexdigest() == published


def test_vocabulary_hash_is_the_one_the_library_expects() -> None:
    import inspect

    from tiktoken_ext import openai_public

    source = inspect.getsource(openai_public.cl100k_base)
    assert "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7" in source


def test_pattern_is_the_one_of_the_library() -> None:
    import inspect

    from tiktoken_ext import openai_public

    import ingest.tokens

    assert ingest.tokens._PATTERN in inspect.getsource(openai_public.cl100k_base)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("antidisestablishmentarianism", 6),
        ("お誕生日おめでとう", 9),
    ],
)
def test_count_gives_the_published_numbers(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_count_takes_special_tokens_for_ordinary_text() -> None:
    assert count_tokens("<|endoftext|>") > 1


def test_count_of_a_megabyte_without_a_break_ends() -> None:
    assert count_tokens("a" * 1_000_000) > 100_000


def test_estimate_of_rules_counts_every_mark() -> None:
    assert estimate_tokens("-" * 64) >= 64


def test_estimate_of_nothing_is_zero() -> None:
    assert estimate_tokens("") == 0


@given(st.text())
def test_estimate_is_never_below_its_parts(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    assert estimate_tokens(text) >= 1.5 * max(count_tokens(text), size / 3)


def test_counting_opens_no_connection_and_writes_no_cache() -> None:
    program = (
        "import sys\n"
        "def guard(event, arguments):\n"
        "    if event.startswith('socket.') or event == 'os.mkdir':\n"
        "        raise SystemExit('not offline: ' + event)\n"
        "sys.addaudithook(guard)\n"
        "from ingest.tokens import count_tokens\n"
        "assert count_tokens('hello world') == 2\n"
        "assert 'requests' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-B", "-c", program], check=True, timeout=60)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_words_are_counted_as_any_text_is(text):
    import re

    from ingest.tokens import _count_words

    assert _count_words(text, text.encode()) == len(re.findall(r"\w+|[^\w\s]", text))
