"""What a person sees of an answer: what is not proven, why it was refused, how it was found."""

import json
from dataclasses import replace

import pytest
from asked_server import AskedServer, write_documents
from kept_answers import answer, hit

from ingest.base.errors import PipelineError
from rag.cli.asking.answers import show_closing, show_sources, show_text
from rag.cli.asking.explain import show_found
from rag.cli.asking.stream import stream_answer
from rag.cli.console import Cleaner, Terminal, clean
from rag.cli.options import read_filters
from rag.history.conversation import INTERRUPTED
from rag.history.store import History
from rag.index.base.selection import Selection
from rag.query.base.answers import Coverage, Evidence, Statement, refuse
from rag.query.base.hits import Retrieval
from rag.query.base.questions import Asked

DOUBTED = "It takes 27 days [1]."
HOSTILE = "a\x1b]8;;http://evil\x1b\\link\x1b]8;;\x07 \x1b[31mred\x1b[0m \x9b31mz\x9d0;t\x9c \u202eb\u061c\x07c"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_sequences_are_taken_out_wherever_a_stream_is_cut(size):
    cleaner = Cleaner()
    pieces = [HOSTILE[at : at + size] for at in range(0, len(HOSTILE), size)]
    shown = "".join(cleaner.feed(piece) for piece in pieces) + cleaner.end()
    assert shown == clean(HOSTILE) == "alink red z bc"


def test_sequence_that_never_ends_hides_no_text():
    cleaner = Cleaner()
    text = "safe \x1b]8;;never ended\nnext line"
    assert "".join(map(cleaner.feed, text)) + cleaner.end() == "safe 8;;never ended\nnext line"
    long = "\x1b]" + "x" * 5000
    assert len("".join(map(cleaner.feed, long)) + cleaner.end()) > 2000


def test_statement_that_its_passage_does_not_hold_is_named_with_why(capsys):
    text = f"It starts at noon [1]. {DOUBTED}"
    doubt = Statement(23, len(text), (1,), supported=False, problem="27 is not in passage 1")
    given = answer(text, statements=(Statement(0, 22, (1,), supported=True), doubt), coverage=None)
    terminal = Terminal()
    show_text(terminal, given)
    show_sources(terminal, given)
    show_closing(terminal, replace(given, id="3f2a91c4"))
    out, err = capsys.readouterr()
    assert out.startswith(f"{text}\n")
    assert f"Not found in the passages cited\n  {DOUBTED}\n      27 is not in passage 1" in out
    assert "1 of 2 statements found in the passages cited; kept: rag replay 3f2a91c4" in err


def test_refusal_says_why_and_what_came_nearest(capsys):
    given = refuse("Who?", "m", extractive=True, retrieve_seconds=0.0, context=(hit(),))
    show_sources(Terminal(), replace(given, evidence=Evidence(0.1, 0.5, ('no "Fidelio"',))))
    assert capsys.readouterr().out == (
        '  no "Fidelio"\n\nNearest passages\n  a.md\n      It starts at noon.\n'
    )


def test_quote_that_the_answer_itself_is_stands_there_once(capsys):
    given = answer('"It starts at noon." [1]', extractive=True)
    show_sources(Terminal(), given)
    assert "It starts at noon" not in capsys.readouterr().out
    show_sources(Terminal(), given, in_full=True)
    assert capsys.readouterr().out.count("It starts at noon.") == 1  # in its passage
    show_sources(Terminal(), answer("It starts at noon. [1]"))  # written: here it is the proof
    assert '"It starts at noon."' in capsys.readouterr().out


def test_what_was_quoted_by_the_program_is_not_said_to_be_found_where_it_is_from(capsys):
    given = answer(coverage=None)
    show_closing(Terminal(), replace(given, extractive=True))
    assert capsys.readouterr().err == ""
    show_closing(Terminal(), given)
    assert "1 of 1 statement found" in capsys.readouterr().err


def test_notes_are_not_said_again_with_the_whole_sources(capsys):
    show_sources(Terminal(), answer(notes=("look twice",)))
    assert "look twice" in capsys.readouterr().err
    show_sources(Terminal(), answer(notes=("look twice",)), in_full=True)
    assert "look twice" not in capsys.readouterr().err


def test_explanation_shows_what_was_read_and_only_the_best_of_the_rest(capsys):
    hits = tuple(hit(f"{n}.md", rank=n) for n in range(1, 31))
    given = answer(hits=(hits[0], hits[19]), parts=())
    given = replace(given, citations=given.citations[1:], found=(Retrieval("When?", hits),))
    show_found(Terminal(), given, pytest.fail)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-9:]]
    assert [row[0] for row in rows[1:-1]] == ["1", "2", "3", "4", "5", "6", "20"]
    assert (rows[1][-1], rows[2][-1], rows[-2][-1]) == ("(read)", "2.md", "(cited)")
    assert rows[-1] == ["and", "23", "more"]


