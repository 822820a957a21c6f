from contextlib import closing

import pytest
from fault_server import FaultServer, as_json, chunk, fail, sse

from ingest.base.documents import Chunk, Place
from ingest.tokens import count_tokens
from rag.models.base.errors import ContextOverflow
from rag.models.chat.model import ChatModel
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.memory import Memory
from rag.query.base.hits import Hit
from rag.query.base.questions import Show
from rag.query.writing.respond import respond

ANSWER = sse(chunk("The mast is red [1]."), chunk(finish="stop"))


def hits_of(number: int, words: int) -> list[Hit]:
    texts = [f"The mast of boat {n} is red. " + "word " * words for n in range(number)]
    return [
        Hit(Chunk(f"{n}", f"{n}.md", 0, text, 0, len(text), 1, None, "A"), 1.0, n + 1, {})
        for n, text in enumerate(texts)
    ]


def answer_in(tmp_path, context: int, hits: list[Hit], *replies, regather=None):
    with FaultServer().running() as server:
        server.on("/v1/chat/completions", *(replies or (ANSWER,)))
        server.on("/tokenize", as_json({"error": "Unexpected endpoint"}))
        endpoint = Endpoint(server.url, "k", Timeouts(retry=0.01))
        with closing(endpoint):
            chat = ChatModel(endpoint, "stub", context, Memory(tmp_path / "m.json"), "chat", 0.1)
            return respond(
                "What is red?", hits, chat, lambda _chunk, _offset: Place(), answer_tokens=100,
                strict=False, retrieve_seconds=0.0, show=Show(), regather=regather,
            )  # fmt: skip


def test_what_fits_is_not_gathered_again(tmp_path):
    def regather(room: int) -> list[Hit]:
        pytest.fail(f"there was room, not only {room} tokens")

    answer = answer_in(tmp_path, 4096, hits_of(4, 20), regather=regather)
    assert (len(answer.context), answer.retrieved, answer.notes) == (4, 4, ())


def test_context_smaller_than_what_was_wished_for_gets_smaller_passages_and_says_so(tmp_path):
    asked: list[int] = []

    def regather(room: int) -> list[Hit]:
        asked.append(room)
        return hits_of(3, 40)

    answer = answer_in(tmp_path, 1200, hits_of(5, 900), regather=regather)
    [room] = asked
    assert 200 < room < 1200 - 100 - count_tokens("What is red?")
    assert (len(answer.context), answer.retrieved) == (3, 5)
    assert answer.notes[0].startswith("3 of 5 passages fit in the context")


def test_server_with_less_context_than_it_lists_has_passages_gathered_for_that(tmp_path):
    asked: list[int] = []

    def regather(room: int) -> list[Hit]:
        asked.append(room)
        return hits_of(2, 20)

    refusal = fail("the request exceeds the available context size (1024 tokens)", 400,
                   type="exceed_context_size_error", n_ctx=1024, n_prompt_tokens=3000)  # fmt: skip
    answer = answer_in(tmp_path, 8192, hits_of(6, 200), refusal, ANSWER, regather=regather)
    assert asked
    assert asked[0] < 1024
    assert len(answer.context) == 2


def test_best_chunk_alone_is_taken_where_what_was_joined_to_it_leaves_no_room(tmp_path):
    def regather(room: int) -> list[Hit]:
        return hits_of(1, 20 if room < 50 else 2000)

    answer = answer_in(tmp_path, 1024, hits_of(1, 2000), regather=regather)
    assert [hit.chunk.text for hit in answer.context] == [hits_of(1, 20)[0].chunk.text]


def test_passage_too_long_by_itself_is_cut_to_its_best_sentences(tmp_path):
    before = "".join(f"Nobody sails on day {n} of the cruise at all. " for n in range(200))
    text = f"{before}The mast is red. " + "The crew sleeps below deck in bunks. " * 200
    chunk = Chunk("0", "0.md", 0, text, 70, 70 + len(text), 1, None, "A")
    answer = answer_in(tmp_path, 1024, [Hit(chunk, 1.0, 1, {})])
    [hit] = answer.context
    part = hit.chunk
    assert "The mast is red." in part.text
    assert text[part.start - 70 : part.end - 70] == part.text
    assert part.text.startswith("Nobody sails")
    assert part.text.endswith(".")
    [citation] = answer.citations
    assert text[citation.start - 70 : citation.end - 70] == citation.quote == "The mast is red."


def test_server_that_refuses_whatever_is_sent_is_told_of_in_the_end(tmp_path):
    refusal = fail("the request exceeds the available context size (131072 tokens)", 400,
                   type="exceed_context_size_error", n_ctx=131072, n_prompt_tokens=200000)  # fmt: skip
    with pytest.raises(ContextOverflow):
        answer_in(tmp_path, 131072, hits_of(2, 20), refusal)
