from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy
import pytest

from ingest.base.documents import Chunk, Document, Health
from ingest.base.errors import PipelineError, TextsRejected
from ingest.embed import ChunkedDocument, embed_documents, key_chunks, vector_key


def chunked(make_document, name: str, texts: list[str], tokens: int = 10) -> ChunkedDocument:
    document: Document = make_document(" ".join(texts), id=name)
    chunks = [
        Chunk(f"{name}{n}", name, n, text, 0, len(text), tokens, None, "")
        for n, text in enumerate(texts)
    ]
    return key_chunks(document, chunks, "hash-8", Health())


def names(items: list[ChunkedDocument]) -> list[str]:
    return [item.document.id for item in items]


def test_vector_key_tells_identity_and_text_apart() -> None:
    assert vector_key("ab", "c") != vector_key("a", "bc")
    assert vector_key("a", "b") == vector_key("a", "b")
    assert len(vector_key("a", "\ud800")) == 32


def test_documents_come_back_in_order_with_all_vectors(
    make_document, make_embedder, make_index
) -> None:
    embedder, index = make_embedder(in_flight=3, seconds=0.002, batch_size=4), make_index()
    items = [
        chunked(make_document, f"d{n}", [f"t{n}-{i}" for i in range(n % 7)]) for n in range(40)
    ]
    done = []
    for item in embed_documents(items, embedder, index):
        assert index.vectors.keys() >= set(item.keys)
        done.append(item)
    assert names(done) == names(items)
    key = vector_key("hash-8", "t6-3")
    assert (index.vectors[key] == embedder.vector("t6-3")).all()


def test_batches_run_across_documents(make_document, make_embedder, make_index) -> None:
    embedder = make_embedder(batch_size=8, in_flight=1)
    items = [chunked(make_document, f"d{n}", [f"text {n}"]) for n in range(20)]
    list(embed_documents(items, embedder, make_index()))
    assert [len(call) for call in embedder.calls] == [8, 8, 4]


def test_batches_keep_to_their_token_budget(make_document, make_embedder, make_index) -> None:
    embedder = make_embedder(batch_tokens=100, in_flight=1)
    items = [chunked(make_document, "d", [f"text {n}" for n in range(9)], tokens=40)]
    list(embed_documents(items, embedder, make_index()))
    assert [len(call) for call in embedder.calls] == [2, 2, 2, 2, 1]


def test_a_text_is_embedded_once(make_document, embedder, make_index) -> None:
    index = make_index()
    items = [chunked(make_document, f"d{n}", ["same", "same", f"own {n}"]) for n in range(3)]
    done = list(embed_documents(items, embedder, index))
    assert sorted(text for call in embedder.calls for text in call) == [
        "own 0",
        "own 1",
        "own 2",
        "same",
    ]
    assert [item.sent for item in done] == [2, 1, 1]
    embedder.calls.clear()
    assert [item.sent for item in embed_documents(items, embedder, index)] == [0, 0, 0]
    assert embedder.calls == []


def test_as_many_calls_run_at_once_as_allowed(make_document, make_embedder, make_index) -> None:
    embedder = make_embedder(in_flight=3, seconds=0.03, batch_size=1)
    items = [chunked(make_document, f"d{n}", [f"text {n}"]) for n in range(12)]
    list(embed_documents(items, embedder, make_index()))
    assert embedder.most_running == 3


def test_the_next_call_begins_while_the_last_is_stored(
    make_document, make_embedder, make_index
) -> None:
    embedder, index = make_embedder(in_flight=1, batch_size=1, seconds=0.01), make_index()
    stored: list[int] = []

    def store_slowly(count: int) -> None:
        stored.append(count)
        deadline = time.perf_counter() + 5
        while len(embedder.calls) <= len(stored) < 9:
            assert time.perf_counter() < deadline, "the server had to wait"
            time.sleep(0.001)

    items = [chunked(make_document, "d", [f"text {n}" for n in range(9)])]
    assert len(list(embed_documents(items, embedder, index, store_slowly))) == 1
    assert stored == [1] * 9


def test_reading_stays_a_few_batches_ahead(make_document, make_embedder, make_index) -> None:
    embedder, taken = make_embedder(in_flight=2, batch_size=4), 0

    def stream() -> Iterator[ChunkedDocument]:
        nonlocal taken
        for number in range(400):
            taken += 1
            yield chunked(make_document, f"d{number}", [f"text {number}"])

    done = embed_documents(stream(), embedder, make_index())
    for given, _ in enumerate(done, 1):
        assert taken - given <= 4 * 4 * 3


def test_finished_documents_do_not_pile_up_behind_a_waiting_one(
    make_document, make_embedder, make_index
) -> None:
    embedder, index = make_embedder(batch_size=8), make_index()
    stored = [chunked(make_document, f"old{n}", ["known"]) for n in range(300)]
    list(embed_documents(stored[:1], embedder, index))
    taken = 0

    def stream() -> Iterator[ChunkedDocument]:
        nonlocal taken
        yield chunked(make_document, "new", ["unknown"])
        for item in stored:
            taken += 1
            yield item

    next(embed_documents(stream(), embedder, index))
    assert taken < 150


