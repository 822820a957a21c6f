import json
from dataclasses import replace

import pytest

from ingest.base.documents import Chunk
from rag.cli.console import Terminal
from rag.cli.show import show_json, show_sources
from rag.models.base.messages import Delta
from rag.query.answer import THINKING_SWITCHED_OFF, write_answer
from rag.query.fuse import Hit
from rag.query.prompt import Prompt

TEXT = "The reactor starts at noon."
HIT = Hit(Chunk("1", "a.md", 0, TEXT, 0, len(TEXT), 5, None, "A"), 0.9, 1, {"dense": 1})
FIT = "1 of 8 passages fit in the context of qwen3-8b (1024 tokens)"
OTHER = "the server answered with gemma-3-4b instead of qwen3-8b"


def answered(text="It starts at noon [1].", finish="stop"):
    return write_answer(
        "When?",
        Prompt((), (HIT,), 100, 50, context_tokens=1024, retrieved=8),
        iter([Delta(text=text, model="gemma-3-4b"), Delta(finish_reason=finish)]),
        lambda _chunk, _offset: None,
        model="qwen3-8b", extractive=False, retrieve_seconds=0.0, notes=[THINKING_SWITCHED_OFF],
    )  # fmt: skip


@pytest.mark.parametrize("text", ["It starts at noon [1].", "At noon.", "NOT_IN_DOCUMENTS"])
def test_notes_are_shown_beside_every_kind_of_answer(capsys, text):
    show_sources(Terminal(), answered(text))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert [line for line in lines if line.startswith("note: ")] == [
        f"note: {note}" for note in (THINKING_SWITCHED_OFF, FIT, OTHER)
    ]
    assert "note:" not in captured.out


def test_nothing_to_tell_is_nothing_told(capsys):
    show_sources(Terminal(), replace(answered(), notes=()))
    assert capsys.readouterr().err == ""


def test_answer_that_reached_its_limit_says_so_beside_the_notes(capsys):
    show_sources(Terminal(), answered(finish="length"))
    err = capsys.readouterr().err
    assert "RAG_ANSWER_TOKENS" in err
    assert FIT in err


def test_json_holds_what_was_found_who_answered_and_the_notes(capsys):
    show_json(Terminal(), answered())
    shown = json.loads(capsys.readouterr().out)
    assert (shown["retrieved"], len(shown["context"])) == (8, 1)
    assert (shown["model"], shown["served_by"]) == ("qwen3-8b", "gemma-3-4b")
    assert shown["notes"] == [THINKING_SWITCHED_OFF, FIT, OTHER]
