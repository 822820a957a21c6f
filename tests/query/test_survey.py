"""Surveys over sample documents: by the embedded model alone, and with a chat model on a server."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Timer, main_thread

import pytest
from fault_server import FaultServer, Reply, Request, as_json, fail

from ingest.base.documents import Chunk, Place
from rag import Pipeline, Settings
from rag.index.store.records import Selection
from rag.models.base.errors import EndpointError
from rag.query.base.answers import Coverage
from rag.query.survey.items import Item, check_item, find_words, merge
from rag.query.survey.tell import MOST_SHOWN, show, tell

SAMPLES = Path(__file__).parents[2] / "data" / "documents"
NAMES = (
    "handbook/leave.md", "handbook/expenses-and-travel.md", "handbook/apprentices.odt",
    "office/minutes-2025-10-08.txt", "office/minutes-2025-03-12.docx", "office/recall-answer.eml",
    "office/supplier-contract-summary.docx", "office/loan-agreement.rtf",
    "office/investment-plan-2026.ods", "workshop/faq.md", "workshop/warranty-guide-zh.md",
)  # fmt: skip
CRANE = [
    "handbook/apprentices.odt", "handbook/leave.md", "office/investment-plan-2026.ods",
    "office/minutes-2025-10-08.txt",
]  # fmt: skip
PASSAGE = re.compile(
    r'<passage-(\w+) n="(\d+)" source="(\S+)[^"]*">\n(.*?)\n</passage-\1>', re.DOTALL
)


@pytest.fixture(scope="module")
def home(tmp_path_factory, weights_cache) -> Path:
    """A folder with an index of some of the samples."""
    home = tmp_path_factory.mktemp("survey")
    for name in NAMES:
        target = home / "documents" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / name, target)
    with Pipeline(settings(home)) as pipeline:
        pipeline.ingest(home / "documents")
    return home


def settings(home: Path, **more) -> Settings:
    given = {"endpoint": "embedded", "index_dir": home / "index", "keep_answers": False}
    return Settings.load({**given, **more})


@pytest.fixture
def pipeline(home):
    with Pipeline(settings(home)) as pipeline:
        yield pipeline


@contextmanager
def folder_of(home: Path, **texts: str) -> Iterator[Pipeline]:
    """Ingest documents of these names and texts."""
    (home / "documents").mkdir()
    for name, text in texts.items():
        (home / "documents" / f"{name}.md").write_text(text, encoding="utf-8")
    with Pipeline(settings(home)) as pipeline:
        pipeline.ingest(home / "documents")
        yield pipeline


@pytest.fixture(scope="module")
def four(tmp_path_factory, weights_cache) -> Iterator[Pipeline]:
    """Documents that have the one, the other, both or none."""
    with folder_of(
        tmp_path_factory.mktemp("four"),
        a="The crane is old. Apprentices may not use it.",
        b="The cranes are new.",
        c="An apprentice starts in March.",
        d="Lunch is at noon.",
    ) as pipeline:
        yield pipeline


def found_in(answer) -> list[str]:
    return [hit.chunk.document_id for hit in answer.context]


def check_proof(answer):
    """Every line is cited, and every citation stands where it says."""
    lines = [line for line in answer.text.splitlines() if line.startswith("- ")]
    marked = [answer.text[one.start : one.end] for one in answer.statements]
    assert [f"- {line}" for line in marked] == lines
    for citation in answer.citations:
        chunk = citation.hit.chunk
        assert answer.context[citation.number - 1] == citation.hit
        assert citation.quote
        assert (
            chunk.text[citation.start - chunk.start : citation.end - chunk.start] == citation.quote
        )


# ---- without a language model


def test_every_document_that_mentions_a_word_is_named(pipeline):
    seen = []
    answer = pipeline.ask(
        "Which documents mention the crane?", on_read=lambda done, total: seen.append((done, total))
    )
    assert found_in(answer) == CRANE
    assert answer.text.startswith(f"4 of {len(NAMES)} documents:\n")
    assert answer.text.endswith(f"Read {len(NAMES)} of {len(NAMES)} documents.")
    assert answer.coverage == Coverage(len(NAMES), len(NAMES))
    assert (seen[0], seen[-1]) == ((0, len(NAMES)), (len(NAMES), len(NAMES)))
    assert answer.support_rate == 1.0
    check_proof(answer)


def test_answer_is_in_the_language_of_the_question(pipeline):
    chinese = pipeline.ask("哪些文件提到了保修？")
    assert found_in(chinese) == ["workshop/warranty-guide-zh.md"]
    assert f"已读 {len(NAMES)} 份文件中的 {len(NAMES)} 份" in chinese.text
    german = pipeline.ask("In welchen Dokumenten steht etwas über Halvorsund?")
    assert "office/supplier-contract-summary.docx" in found_in(german)
    assert f"von {len(NAMES)} Dokumenten gelesen." in german.text


def test_what_no_document_holds_is_said_after_reading_all(pipeline):
    shown = []
    answer = pipeline.ask("Which documents mention unicorns?", on_text=shown.append)
    assert answer.abstained
    assert (answer.citations, shown) == ((), [])
    assert answer.coverage == Coverage(len(NAMES), len(NAMES))


def test_summary_has_a_line_for_every_document(pipeline):
    answer = pipeline.ask("Summarise all documents.")
    assert sorted(found_in(answer)) == sorted(NAMES)
    check_proof(answer)


def test_documents_of_another_kind_are_told_apart(pipeline):
    answer = pipeline.ask("How many contracts mention Halvorsund?")
    assert found_in(answer) == ["office/supplier-contract-summary.docx"]
    assert "office/minutes-2025-10-08.txt" in answer.notes[-1]


def texts_of(pipeline) -> dict[str, str]:
    """Return the text of every document, its line ends as blanks."""
    return {
        one.id: " ".join(
            " ".join(chunk.text for chunk in pipeline.index.chunks(one.root, one.id)).split()
        ).casefold()
        for one in pipeline.index.documents()
    }


@pytest.mark.parametrize(
    ("topic", "pattern"),
    [
        ("the crane", r"\bcranes?\b"), ("leave", r"\bleaves?\b|\bleaving\b"),
        ("Halvorsund", r"\bhalvorsund\b"), ("safety glasses", r"\bsafety glasses\b"),
        ("overtime", r"\bovertime\b"), ("the word penalty", r"\bpenalt(y|ies)\b"),
        ("12 March 2025", r"\b12 march 2025\b|2025-03-12|12\.0?3\.2025"), ("2.25", r"\b2\.25\b"),
        ("HC-2023-118", r"\bhc-2023-118\b"), ('"trial period"', r"\btrial period\b"),
        ("Solbakk-Eide", r"\bsolbakk-eide\b"), ("unicorns", r"\bunicorns?\b"),
    ],
)  # fmt: skip
def test_documents_that_mention_words_are_those_a_search_by_hand_gives(pipeline, topic, pattern):
    by_hand = [name for name, text in texts_of(pipeline).items() if re.search(pattern, text)]
    answer = pipeline.ask(f"How many documents mention {topic}?")
    assert sorted(found_in(answer)) == sorted(by_hand)
    if by_hand:
        assert answer.text.startswith(f"{len(by_hand)} of {len(NAMES)} documents:")
    assert len(answer.statements) == len(by_hand)


def test_date_is_found_in_another_notation(tmp_path, weights_cache):
    with folder_of(
        tmp_path,
        a="Paid on 2025-04-30.",
        b="Fällig am 30.04.2025.",
        c="From April on, 30 days are given.",
        d="Taken by 30 April.",
    ) as pipeline:
        assert found_in(pipeline.ask("Which files mention 30 April?")) == ["a.md", "b.md", "d.md"]
        assert found_in(pipeline.ask("Which files mention 30 April 2025?")) == ["a.md", "b.md"]


def test_forms_case_and_accents_are_folded_and_other_words_are_not(tmp_path, weights_cache):
    with folder_of(
        tmp_path,
        a="Die KRÄNE heben.",
        b="Der Kran hebt.",
        c="The internal audit.",
        d="An international fair.",
        e="Le cafe est ouvert.",
    ) as pipeline:
        assert found_in(pipeline.ask("Welche Dokumente erwähnen den Kran?")) == ["a.md", "b.md"]
        assert found_in(pipeline.ask("Which documents mention internal?")) == ["c.md"]
        assert found_in(pipeline.ask("Which documents mention Café?")) == ["e.md"]


def test_words_stand_in_one_sentence_quoted_ones_side_by_side(tmp_path, weights_cache):
    with folder_of(
        tmp_path,
        a="Wear glasses for your safety.",
        b="Safety comes first. The glasses are in the bar.",
        c="Wear safety glasses.",
    ) as pipeline:
        loose = pipeline.ask("Which documents mention safety glasses?")
        assert found_in(loose) == ["a.md", "c.md"]
        strict = pipeline.ask('Which documents mention "safety glasses"?')
        assert found_in(strict) == ["c.md"]


def test_what_is_only_alike_is_told_apart_and_not_counted(pipeline):
    answer = pipeline.ask("Which files mention 30 April?")
    listed, _, alike = answer.text.partition("Perhaps also")
    assert found_in(answer) == ["office/minutes-2025-10-08.txt"]
    assert listed.startswith(f"1 of {len(NAMES)} documents:")
    assert "handbook/leave.md" in alike
    assert len(answer.statements) == len(answer.citations) == 1
    nothing = pipeline.ask("Which documents deal with holidays at sea in a boat?")
    assert (nothing.abstained, nothing.statements) == (True, ())


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Which documents mention apprentices but not cranes?", "c"),
        ("Which documents mention apprentices or cranes?", "abc"),
        ("Which documents mention both apprentices and cranes?", "a"),
        ("Which documents do not mention cranes?", "cd"),
        ("Which documents don't mention apprentices or cranes?", "d"),
        ("How many documents mention neither apprentices nor cranes?", "d"),
        ("Welche Dokumente erwähnen apprentices, aber nicht crane?", "c"),
        ("Welche Dokumente erwähnen weder apprentices noch crane?", "d"),
        ("Welche Dokumente erwähnen apprentices oder crane?", "abc"),
        ("Welche Dokumente erwähnen crane nicht?", "cd"),
        ("Wie viele Dokumente erwähnen apprentices und crane?", "a"),
        ("哪些文件没有提到起重机？", "abcd"),
        ("Quels documents ne mentionnent pas crane ?", "cd"),
    ],
)
def test_and_or_and_not_between_topics_count(four, question, names):
    answer = four.ask(question)
    assert found_in(answer) == [f"{name}.md" for name in names]
    assert "read as: " in answer.notes[0]
    assert str(len(names)) in answer.text.splitlines()[0]


def test_document_without_a_word_is_no_statement_that_a_passage_proves(four):
    answer = four.ask("Which documents do not mention cranes?")
    assert not answer.abstained
    assert answer.statements == ()
    assert "- c.md [1]\n- d.md [2]" in answer.text


def test_not_is_told_by_words_where_documents_are_asked_for(four):
    answer = four.ask("Which documents do not deal with cranes?")
    assert found_in(answer) == ["c.md", "d.md"]
    assert answer.notes[0] == "read as: documents with not “cranes”; words alone decide"


@pytest.mark.parametrize(
    "question",
    ["List all cranes that are not new across the documents.",
     "Which documents mention cranes that are not old?"],
)  # fmt: skip
def test_not_that_words_cannot_tell_is_said(four, question):
    assert 'the "not" in the question was not applied' in " ".join(four.ask(question).notes)


def test_survey_interrupted_while_reading_tells_how_far_it_came(tmp_path, weights_cache):
    texts = {f"n{place:03}": f"The crane of shed {place} is new." for place in range(140)}

    def interrupt(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with folder_of(tmp_path, **texts) as pipeline:
        answer = pipeline.ask("How many documents mention the crane?", on_read=interrupt)
    read = answer.coverage.read
    assert 0 < read < 140
    assert answer.text.startswith(f"{read} of 140 documents:")
    assert f"Read {read} of 140 documents." in answer.text
    assert not answer.complete
    assert "interrupted" in " ".join(answer.notes)


def test_only_what_is_selected_is_read(pipeline):
    answer = pipeline.ask(
        "Which documents mention the crane?", selection=Selection(path_globs=("handbook/*",))
    )
    assert found_in(answer) == CRANE[:2]
    assert answer.coverage == Coverage(3, 3)


# ---- with a language model


@pytest.fixture
def server():
    server = FaultServer()
    server.on(
        "/v1/models", as_json({"object": "list", "data": [{"id": "stub", "object": "model"}]})
    )
    with server.running():
        yield server


def reply(text: str) -> Reply:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    head = {"id": "x", "object": "chat.completion", "created": 0, "model": "stub"}
    return as_json({**head, "choices": [choice], "usage": usage})


def passages(request: Request) -> list[tuple[int, str, str]]:
    text = "\n".join(message["content"] for message in request.json["messages"])
    return [(int(n), source, body) for _, n, source, body in PASSAGE.findall(text)]


def quoting(word: str):
    """A model that names every passage that holds the word, and quotes the words around it."""

    def answer(request: Request) -> Reply:
        found = []
        for number, _, body in passages(request):
            if match := re.search(rf"\w+\s+{word}\w*\s+\w+|{word}\w*", body, re.IGNORECASE):
                found.append({"passage": number, "item": word, "quote": match[0]})
        return reply(json.dumps({"found": found}))

    return answer


def asking(home, server, context=1500, **more) -> Pipeline:
    return Pipeline(
        settings(home, chat_endpoint=server.url, chat_model="stub", context_tokens=context, **more)
    )


def test_model_reads_what_may_answer_and_code_counts(home, server):
    server.on("/v1/chat/completions", quoting("crane"))
    with asking(home, server) as pipeline:
        answer = pipeline.ask("How many documents deal with the crane?")
    assert found_in(answer) == CRANE
    assert answer.text.startswith(f"4 of {len(NAMES)} documents:")
    assert answer.coverage == Coverage(len(NAMES), len(NAMES))
    asked = server.asked("/v1/chat/completions")
    read = sum(len(passages(request)) for request in asked)
    assert len(asked) > 1
    assert f"the model {read} passages" in " ".join(answer.notes)
    assert not answer.extractive
    check_proof(answer)


def test_things_of_one_name_are_one_with_all_their_sources(home, server):
    server.on("/v1/chat/completions", quoting("crane"))
    with asking(home, server) as pipeline:
        answer = pipeline.ask("List all cranes in the documents.")
    assert answer.text.startswith("1 found in ")
    assert re.search(r"\n- crane \[1\]\[2\]\[3\]\n", answer.text)


def test_what_stands_in_no_passage_is_left_out_and_counted(home, server):
    def invent(request: Request) -> Reply:
        entry = {"item": "a submarine", "quote": "the submarine is yellow"}
        found = [{"passage": number, **entry} for number, *_ in passages(request)]
        return reply(json.dumps({"found": [*found, {"passage": 99, **entry}]}))

    server.on("/v1/chat/completions", invent)
    with asking(home, server, context=8000) as pipeline:
        answer = pipeline.ask("Which documents deal with the crane?")
    assert answer.abstained
    assert "stand in no passage and were left out" in answer.notes[-1]


def test_interrupted_survey_answers_from_what_was_read(home, server):
    server.on("/v1/chat/completions", quoting("crane"))
    told = []

    def interrupt(done: int, _total: int) -> None:
        told.append(done)
        if len(told) == 4:  # start, what the index read alone, two batches
            raise KeyboardInterrupt

    with asking(home, server) as pipeline:
        answer = pipeline.ask("Which documents deal with the crane?", on_read=interrupt)
    assert 0 < answer.coverage.read < answer.coverage.total
    assert answer.coverage.read == told[-1]
    assert f"Read {told[-1]} of {len(NAMES)} documents." in answer.text
    assert not answer.complete
    assert "interrupted" in " ".join(answer.notes)
    check_proof(answer)


def test_one_bad_batch_leaves_the_rest(home, server):
    good = quoting("crane")

    def choosy(request: Request) -> Reply:
        bad = any(source == "handbook/apprentices.odt" for _, source, _ in passages(request))
        return reply("I would rather not.") if bad else good(request)

    server.on("/v1/chat/completions", choosy)
    with asking(home, server, context=4000) as pipeline:
        answer = pipeline.ask("Which documents deal with the crane?")
    assert found_in(answer) == CRANE[1:]
    assert answer.coverage == Coverage(len(NAMES) - 1, len(NAMES))
    assert "1 documents could not be read by the model" in " ".join(answer.notes)
    assert not answer.complete


def test_model_of_no_use_leaves_it_to_the_words(home, server):
    server.on("/v1/chat/completions", reply("{'garbage': <nothing>"))
    with asking(home, server) as pipeline:
        answer = pipeline.ask("Which documents deal with the crane?")
    assert found_in(answer) == CRANE
    assert "words alone decided" in " ".join(answer.notes)


def test_server_that_refuses_is_an_error(home, server):
    server.on("/v1/chat/completions", fail("no such key", 401))
    with asking(home, server) as pipeline, pytest.raises(EndpointError):
        pipeline.ask("Which documents deal with the crane?")


def test_model_adds_nothing_to_what_words_decide(home, server):
    server.on("/v1/chat/completions", quoting("a"))
    with asking(home, server, context=8000) as pipeline:
        answer = pipeline.ask("How many documents mention the crane?")
    assert found_in(answer) == CRANE
    assert answer.text.startswith(f"4 of {len(NAMES)} documents:")
    for request in server.asked("/v1/chat/completions"):
        assert not {source for _, source, _ in passages(request)} & set(CRANE)


@pytest.mark.parametrize("said", ["{'garbage': <", '{"found": 5}', "", '{"found": [{"passage": 1}'])
def test_count_of_mentions_is_true_however_the_model_fails(home, server, said):
    server.on("/v1/chat/completions", reply(said))
    with asking(home, server) as pipeline:
        answer = pipeline.ask("How many documents mention the crane?")
    assert found_in(answer) == CRANE
    assert answer.coverage == Coverage(len(NAMES), len(NAMES))


def press_control_c() -> None:
    """Send the signal where the terminal would: to the main thread, which may wait for bytes."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main_thread().ident, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


