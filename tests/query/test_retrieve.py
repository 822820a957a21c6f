from dataclasses import dataclass, replace

import numpy

from ingest.base.documents import Chunk
from rag.index.store.records import Copy
from rag.query.retrieve import retrieve


@dataclass(frozen=True)
class Found:
    chunk: Chunk
    score: float
    root: str = "/docs"
    copies: tuple[Copy, ...] = ()


class Index:
    """Holds chunks by falling score and remembers what was asked."""

    def __init__(self, *texts: str) -> None:
        self.found = [
            Found(Chunk(str(n), f"{n}.md", 0, text, 0, len(text), 1, None, "T"), 1.0 - n / 100)
            for n, text in enumerate(texts)
        ]

    def search(self, vector, k, selection=None):
        self.asked = (vector.tolist(), selection)
        return self.found[:k]


def embed(question: str):
    return numpy.array([len(question), 0.0], dtype=numpy.float32)


def test_best_chunks_come_with_their_rank_in_each_list():
    index = Index("a", "b", "c")
    hits = retrieve("why", embed, index, 2)
    assert [(h.chunk.text, h.rank, h.why) for h in hits] == [
        ("a", 1, {"dense": 1}),
        ("b", 2, {"dense": 2}),
    ]
    assert index.asked == ([3.0, 0.0], None)


def test_copies_of_a_passage_come_with_the_hit():
    index = Index("a", "b")
    index.found[0] = replace(index.found[0], copies=(Copy("/docs", "z.md", 3, "p. 3", "T"),))
    hits = retrieve("why", embed, index, 2)
    assert [[copy.document_id for copy in hit.copies] for hit in hits] == [["z.md"], []]
