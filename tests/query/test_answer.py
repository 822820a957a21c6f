import pytest

from ingest.base.documents import Chunk
from rag.models.base.errors import BadResponse, EndpointUnreachable
from rag.models.base.messages import Delta, Usage
from rag.query.answer import REFUSAL, refuse, write_answer
from rag.query.fuse import Hit
from rag.query.prompt import Prompt

TEXT = "The reactor starts at noon."
HIT = Hit(Chunk("1", "a.md", 0, TEXT, 0, len(TEXT), 5, None, "A"), 0.9, 1, {"dense": 1})
PROMPT = Prompt((), (HIT,), 100, 50)


def write(*deltas: Delta, on_text=print, on_thinking=print, stream=lambda *deltas: iter(deltas)):
    return write_answer(
        "When?", PROMPT, stream(*deltas), lambda _chunk, _offset: None,
        model="stub", extractive=False, retrieve_seconds=0.5,
        on_text=on_text, on_thinking=on_thinking,
    )  # fmt: skip


def words(*pieces: str, finish: str = "stop") -> list[Delta]:
    return [*(Delta(text=piece) for piece in pieces), Delta(finish_reason=finish)]


def test_answer_is_shown_as_it_comes_and_cited_at_the_end():
    shown: list[str] = []
    answer = write(*words("The reactor ", "starts at noon [1]", "."), on_text=shown.append)
    assert shown == ["The reactor ", "starts at noon [1]", "."]
    assert answer.text == "The reactor starts at noon [1]."
    assert [(c.number, c.quote, c.verified) for c in answer.citations] == [(1, TEXT, True)]
    assert (answer.complete, answer.abstained, answer.context) == (True, False, (HIT,))


@pytest.mark.parametrize(
    "pieces",
    [
        ["NOT_IN_DOCUMENTS"],
        ["NOT", "_IN_", "DOCUMENTS", "."],
        ["\n NOT_IN_DOCUMENTS", " because the passages [1] say nothing."],
        ['"NOT_IN_DOCUMENTS"'],
        ["not_in_documents"],
    ],
)
def test_refusal_is_not_shown_and_cites_nothing(pieces):
    shown: list[str] = []
    answer = write(*words(*pieces), on_text=shown.append)
    assert (answer.text, answer.abstained, answer.citations) == (REFUSAL, True, ())
    assert answer.context == (HIT,)
    assert "NOT_IN" not in "".join(shown)


def test_late_refusal_without_a_source_is_one():
    answer = write(*words("Sorry, that is NOT_IN_DOCUMENTS."))
    assert (answer.text, answer.abstained) == (REFUSAL, True)


def test_thinking_is_neither_quoted_nor_cited():
    answer = write(*words("<think>Is it [1]? NOT_IN_DOCUMENTS?</think>", "It starts at noon [1]."))
    assert answer.text == "It starts at noon [1]."
    assert not answer.abstained


def test_text_that_only_begins_like_a_refusal_is_shown_whole():
    shown: list[str] = []
    write(*words("NOT", " at all [1]."), on_text=shown.append)
    assert "".join(shown) == "NOT at all [1]."


@pytest.mark.parametrize("finish", ["length", "truncated"])
def test_answer_that_was_cut_off_is_marked(finish):
    assert not write(*words("The reactor", finish=finish)).complete


def test_words_written_before_a_fault_are_kept_and_marked():
    def broken(*deltas):
        yield from deltas
        raise EndpointUnreachable("gone", "try again")

    answer = write(*[Delta(text="The reactor starts [1]")], stream=broken)
    assert (answer.text, answer.complete) == ("The reactor starts [1]", False)
    with pytest.raises(EndpointUnreachable):
        write(Delta(text=" "), stream=broken)


def test_thinking_goes_its_own_way():
    thoughts: list[str] = []
    answer = write(
        Delta(reasoning="hm "), Delta(reasoning="well"), *words("At noon [1]."),
        on_thinking=thoughts.append,
    )  # fmt: skip
    assert (answer.text, thoughts) == ("At noon [1].", ["hm ", "well"])


@pytest.mark.parametrize(
    ("deltas", "hint"),
    [
        ([Delta(finish_reason="stop")], "ask again"),
        ([Delta(reasoning="hm"), Delta(finish_reason="length")], "RAG_ANSWER_TOKENS"),
    ],
)
def test_empty_answer_is_an_error_with_a_remedy(deltas, hint):
    with pytest.raises(BadResponse) as caught:
        write(*deltas)
    assert hint in caught.value.hint


def test_times_and_tokens_are_kept():
    answer = write(Delta(text="a"), Delta(usage=Usage(10, 4), finish_reason="stop"))
    assert answer.usage == Usage(10, 4)
    times = answer.timings
    assert 0.5 <= times.retrieve_seconds <= times.first_token_seconds <= times.total_seconds
    assert times.tokens_per_second > 0


def test_no_passage_at_all_is_a_refusal():
    answer = refuse("When?", "stub", extractive=True, retrieve_seconds=0.1)
    assert (answer.abstained, answer.citations, answer.text) == (True, (), REFUSAL)
