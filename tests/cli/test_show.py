import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from ingest.base.documents import Chunk, Place
from ingest.base.errors import PipelineError
from rag.cli.asking.answers import show_sources
from rag.cli.console import Terminal, clean
from rag.cli.show import show_json
from rag.index.store.records import Copy
from rag.models.base.messages import Delta, NativeReport
from rag.query.base.hits import Hit
from rag.query.context.prompt import Prompt
from rag.query.writing.write import BROKE_OFF, THINKING_SWITCHED_OFF, write_answer

TEXT = "The reactor starts at noon."
HIT = Hit(Chunk("1", "a.md", 0, TEXT, 0, len(TEXT), 5, None, "A"), 0.9, 1, {"dense": 1})
FIT = "1 of 8 passages fit in the context of qwen3-8b (1024 tokens)"
OTHER = "the server answered with gemma-3-4b instead of qwen3-8b"


def answered(text="It starts at noon [1].", finish="stop"):
    return write_answer(
        "When?",
        Prompt((), (HIT,), 100, 50, context_tokens=1024, retrieved=8),
        iter([Delta(text=text, model="gemma-3-4b"), Delta(finish_reason=finish)]),
        lambda _chunk, _offset: Place(),
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


def test_json_has_null_where_a_number_is_none(capsys):
    odd = NativeReport(tokens_per_second=float("nan"), generation_time=float("-inf"))
    show_json(Terminal(), replace(answered(), native=odd, notes=("NaN",)))
    shown = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert shown["native"]["tokens_per_second"] is None
    assert shown["native"]["generation_time"] is None
    assert shown["notes"] == ["NaN"]


# Where else it stands


def test_source_names_the_first_three_other_places_and_json_all(capsys):
    copies = tuple(Copy("/docs", f"{n}.pdf", n, f"p. {n}", "T") for n in range(1, 4))
    copies += (Copy("/other", "a.md", None, "", "T"), Copy("/docs", "z.md", None, "", "T"))
    answer = answered()
    for there, line in (
        (copies[:1], "also in: 1.pdf p. 1"),
        (copies[-2:], "also in: /other: a.md, z.md"),
        (copies, "also in: 1.pdf p. 1, 2.pdf p. 2, 3.pdf p. 3 and 2 more"),
    ):
        cited = replace(answer.citations[0], hit=replace(HIT, root="/docs", copies=there))
        show_sources(Terminal(), replace(answer, citations=(cited,)))
        assert capsys.readouterr().out.splitlines()[3].strip() == line
    show_sources(Terminal(), answer)
    assert "also in" not in capsys.readouterr().out
    show_json(Terminal(), replace(answer, context=(replace(HIT, copies=copies),)))
    shown = json.loads(capsys.readouterr().out)["context"][0]["copies"]
    assert [copy["document_id"] for copy in shown] == ["1.pdf", "2.pdf", "3.pdf", "a.md", "z.md"]


# Answers that are not complete


def incomplete_lines(capsys, answer):
    show_sources(Terminal(), answer)
    return [line for line in capsys.readouterr().err.splitlines() if "not complete" in line]


@pytest.mark.parametrize(
    ("finish", "said"),
    [("length", "RAG_ANSWER_TOKENS"), ("truncated", "broke off or fell silent"),
     ("content_filter", "the server's filter cut the answer"),
     ("tool_calls", "the model called a tool instead of answering"),
     ("function_call", "the model called a tool instead of answering")],
)  # fmt: skip
def test_answer_that_is_not_complete_says_why(capsys, finish, said):
    [line] = incomplete_lines(capsys, answered(finish=finish))
    assert said in line


def test_answer_with_an_end_of_its_own_warns_of_nothing(capsys):
    assert incomplete_lines(capsys, answered(finish="eos")) == []


def test_words_of_the_server_that_broke_off_are_shown_once(capsys):
    answer = replace(answered(finish="truncated"), notes=(f"{BROKE_OFF}: lms says: crashed", FIT))
    show_sources(Terminal(), answer)
    assert capsys.readouterr().err.splitlines() == [
        "warning: the answer is not complete: the server broke off: lms says: crashed",
        f"note: {FIT}",
    ]


# Thoughts, then what follows them


FOLLOWING = {
    "the answer": lambda terminal: terminal.write("Eight."),
    "an error": lambda terminal: terminal.fail(PipelineError("gone", "try again")),
    "a warning": lambda terminal: terminal.warn("gone"),
    "a result": lambda terminal: terminal.say("gone"),
}


@pytest.mark.parametrize("follow", FOLLOWING.values(), ids=FOLLOWING.keys())
@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
def test_what_follows_a_thought_begins_after_one_blank_line(capsys, follow, ending):
    terminal = Terminal()
    terminal.think("I think")
    terminal.think(" so." + ending)
    follow(terminal)
    follow(terminal)
    err = capsys.readouterr().err
    assert err.startswith("I think so.\n\n")
    assert "\n\n\n" not in err
    assert err.count("\n\n") == 1


def test_thought_on_a_terminal_ends_before_the_answer():
    screen, terminal = StringIO(), Terminal()
    terminal.out = terminal.err = Console(file=screen, force_terminal=True, soft_wrap=True)
    terminal.think("I think so.")
    terminal.write("Eight.")
    assert clean(screen.getvalue()) == "I think so.\n\nEight."


# What is waited for


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


def test_wait_is_told_once_and_then_every_ten_seconds(capsys):
    clock = Clock()
    terminal = Terminal(clock)
    for second in range(25):
        clock.seconds = float(second)
        terminal.on_wait("host loads m", second + 0.3)
        if second % 12 == 0:
            terminal.on_wait("host is busy", 0.0)
    assert capsys.readouterr().err.splitlines() == [
        "host loads m", "host is busy", "host loads m (10 s so far)", "host is busy",
        "host loads m (20 s so far)", "host is busy",
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [0.0, 0.4, 0.99])
def test_wait_that_only_began_names_no_seconds(capsys, seconds):
    Terminal().on_wait("host loads m", seconds)
    assert capsys.readouterr().err == "host loads m\n"


def test_status_line_is_replaced_and_after_it_lines_are_told():
    screen, terminal = StringIO(), Terminal()
    terminal.err = Console(file=screen, force_terminal=True, soft_wrap=True)
    with terminal.waiting("searching ...") as stop:
        for second in range(5):
            terminal.on_wait("host loads m", float(second))
        assert "host loads m\n" not in clean(screen.getvalue())
        stop()
        terminal.on_wait("host is busy", 0.0)
    assert clean(screen.getvalue()).endswith("host is busy\n")