def test_an_error_goes_on_after_the_others_were_stored(
    make_document, make_embedder, make_index
) -> None:
    embedder, index = make_embedder(in_flight=4, seconds=0.05, batch_size=1), make_index()
    embedder.fail_on = "bad"
    items = [chunked(make_document, name, [name]) for name in ("one", "bad", "two", "three")]
    done = []
    with pytest.raises(PipelineError, match="server is gone"):
        done.extend(embed_documents(items, embedder, index))
    stored = {vector_key("hash-8", name) for name in ("one", "two", "three")}
    assert index.vectors.keys() == stored


def test_a_second_run_sends_only_what_is_missing(make_document, make_embedder, make_index) -> None:
    embedder, index = make_embedder(in_flight=1, batch_size=1), make_index()
    items = [chunked(make_document, name, [name]) for name in ("one", "two", "bad", "three")]
    embedder.fail_on = "bad"
    with pytest.raises(PipelineError):
        list(embed_documents(items, embedder, index))
    embedder.fail_on = ""
    embedder.calls.clear()
    assert names(list(embed_documents(items, embedder, index))) == names(items)
    assert embedder.calls == [["bad"], ["three"]]


def test_an_interrupt_leaves_no_thread_behind(make_document, make_embedder, make_index) -> None:
    embedder = make_embedder(in_flight=2, seconds=2.0, batch_size=1)
    before = threading.active_count()

    def stream() -> Iterator[ChunkedDocument]:
        yield from (chunked(make_document, f"d{n}", [f"text {n}"]) for n in range(2))
        raise KeyboardInterrupt

    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        list(embed_documents(stream(), embedder, make_index()))
    assert time.perf_counter() - started < 1.5, "waited for a call that was running"
    deadline = time.perf_counter() + 5
    while threading.active_count() > before and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_document_without_chunks_passes_through(make_document, embedder, make_index) -> None:
    items = [chunked(make_document, "empty", [])]
    assert names(list(embed_documents(items, embedder, make_index()))) == ["empty"]


def test_text_the_embedder_refuses_costs_its_document_only(
    make_document, make_embedder, make_index
) -> None:
    class Refusing:
        def __init__(self, inner) -> None:
            self.inner = inner

        def __getattr__(self, name: str):
            return getattr(self.inner, name)

        def embed(self, texts):
            bad = {i: "no numbers" for i, text in enumerate(texts) if "bad" in text}
            if bad:
                rest = [text for i, text in enumerate(texts) if i not in bad]
                raise TextsRejected(bad, self.inner.embed(rest))
            return self.inner.embed(texts)

    index = make_index()
    items = [chunked(make_document, name, [name]) for name in ("one", "bad", "two")]
    done = list(embed_documents(items, Refusing(make_embedder()), index))
    assert [(item.document.id, item.rejected) for item in done] == [
        (items[0].document.id, ""), (items[1].document.id, "no numbers"), (items[2].document.id, "")]  # fmt: skip
    assert index.stored_keys(items[0].keys + items[2].keys) == set(items[0].keys + items[2].keys)
    assert index.stored_keys(items[1].keys) == set()


def test_size_and_number_of_calls_may_change_in_mid_run(
    make_document, make_embedder, make_index
) -> None:
    embedder, index = make_embedder(in_flight=1, batch_size=2, seconds=0.01), make_index()

    def stream() -> Iterator[ChunkedDocument]:
        for number in range(60):
            if number == 20:
                embedder.batch_size, embedder.in_flight = 5, 3
            if number == 50:
                embedder.batch_size, embedder.in_flight = 1, 1
            yield chunked(make_document, f"d{number}", [f"text {number}"])

    list(embed_documents(stream(), embedder, index))
    sizes = [len(call) for call in embedder.calls]
    assert sizes[:5] == [2] * 5
    assert sizes[-5:] == [1] * 5
    assert 5 in sizes
    assert embedder.most_running > 1
    assert len(index.vectors) == 60


class Cutter:
    """An embedder that finds texts of more than so many characters too long."""

    def __init__(self, inner, longest: int, hopeless: str = "~") -> None:
        self.inner, self.longest, self.hopeless = inner, longest, hopeless

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def embed(self, texts):
        long = {i: "too long" for i, text in enumerate(texts) if len(text) > self.longest}
        bad = {i: "no numbers" for i, text in enumerate(texts) if self.hopeless in text}
        rest = [text for i, text in enumerate(texts) if i not in long | bad]
        vectors = self.inner.embed(rest) if rest else numpy.empty((0, 8), numpy.float32)
        if long | bad:
            raise TextsRejected(long | bad, vectors, set(long) - set(bad))
        return vectors


def test_documents_with_texts_that_prove_too_long_are_told_from_hopeless_ones(
    make_document, make_embedder, make_index
) -> None:
    items = [
        chunked(make_document, "fine", ["short"]),
        chunked(make_document, "long", ["short too", "l" * 99]),
        chunked(make_document, "bad", ["~", "m" * 99]),
    ]
    done = list(embed_documents(items, Cutter(make_embedder(), 50), make_index()))
    assert [(item.rejected, item.too_long) for item in done] == [
        ("", False), ("too long", True), ("no numbers", False)]  # fmt: skip
