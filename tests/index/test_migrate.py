"""Another embedding model for an index: the old vectors answer until the new ones are all made."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from ingested import QUESTIONS, TEXTS, WordEmbedder, answers, ingest, manifest_of, write_texts

from ingest.base.documents import Chunk, Progress
from ingest.base.errors import PipelineError
from rag.index.base.errors import IndexLocked, IndexMismatch, IndexMissing
from rag.index.base.lock import WRITER, Lock
from rag.index.index import Index
from rag.index.migrate import Migrated, migrate
from rag.index.repair import compact
from rag.index.verify import verify

LONG = {"long.md": "# Long\n\n## Part\n\n" + " ".join(f"Word{i} goes on." for i in range(60))}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Documents in `docs` and their index, embedded by words-a, in `index`."""
    ingest(write_texts(tmp_path / "docs", {**TEXTS, **LONG}), tmp_path / "index", drain=False)
    return tmp_path


def change_model(made: Path, new: WordEmbedder, **how: object) -> Migrated:
    return migrate(made / "index", new, manifest_of(new), **how)


def chunks_of(folder: Path, name: str) -> list[Chunk]:
    with Index.open_for_reading(folder / "index") as index:
        return index.chunks(index.roots()[0], name)


def state(folder: Path) -> list[tuple]:
    connection = sqlite3.connect(folder / "index" / "catalogue.sqlite")
    tables = ("meta", "documents", "texts", "vectors", "chunks", "outbox")
    rows = [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return rows


def test_after_a_migration_the_new_model_answers_and_nothing_is_ingested_again(made: Path) -> None:
    old, new = WordEmbedder(), WordEmbedder("words-b", 24)
    done = change_model(made, new)
    assert (done.before, done.after, done.needed, done.warning) == ("words-a", "words-b", True, "")
    assert (done.documents, done.embedded, done.recut, done.refused) == (5, done.chunks, 0, ())
    assert not any(finding.damage for finding in verify(made / "index"))
    assert answers(made / "index", new, "chroma") == answers(made / "index", new)
    with Index.open_for_reading(made / "index") as index:
        index.check(manifest_of(new))
        with pytest.raises(IndexMismatch):
            index.check(manifest_of(old))
    asked = len(new.asked)
    report = ingest(made / "docs", made / "index", new, drain=False)
    assert (report.unchanged, len(new.asked)) == (5, asked)


def test_the_old_vectors_answer_until_the_end(made: Path) -> None:
    old, seen = WordEmbedder(), []
    before = answers(made / "index", old)
    with Index.open_for_reading(made / "index", search="exact") as reader:

        class Watching(WordEmbedder):
            def embed(self, texts):
                seen.append(answers(made / "index", old))
                found = reader.search(old.vector(QUESTIONS[0]), 1)[0]
                assert found.chunk.text == before[0][0][0]
                return super().embed(texts)

        change_model(made, Watching("words-b", batch_size=1))
    assert len(seen) > 4
    assert all(answer == before for answer in seen)


def test_what_was_embedded_before_a_crash_is_kept(made: Path) -> None:
    before = answers(made / "index")
    with pytest.raises(PipelineError, match="went away"):
        change_model(made, WordEmbedder("words-b", batch_size=1, dies_after=3))
    assert answers(made / "index") == before
    assert not any(finding.damage for finding in verify(made / "index"))
    new = WordEmbedder("words-b")
    done = change_model(made, new)
    assert len(new.asked) == done.embedded == done.chunks - 3


def test_passages_too_long_for_the_new_model_are_cut_where_they_are(made: Path) -> None:
    new = WordEmbedder("words-b", token_limit=40)
    whole = chunks_of(made, "long.md")
    done = change_model(made, new)
    assert done.recut == 1
    parts = chunks_of(made, "long.md")
    assert len(parts) > len(whole)
    assert [part.ordinal for part in parts] == list(range(len(parts)))
    assert all(new.count_tokens([part.embedding_text])[0] <= 40 for part in parts)
    assert all(part.heading == whole[0].heading for part in parts)
    text = (made / "docs" / "long.md").read_text("utf-8")
    assert all(text[part.start : part.end] == part.text for part in parts)
    assert "".join("".join(p.text for p in parts).split()) == "".join(
        "".join(w.text for w in whole).split()
    )
    assert not any(finding.damage for finding in verify(made / "index"))


def test_a_limit_learned_on_the_way_cuts_the_rest(made: Path) -> None:
    from ingest.base.errors import TextsRejected

    class Learning(WordEmbedder):
        def embed(self, texts):
            long = {i: "too long" for i, t in enumerate(texts) if len(t.split()) > 40}
            if long:
                self.token_limit = 40
                rest = [t for i, t in enumerate(texts) if i not in long]
                rows = super().embed(rest) if rest else super().embed(["x"])[:0]
                raise TextsRejected(long, rows, set(long))
            return super().embed(texts)

    done = change_model(made, Learning("words-b"))
    assert (done.recut, done.refused) == (1, ())
    assert not any(finding.damage for finding in verify(made / "index"))


def test_a_document_the_new_model_refuses_is_read_again_by_the_next_ingest(made: Path) -> None:
    new = WordEmbedder("words-b", poison="mayor")
    done = change_model(made, new)
    assert [failure.source_id for failure in done.refused] == ["town/mayor.md"]
    assert not any(finding.damage for finding in verify(made / "index"))
    with Index.open_for_reading(made / "index") as index:
        (refused,) = [d for d in index.documents() if d.status == "skipped"]
        assert (refused.id, refused.reason, refused.chunks) == (
            "town/mayor.md",
            "embed-rejected",
            0,
        )
    report = ingest(made / "docs", made / "index", WordEmbedder("words-b"), drain=False)
    assert report.ingested == ("town/mayor.md",)


def test_nothing_happens_when_the_model_is_the_same(made: Path) -> None:
    embedder, before = WordEmbedder(), state(made)
    assert not change_model(made, embedder).needed
    assert (embedder.asked, state(made)) == ([], before)


def test_another_model_under_the_same_name_cannot_be_told_apart(made: Path) -> None:
    impostor = replace(manifest_of(WordEmbedder()), probe=manifest_of(WordEmbedder("z")).probe)
    with pytest.raises(IndexMismatch, match="under the same name"):
        migrate(made / "index", WordEmbedder(), impostor)


def test_a_dry_run_counts_and_writes_nothing(made: Path) -> None:
    new, before = WordEmbedder("words-b", token_limit=40), state(made)
    planned = change_model(made, new, dry_run=True)
    assert (new.asked, state(made)) == ([], before)
    done = change_model(made, new)
    assert (planned.chunks, planned.embedded, planned.recut) == (done.chunks, done.embedded, 1)


def test_progress_ends_at_the_end(made: Path) -> None:
    seen: list[Progress] = []
    change_model(made, WordEmbedder("words-b"), on_progress=seen.append)
    assert [one.files_done for one in seen] == [1, 2, 3, 4, 5]
    assert seen[-1].bytes_done == seen[-1].bytes_total


def test_without_an_index_or_beside_a_writer_nothing_is_migrated(made: Path) -> None:
    with pytest.raises(IndexMissing):
        migrate(made / "docs", WordEmbedder("words-b"), manifest_of(WordEmbedder("words-b")))
    lock = Lock(made / "index", WRITER)
    lock.acquire("rag ingest here")
    with pytest.raises(IndexLocked, match="rag ingest here"):
        change_model(made, WordEmbedder("words-b"))
    lock.release()


def test_the_way_back_embeds_nothing_until_the_index_is_compacted(made: Path) -> None:
    change_model(made, WordEmbedder("words-b"))
    back = WordEmbedder()
    change_model(made, back)
    assert back.asked == []
    assert compact(made / "index").vectors_dropped == len(TEXTS) + len(chunks_of(made, "long.md"))


def test_who_has_the_index_open_is_told_of_the_new_model(made: Path) -> None:
    old = WordEmbedder()
    with Index.open_for_reading(made / "index", search="exact") as reader:
        assert reader.search(old.vector(QUESTIONS[0]), 1)
        change_model(made, WordEmbedder("words-b"))  # of the same dimension
        with pytest.raises(IndexMismatch, match="vectors of words-b meanwhile"):
            reader.search(old.vector(QUESTIONS[0]), 1)
