from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Chunk
from rag.index.store.records import Copy
from rag.query.fuse import fuse


@dataclass(frozen=True)
class Found:
    chunk: Chunk
    score: float
    root: str = "/docs"
    copies: tuple[Copy, ...] = ()


def chunk(name: str) -> Chunk:
    return Chunk(name, "a.md", 0, "text", 0, 4, 1, None, "A")


def found(**scores: float) -> list[Found]:
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return [Found(chunk(name), score) for name, score in ranked]


def test_single_list_keeps_order_and_scores():
    hits = fuse({"dense": found(a=0.9, b=0.5, c=0.4)}, {"dense": 1.0}, 2)
    assert [(hit.chunk.id, hit.score, hit.rank, hit.why) for hit in hits] == [
        ("a", 0.9, 1, {"dense": 1}), ("b", 0.5, 2, {"dense": 2})]  # fmt: skip


def test_hits_keep_the_other_places_of_their_text():
    copies = (Copy("/docs", "b.md", None, "", "B"),)
    (hit,) = fuse({"dense": [Found(chunk("a"), 0.9, "/docs", copies)]}, {"dense": 1.0}, 2)
    assert (hit.root, hit.copies) == ("/docs", copies)


def test_two_lists_are_weighed_on_one_scale():
    lists = {"dense": found(a=0.9, b=0.8, c=0.1), "lexical": found(b=30.0, c=20.0, a=10.0)}
    hits = fuse(lists, {"dense": 0.5, "lexical": 0.5}, 3)
    assert [hit.chunk.id for hit in hits] == ["b", "a", "c"]
    assert hits[0].why == {"dense": 2, "lexical": 1}


def test_chunk_of_one_list_only_gets_nothing_from_the_other():
    hits = fuse({"x": found(a=1.0, b=0.5), "y": found(c=1.0, b=0.9)}, {"x": 0.9, "y": 0.1}, 3)
    assert [(hit.chunk.id, hit.score) for hit in hits] == [("a", 0.9), ("c", 0.1), ("b", 0.0)]


scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), max_size=8)


@given(scores, scores, st.integers(1, 10))
def test_ranks_have_no_gaps_and_no_chunk_comes_twice(left, right, k):
    lists = {"x": found(**left), "y": found(**right)}
    hits = fuse(lists, {"x": 0.4, "y": 0.6}, k)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert len({hit.chunk.id for hit in hits}) == len(hits) == min(k, len({**left, **right}))
    assert hits == fuse(dict(reversed(lists.items())), {"x": 0.4, "y": 0.6}, k)