def test_stopped_answer_is_told_as_that(capsys):
    cut = answer("It st", citations=(), hits=(), complete=False, finish_reason=INTERRUPTED)
    show_sources(Terminal(), replace(cut, context=()))
    err = capsys.readouterr().err
    assert "you stopped it" in err
    assert "do not rely" not in err


def test_how_much_was_read_is_said_once(capsys):
    told = answer("2 of them.\n\nRead 2 of 3 documents.", coverage=Coverage(2, 3), statements=())
    show_closing(Terminal(), told)
    assert capsys.readouterr().err == ""
    show_closing(Terminal(), replace(told, text="Two."))
    assert "read 2 of 3 documents" in capsys.readouterr().err


def test_text_that_its_check_changed_is_shown_as_checked(capsys):
    def ask(on_text, on_asked, **_):
        on_asked(Asked("And when?", "When does it start?", notes=("searched for: it",)))
        on_text("It starts at noon [7].")
        return answer(notes=("searched for: it", "another"))

    shown = stream_answer(ask, Terminal())
    out, err = capsys.readouterr()
    assert out == (
        "It starts at noon [7].\n\nAs checked against the passages:\nIt starts at noon [1].\n"
    )
    assert err.count("searched for: it") == 1
    assert shown.notes == ("another",)


def test_explanation_shows_ranks_scores_words_and_evidence(capsys):
    second = replace(hit("b.md", rank=2), why={"words": 4}, scores={"dense": 0.12, "words": 1.5})
    found = Retrieval(
        "When?", (hit(), second), {"dense": 0.4, "words": 0.6}, ("because",),
        ("start", "noon"), {"start": 3}, 9,
    )  # fmt: skip
    show_found(Terminal(), replace(answer(), found=(found,)), pytest.fail)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [
        "How it was found: When?",
        "evidence 0.80; enough from 0.30",
        "few words",
        "weights dense 0.40, words 0.60",
        "because",
        "words start 3 (of 9 passages in the index); nowhere: noon",
        "rank score dense words passage",
        "1 0.900 1 (0.70) 2 (3.50) a.md (cited)",
        "2 0.900 - (0.12) 4 (1.50) b.md",
    ]


def test_filters_are_paths_types_and_dates():
    assert read_filters([]) is None
    assert read_filters(["a/*", ".md", "after:2024-01-31", "b"]) == Selection(
        path_globs=("a/*", "*b*"), suffixes=(".md",), modified_after="2024-01-31"
    )
    assert read_filters(["before:2024-01-31"]) == Selection(modified_before="2024-01-31")
    with pytest.raises(PipelineError, match="no date"):
        read_filters(["after:soon"])


def test_filter_is_read_as_people_write_it():
    assert read_filters(["./a/* "]) == Selection(path_globs=("a/*",))
    assert read_filters(["[draft] plan.md"]) == Selection(
        path_globs=("[draft] plan.md", "*[[]draft] plan.md*")
    )
    assert read_filters(["Pr\u00fcfung"]) == Selection(
        path_globs=("*Pr\u00fcfung*", "*Pru\u0308fung*")
    )
    for nothing in ("", " ", "./"):
        with pytest.raises(PipelineError, match="nothing to match"):
            read_filters([nothing])


def test_answer_that_was_stopped_is_searched_for_again_and_a_survey_is_not(capsys):
    stopped = replace(answer(), coverage=None, found=(), parts=("When?", "Where?"))
    show_found(Terminal(), stopped, lambda query: Retrieval(query, (hit(),)))
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line.startswith("How")] == [
        "How it was found: When?", "How it was found: Where?"]  # fmt: skip
    assert "searched again" in err
    show_found(Terminal(), replace(stopped, coverage=Coverage(3, 3)), pytest.fail)
    assert "every document was read" in capsys.readouterr().err


def test_explanation_is_of_the_very_search_and_is_kept_without_its_texts(tmp_path, run):
    with AskedServer().running() as server:
        flags = ["--endpoint", server.url, "--index", tmp_path / "index",
                 "--set", "refusal_threshold=0"]  # fmt: skip
        folder = write_documents(tmp_path / "docs")
        assert run("ingest", folder, *flags, "--set", "parse_workers=0")[0] == 0
        question = "What is the secret word of part 3?"
        told = json.loads(run("ask", question, *flags, "--json", "--explain")[1])
        asked = [request.json["input"] for request in server.asked("/v1/embeddings")]
        assert sum(question in texts for texts in asked) == 1
        assert "found" not in json.loads(run("ask", question, *flags, "--json")[1])
    [found] = told["found"]
    assert found["question"] == question
    assert "secret word" in found["hits"][0]["chunk"]["text"]
    [kept] = History(tmp_path / "index").find(told["id"]).answer.found
    assert [hit.chunk.id for hit in kept.hits] == [hit["chunk"]["id"] for hit in found["hits"]]
    assert [hit.scores for hit in kept.hits] == [hit["scores"] for hit in found["hits"]]
    assert not any(hit.chunk.text for hit in kept.hits)
