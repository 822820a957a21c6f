from contextlib import closing
from dataclasses import replace

import pytest
from fault_server import FaultServer, chunk, sse

from ingest.base.documents import Chunk, Place
from rag.models.base.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    EndpointUnreachable,
    OnlyThought,
)
from rag.models.base.messages import Delta, Message, Usage
from rag.models.endpoint import Endpoint
from rag.query.base.answers import REFUSAL, refuse
from rag.query.base.hits import Hit
from rag.query.context.prompt import Prompt
from rag.query.writing.write import THINKING_SWITCHED_OFF, write_answer

TEXT = "The reactor starts at noon."
HIT = Hit(Chunk("1", "a.md", 0, TEXT, 0, len(TEXT), 5, None, "A"), 0.9, 1, {"dense": 1})
PROMPT = Prompt((), (HIT,), 100, 50, context_tokens=4096, retrieved=1)


def write(
    *deltas: Delta, prompt=PROMPT, model="stub", notes=(), on_text=print, on_thinking=print,
    stream=lambda *deltas: iter(deltas), strict=False,
):  # fmt: skip
    return write_answer(
        "When?", prompt, stream(*deltas), lambda _chunk, _offset: Place(),
        model=model, extractive=False, retrieve_seconds=0.5, notes=notes,
        on_text=on_text, on_thinking=on_thinking, strict=strict,
    )  # fmt: skip


def broken(error: EndpointError):
    """A stream that ends with this error after its deltas."""

    def stream(*deltas):
        yield from deltas
        raise error

    return stream


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


REFUSALS = [
    "I'm sorry, NOT_IN_DOCUMENTS.",
    "NOT IN DOCUMENTS",
    "Not in your documents.",
    "The passages do not contain this information.",
    "I'm sorry, but the provided passages don't mention the price. Please add more documents.",
    "There is no information about pets in the passages.",
    "I cannot answer that from the passages.",
    "Die Passagen enthalten keine Information dazu.",
    "Les passages ne contiennent pas cette information.",
    "文档中没有提到这一点。",
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("said", REFUSALS)
def test_refusal_in_a_models_own_words_is_one_and_is_never_shown(said, strict):
    shown: list[str] = []
    answer = write(*words(*said), on_text=shown.append, strict=strict)
    assert (answer.text, answer.abstained, answer.notes, shown) == (REFUSAL, True, (), [])


@pytest.mark.parametrize(
    "said",
    [
        "The passages do not mention a price, but the reactor starts at noon.",
        "The documents do not include spare parts.",
        "The passages state that the reactor starts at noon.",
        "I'm sorry to say that the reactor starts at noon.",
        "The passages do not mention the price. The reactor starts at noon.",
    ],
)
def test_answer_that_says_more_is_no_refusal_and_is_shown_whole(said):
    shown: list[str] = []
    answer = write(*words(*said), on_text=shown.append)
    assert not answer.abstained
    assert "".join(shown) == said


def test_agreed_word_behind_an_answer_is_neither_shown_nor_kept():
    shown: list[str] = []
    answer = write(
        *words(*"The reactor starts at noon [1]. NOT_IN_DOCUMENTS"), on_text=shown.append
    )
    assert "".join(shown).rstrip() == answer.text == "The reactor starts at noon [1]."
    shown.clear()
    write(*words("The reactor starts at NO", "ON [1]."), on_text=shown.append)
    assert "".join(shown) == "The reactor starts at NOON [1]."


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
    stream = broken(EndpointUnreachable("gone", "try again"))
    answer = write(Delta(text="The reactor starts [1]"), stream=stream)
    assert (answer.text, answer.complete) == ("The reactor starts [1]", False)
    with pytest.raises(EndpointUnreachable):
        write(Delta(text=" "), stream=stream)


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


THOUGHT_ONLY = {
    "kept apart, cut": [Delta(reasoning="hm"), Delta(finish_reason="length")],
    "kept apart, ended": [Delta(reasoning="It starts at noon."), Delta(finish_reason="stop")],
    "with blank text": [Delta(reasoning="hm"), *words(" ", "\n\n")],
    "not opened, never shown": [Delta(text=" \n"), Delta(reasoning="hm"), *words("\n")],
    "stream ended without a reason": [Delta(reasoning="hm")],
}


@pytest.mark.parametrize("deltas", THOUGHT_ONLY.values(), ids=THOUGHT_ONLY.keys())
def test_only_thoughts_are_an_error_of_their_own_and_nothing_was_shown(deltas):
    shown: list[str] = []
    with pytest.raises(OnlyThought) as caught:
        write(*deltas, on_text=shown.append)
    assert shown == []
    assert "RAG_ANSWER_TOKENS" in caught.value.hint
    assert "noon" not in caught.value.message


def test_only_thought_says_whether_its_tokens_ran_out():
    for finish, said in (("length", "spent all its tokens"), ("stop", "stub thought and")):
        with pytest.raises(OnlyThought, match=said):
            write(Delta(reasoning="hm"), Delta(finish_reason=finish))


def test_thought_already_shown_as_text_is_no_reason_to_ask_again():
    shown: list[str] = []
    with pytest.raises(BadResponse) as caught:
        write(*words("I wonder about it.", "</think>"), on_text=shown.append)
    assert shown
    assert not isinstance(caught.value, OnlyThought)


@pytest.mark.parametrize("before", [[], [Delta(reasoning="hm")], [Delta(text="\n")]])
def test_nothing_was_shown_before_an_overflow(before):
    shown: list[str] = []
    with pytest.raises(ContextOverflow):
        write(*before, on_text=shown.append, stream=broken(ContextOverflow("too long")))
    assert shown == []


def test_overflow_in_mid_answer_keeps_the_words():
    shown: list[str] = []
    stream = broken(ContextOverflow("the context overflows"))
    answer = write(Delta(text="At noon [1]"), on_text=shown.append, stream=stream)
    assert (answer.text, answer.finish_reason, shown) == (
        "At noon [1]",
        "truncated",
        ["At noon [1]"],
    )


@pytest.mark.parametrize("text", ["No", "Not", '"', "N", "NOT_IN_DOC"])
def test_answer_that_could_have_become_a_refusal_is_shown_at_the_end(text):
    shown: list[str] = []
    answer = write(*words(*text), on_text=shown.append)
    assert ("".join(shown), answer.text, answer.abstained) == (text, text, False)


def test_passages_that_did_not_fit_are_told():
    prompt = replace(PROMPT, retrieved=8, context_tokens=1024)
    answer = write(*words("At noon [1]."), prompt=prompt)
    assert (answer.retrieved, len(answer.context)) == (8, 1)
    assert answer.notes == ("1 of 8 passages fit in the context of stub (1024 tokens)",)
    assert write(*words("At noon [1].")).notes == ()


def test_notes_of_the_caller_come_first():
    prompt = replace(PROMPT, retrieved=2)
    notes = write(*words("At noon [1]."), prompt=prompt, notes=[THINKING_SWITCHED_OFF]).notes
    assert notes[0] == THINKING_SWITCHED_OFF
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("qwen3-8b", "qwen3-8b"),
        ("qwen3-8b", "qwen3-8b@q4_k_m"),
        ("qwen3-8b", "qwen3-8b:2"),
        ("qwen3-8b", "Qwen/Qwen3-8B"),
        ("lmstudio-community/qwen3-8b", "qwen3-8b-Q4_K_M.gguf"),
        ("qwen3-8b", "qwen3-8b@main"),
        ("Qwen/Qwen3-8B@main", "qwen3-8b"),
        ("llama3.2", "llama3.2:latest"),
        ("qwen3-8b", ""),
    ],
)
def test_another_spelling_is_the_same_model(asked, served):
    answer = write(Delta(text="At noon [1].", model=served, finish_reason="stop"), model=asked)
    assert (answer.model, answer.served_by, answer.notes) == (asked, served, ())


