from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from synthetic import document, unit, words

from rag.index.base.errors import IndexFault
from rag.index.projection.chroma import ChromaVectors, describe
from rag.index.store.records import Entry


def entries(texts: list[str]) -> list[Entry]:
    _, chunks, _ = document("a.txt", texts)
    return [
        Entry(
            chunk, "/folder", "text/plain", i, f"key-{i}", unit(chunk.text).astype("<f4").tobytes()
        )
        for i, chunk in enumerate(chunks)
    ]


@pytest.fixture
def chroma(tmp_path: Path):
    opened = ChromaVectors(tmp_path / "index-1", create=True)
    yield opened
    opened.close()


def test_more_than_one_batch_is_stored_deleted_and_stored_again(chroma: ChromaVectors) -> None:
    made = entries(words(1500))
    chroma.upsert(made)
    chroma.upsert(made[:10])
    chroma.delete([entry.key for entry in made[200:]] + ["never there"])
    assert chroma.count() == 200
    pages = list(chroma.pages(150))
    assert [len(ids) for ids, _ in pages] == [150, 50]
    rows = {name: row for ids, vectors in pages for name, row in zip(ids, vectors, strict=True)}
    for entry in made[:200]:
        assert numpy.abs(rows[entry.key] - unit(entry.chunk.text)).max() < 1e-5


def test_scores_are_cosines_best_first(chroma: ChromaVectors) -> None:
    assert chroma.query(unit("x"), 3) == ([], [])
    made = entries(words(20))
    chroma.upsert(made)
    ids, scores = chroma.query(unit("text number 4"), 99)
    assert ids[0] == made[4].key
    assert len(ids) == 20
    expected = sorted((float(unit("text number 4") @ unit(t)) for t in words(20)), reverse=True)
    assert scores == pytest.approx(expected, abs=1e-5)


def test_texts_are_stored_only_when_asked_for(tmp_path: Path, chroma: ChromaVectors) -> None:
    chroma.upsert(entries(["secret"]))
    assert b"secret" not in (tmp_path / "index-1" / "chroma.sqlite3").read_bytes()
    other = ChromaVectors(tmp_path / "index-2", create=True, documents=True)
    other.upsert(entries(["readable"]))
    assert other._collection.get()["documents"] == ["readable"]
    other.close()


def test_metadata_is_short_and_plain() -> None:
    (entry,) = entries(["one"])
    long = replace(entry, chunk=replace(entry.chunk, document_id="ü" * 5000 + "\ud800"))
    for value in describe(long).values():
        assert len(value.encode()) <= 1000


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(IndexFault, match="cannot be opened"):
        ChromaVectors(tmp_path / "index-9")
    assert not (tmp_path / "index-9").exists()


def test_every_error_of_chroma_is_ours_and_the_same_folder_opens_again(
    tmp_path: Path, chroma: ChromaVectors
) -> None:
    chroma.upsert(entries(["one"]))
    with pytest.raises(IndexFault, match="cannot be searched"):
        chroma.query(numpy.ones(3, dtype=numpy.float32), 1)
    with pytest.raises(IndexFault, match="cannot be written"):
        chroma.upsert([replace(entry, vector=b"\0" * 8) for entry in entries(["two"])])
    chroma.close()
    again = ChromaVectors(tmp_path / "index-1")
    assert again.count() == 1
    again.close()


def test_an_error_that_is_no_exception_is_ours_too(chroma: ChromaVectors) -> None:
    class PanicException(BaseException):
        pass

    class Panicking:
        def count(self) -> int:
            raise PanicException("panicked")

    chroma._collection = Panicking()
    with pytest.raises(IndexFault, match="panicked"):
        chroma.count()


IMPORT = """
import sys, pathlib
from rag.index.projection.chroma import ChromaVectors
ChromaVectors(pathlib.Path(sys.argv[1]), create=True).close()
print(pathlib.Path.cwd())
"""


def test_a_hostile_env_file_in_the_current_folder_is_not_read(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    (tmp_path / ".env").write_bytes(b"MIGRATIONS=nonsense\nCHROMA_SERVER_HTTP_PORT=abc\nX=\xe9\n")
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, str(tmp_path / "elsewhere" / "index-1")],
        cwd=tmp_path,
        env=python_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert Path(done.stdout.strip()) == tmp_path.resolve()
