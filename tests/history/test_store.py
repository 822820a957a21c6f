import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from kept_answers import kept

from rag.history.errors import HistoryFault, NothingKept
from rag.history.keeping import keep
from rag.history.store import FILE_NAME, History
from rag.index.base.selection import Selection

HERE = Path(__file__).parents[1]


@pytest.fixture
def history(tmp_path):
    history = History(tmp_path / "index")
    yield history
    history.close()


def test_kept_answer_is_found_by_the_beginning_of_its_id_and_as_the_last(history):
    first, second = history.keep(kept(question="One?")), history.keep(kept(question="Two?"))
    assert len(first.id) == 8
    assert history.find(first.id[:6]) == first
    assert history.find(first.id.upper()) == first
    assert history.find() == second
    assert [line.question for line in history.answers()] == ["Two?", "One?"]


def test_same_answer_kept_again_gets_an_id_of_its_own(history):
    first, second = history.keep(kept()), history.keep(kept())
    assert second.id != first.id
    assert history.find(second.id) == second
    with pytest.raises(NothingKept, match="2 answers"):
        history.find(first.id[:7])


def test_unknown_ids_and_empty_histories_are_told(history):
    with pytest.raises(NothingKept, match="no answer is kept"):
        history.find()
    assert (history.answers(), history.conversations(), history.turns("x")) == ([], [], [])
    assert not history.path.exists()
    history.keep(kept())
    for id in ("zz", "'", "%"):
        with pytest.raises(NothingKept):
            history.find(id)


def test_conversation_keeps_its_turns_and_what_it_is_limited_to(history):
    one, two = history.keep(kept(question="One?")), history.keep(kept(question="Two?"))
    name = history.start("talk", Selection(suffixes=(".md",)))
    for turn in (one, two):
        history.add_turn(name, turn.id)
    again = History(history.path.parent)
    assert again.turns("talk") == [one, two]
    assert again.selection("talk") == Selection(suffixes=(".md",))
    again.limit("talk", None)
    assert again.selection("talk") is None
    [line] = again.conversations()
    assert (line.name, line.turns, line.question) == ("talk", 2, "One?")
    again.close()


def test_conversations_without_a_name_get_one_each_and_the_last_is_first(history):
    names = [history.start("", None) for _ in range(3)]
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]
    history.add_turn(names[1], history.keep(kept()).id)
    assert history.conversations()[0].name == names[1]


def test_what_is_forgotten_is_not_in_the_files_any_more(history):
    secret = "SECRETWORD" * 30
    name = history.start("talk", None)
    history.add_turn(name, history.keep(kept(f"{secret} [1].")).id)
    other = history.keep(kept("Another [1]."))
    assert history.forget("talk") == 1
    assert history.answers()
    assert history.find() == other
    assert history.conversations() == []
    with pytest.raises(NothingKept):
        history.forget("talk")
    assert history.forget_answer(other.id[:6]) == other.id
    assert history.answers() == []
    for path in history.path.parent.glob(f"{FILE_NAME}*"):
        assert b"SECRETWORD" not in path.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX rights")
def test_file_is_for_its_owner_alone(history):
    history.keep(kept())
    for path in history.path.parent.glob(f"{FILE_NAME}*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_several_processes_and_threads_lose_nothing(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from kept_answers import kept; from rag.history.store import History\n"
        "history = History(Path(sys.argv[1]))\n"
        "for n in range(20): print(history.keep(kept(question=f'{sys.argv[3]} {n}')).id)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path, HERE, str(n)], stdout=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]
    history = History(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        own = [one.id for one in pool.map(lambda n: history.keep(kept(f"{n} [1].")), range(20))]
    others = [id for process in running for id in process.communicate(timeout=60)[0].split()]
    assert len(others) == 60
    assert {line.id for line in history.answers(-1)} == {*own, *others}
    history.close()


def test_answer_that_cannot_be_kept_is_not_lost_but_says_so(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    given = keep(History(tmp_path), kept())
    assert replace(given, notes=()) == replace(kept().answer, notes=())
    assert given.notes[0] == "one"
    assert given.notes[1].startswith("this answer is not kept: ")


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(2000)]
)
def test_damaged_file_is_told_and_left_alone(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    history = History(tmp_path)
    with pytest.raises(HistoryFault) as caught:
        history.keep(kept())
    assert caught.value.hint
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_file_of_a_newer_program_is_refused(history):
    history.keep(kept())
    history.close()
    with sqlite3.connect(history.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HistoryFault, match="format 99"):
        history.find()


def test_row_that_is_no_answer_is_told(history):
    id = history.keep(kept()).id
    with sqlite3.connect(history.path) as connection:
        connection.execute("UPDATE answers SET record = '{}'")
    connection.close()
    with pytest.raises(HistoryFault, match="no answer"):
        history.find(id)