def test_another_model_than_the_one_asked_is_told():
    deltas = [Delta(model="gemma-3-4b", text="At noon"), Delta(text=" [1]."),
              Delta(finish_reason="stop")]  # fmt: skip
    answer = write(*deltas, model="qwen3-8b")
    assert answer.served_by == "gemma-3-4b"
    assert answer.notes == ("the server answered with gemma-3-4b instead of qwen3-8b",)


def test_note_about_another_model_is_one_short_line():
    served = "gemma\n" + "x" * 500
    [note] = write(Delta(text="At noon [1].", model=served, finish_reason="stop")).notes
    assert "\n" not in note
    assert len(note) < 200


NOTHING = {
    "null": [chunk(role="assistant"), {**chunk(), "choices": [{"delta": {"content": None}}]},
             chunk(finish="stop")],
    "empty": [chunk(""), chunk("", finish="stop")],
    "no choices": [{**chunk(), "choices": []}, chunk(finish="stop")],
    "null delta": [{**chunk(), "choices": [{"delta": None}]}, chunk(finish="stop")],
}  # fmt: skip


@pytest.mark.parametrize("events", NOTHING.values(), ids=NOTHING.keys())
def test_no_content_on_the_wire_is_never_shown_as_none(events):
    shown: list[str] = []
    with FaultServer().running() as server:
        server.on("/v1/chat/completions", sse(*events))
        endpoint = Endpoint(server.url, "k")
        stream = endpoint.stream("stub", [Message("user", "When?")], 50, 0.0)
        with closing(endpoint), pytest.raises(BadResponse, match="empty answer"):
            write(stream=lambda: stream, on_text=shown.append)
    assert shown == []