def test_slow_model_can_be_interrupted_and_what_was_read_is_told(home, server):
    good = quoting("crane")
    server.on("/v1/chat/completions", good, lambda request: replace(good(request), delay=8.0))
    timer = Timer(1.5, press_control_c)
    with asking(home, server) as pipeline:
        timer.start()
        try:
            answer = pipeline.ask("Which documents deal with the crane?")
        finally:
            timer.cancel()
    assert 0 < answer.coverage.read < answer.coverage.total
    assert not answer.complete
    assert "interrupted" in " ".join(answer.notes)
    check_proof(answer)


# ---- the parts


TEXT = "The crane lifts 3.5 tonnes.\nIt was built in\n1998 by Halvorsund."
CHUNK = Chunk("1", "a.md", 0, TEXT, 0, len(TEXT), 9, None, "A")


def test_quote_is_found_however_white_space_is_written():
    span = find_words('"built in 1998 by Halvorsund."', TEXT)
    assert TEXT[slice(*span)] == "built in\n1998 by Halvorsund"
    assert find_words("built in 1999", TEXT) is None
    assert find_words("a", TEXT) is None


@pytest.mark.parametrize(
    ("item", "quote", "is_shown"),
    [
        ("crane of 3.5 tonnes", "lifts 3.5 tonnes", True),
        ("crane of 4.5 tonnes", "lifts 3.5 tonnes", False),
        ("Halvorsund", "words that are not there", True),
        ("a yellow submarine", "The crane lifts", False),
    ],
)
def test_item_has_to_be_shown_by_its_passage(item, quote, is_shown):
    assert (check_item("/r", CHUNK, item, quote) is not None) == is_shown


def test_names_that_differ_in_case_only_are_one():
    items = [Item("/r", CHUNK, 0, 9, name) for name in ("The Crane", "crane", "Halvorsund")]
    assert [len(group) for group in merge(items)] == [2, 1]


def test_more_than_fit_are_counted():
    chunks = [replace(CHUNK, id=str(n), document_id=f"{n}.md") for n in range(MOST_SHOWN + 23)]
    items = [Item("/r", chunk, 0, 9) for chunk in chunks]
    told = tell(items, "documents", Coverage(80, 80), "en", lambda _chunk, _offset: Place())
    assert told.text.startswith("73 of 80 documents:")
    assert "... and 23 more." in told.text
    assert len(told.citations) == len(told.statements) == MOST_SHOWN


def test_signs_that_a_terminal_obeys_are_not_shown():
    assert show("a\x1b[31m\u202e b\n c") == "a[31m b c"
