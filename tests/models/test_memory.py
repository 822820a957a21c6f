"""What is remembered of servers, on a real disk."""

import json
import threading

import pytest

from rag.models.memory import FILE_NAME, Memory


def names_in(folder) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_what_is_kept_is_recalled_by_another(tmp_path):
    Memory(tmp_path).keep("größe", {"limit": 5, "name": "Größe", "none": None})
    assert Memory(tmp_path).recall("größe") == {"limit": 5, "name": "Größe", "none": None}
    assert Memory(tmp_path).recall("other") is None
    assert "Größe" in (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    assert names_in(tmp_path) == [FILE_NAME]


def test_others_keep_what_they_wrote(tmp_path):
    first, second = Memory(tmp_path), Memory(tmp_path)
    first.keep("a", {"n": 1})
    second.keep("b", {"n": 2})
    first.keep("a", {"n": 3})
    assert (second.recall("a"), second.recall("b")) == ({"n": 3}, {"n": 2})


def test_forgetting_takes_what_begins_so(tmp_path):
    memory = Memory(tmp_path)
    for key in ("server a", "server b", "else"):
        memory.keep(key, {})
    memory.forget("server")
    assert [memory.recall(key) for key in ("server a", "server b", "else")] == [None, None, {}]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"key": 5}', b"[" * 100_000],
    ids=["empty", "cut", "list", "text", "no UTF-8", "no record", "deep"],
)
def test_foreign_content_counts_as_nothing(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    memory = Memory(tmp_path)
    assert memory.recall("key") is None
    memory.keep("key", {"n": 1})
    assert json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8")) == {"key": {"n": 1}}


@pytest.mark.parametrize("folder", [None, "missing"])
def test_nothing_is_written_where_there_is_no_folder(tmp_path, folder):
    memory = Memory(tmp_path / folder if folder else None)
    memory.keep("key", {})
    memory.forget("key")
    assert memory.recall("key") is None
    assert names_in(tmp_path) == []


def test_what_cannot_be_written_is_not_kept(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    memory = Memory(tmp_path)
    memory.keep("key", {"bad": "\ud800"})
    memory.keep("key", {"n": 1})
    assert memory.recall("key") is None
    assert names_in(tmp_path) == [FILE_NAME]


def test_readers_never_see_half_a_file(tmp_path):
    memory, stop, seen = Memory(tmp_path), threading.Event(), []
    memory.keep("key", {"text": "x" * 50_000})

    def read() -> None:
        while not stop.is_set():
            seen.append(memory.recall("key") is None)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(50):
        memory.keep("key", {"text": str(number) * 50_000})
    stop.set()
    thread.join()
    assert seen
    assert not any(seen)