def test_times_and_tokens_are_kept():
    answer = write(Delta(text="a"), Delta(usage=Usage(10, 4), finish_reason="stop"))
    assert answer.usage == Usage(10, 4)
    times = answer.timings
    assert 0.5 <= times.retrieve_seconds <= times.first_token_seconds <= times.total_seconds
    assert times.tokens_per_second > 0


def test_no_passage_at_all_is_a_refusal():
    answer = refuse("When?", "stub", extractive=True, retrieve_seconds=0.1)
    assert (answer.abstained, answer.citations, answer.text) == (True, (), REFUSAL)
    assert (answer.retrieved, answer.served_by, answer.notes) == (0, "", ())


CRASH = EndpointError("lms says: The model has crashed\n(Exit code: 6)", "load it again")


def test_fault_after_the_finish_reason_takes_nothing_from_the_answer():
    answer = write(*words("At noon [1]."), stream=broken(CRASH))
    assert (answer.complete, answer.finish_reason, answer.notes) == (True, "stop", ())


def test_fault_in_mid_answer_is_kept_in_the_words_of_the_server():
    answer = write(Delta(text="At noon [1]"), stream=broken(CRASH))
    assert (answer.complete, answer.finish_reason) == (False, "truncated")
    assert answer.notes == (
        "the server broke off: lms says: The model has crashed (Exit code: 6); load it again",
    )


@pytest.mark.parametrize(
    ("finish", "complete"),
    [("stop", True), ("eos", True), ("end_turn", True), ("load", True), ("length", False),
     ("truncated", False), ("content_filter", False), ("tool_calls", False),
     ("function_call", False)],
)  # fmt: skip
def test_answer_with_an_end_of_its_own_is_complete(finish, complete):
    answer = write(*words("At noon [1].", finish=finish))
    assert (answer.complete, answer.finish_reason) == (complete, finish)


@pytest.mark.parametrize(
    ("finish", "said"), [("tool_calls", "called a tool"), ("content_filter", "filter")]
)
def test_empty_answer_says_what_ended_it(finish, said):
    with pytest.raises(BadResponse, match=said) as caught:
        write(Delta(finish_reason=finish))
    assert caught.value.hint


@pytest.mark.parametrize("tokens", [10**400, -3, 0])
def test_absurd_count_of_tokens_gives_no_rate(tokens):
    answer = write(Delta(text="a"), Delta(usage=Usage(tokens, tokens), finish_reason="stop"))
    assert answer.timings.tokens_per_second is None


def test_blank_lines_before_the_answer_are_not_shown():
    shown: list[str] = []
    write(*words("\n\n", "At", " noon [1]."), on_text=shown.append)
    assert shown == ["At", " noon [1]."]


def test_statements_are_checked_and_their_time_is_told():
    answer = write(*words("The reactor starts at noon [1]. ", "It has nine pumps [1]."))
    assert [(s.supported, s.numbers) for s in answer.statements] == [(True, (1,)), (False, (1,))]
    assert answer.support_rate == 0.5
    assert 0 < answer.timings.verify_seconds < 1
    assert "nine pumps" in answer.text


def test_strict_answer_shows_only_what_was_found_held():
    shown: list[str] = []
    answer = write(
        *words("It has nine", " pumps [1]. The reactor", " starts at noon", " [1]. Dogs ", "bite."),
        on_text=shown.append, strict=True,
    )  # fmt: skip
    assert "".join(shown) == answer.text == "The reactor starts at noon [1]."
    assert (answer.support_rate, answer.abstained) == (1.0, False)
    assert answer.notes == ("2 sentences without support left out",)


def test_strict_answer_shows_a_sentence_as_soon_as_the_next_begins():
    shown: list[tuple[str, int]] = []
    pieces = ["The reactor starts at noon [1].", " The", " reactor starts at noon [1]."]
    seen = 0

    def stream(*deltas):
        nonlocal seen
        for delta in deltas:
            seen += 1
            yield delta

    write(
        *words(*pieces), stream=stream, on_text=lambda text: shown.append((text, seen)), strict=True
    )
    assert shown[0] == ("The reactor starts at noon [1].", 2)
    assert "".join(text for text, _ in shown) == "".join(pieces)


def test_strict_answer_without_a_held_sentence_is_a_refusal():
    shown: list[str] = []
    answer = write(*words("It has nine pumps [1]."), on_text=shown.append, strict=True)
    assert (answer.text, answer.abstained, answer.citations, shown) == (REFUSAL, True, (), [])
    assert answer.notes == ("nothing of what the model wrote is in the passages",)


def test_strict_answer_hides_a_thought_that_was_left_open():
    shown: list[str] = []
    answer = write(
        *words("<think>The reactor starts at noon [1]. Or", " not?</think>The reactor", " starts at noon [1]."),
        on_text=shown.append, strict=True,
    )  # fmt: skip
    assert "".join(shown) == answer.text == "The reactor starts at noon [1]."
