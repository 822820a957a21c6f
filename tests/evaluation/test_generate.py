"""Cases are made of documents, tried, and dropped with the reason."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy
import pytest
from token_embedder import TokenEmbedder

from ingest import Options, ingest_folder
from ingest.base.documents import Chunk
from ingest.base.errors import PipelineError
from ingest.health import find_language
from rag.evaluation.base.cases import Case
from rag.evaluation.generate.by_model import FAILURES_IN_A_ROW
from rag.evaluation.generate.by_rule import draft_by_rule
from rag.evaluation.generate.candidates import Candidate, Passage
from rag.evaluation.generate.checks import (
    GAP,
    find_flaw,
    find_quote,
    holds,
    is_copied,
    says,
    without_gap,
)
from rag.evaluation.generate.generate import generate_cases
from rag.index.base.selection import Selection
from rag.index.index import Index
from rag.models.base.errors import BadResponse, EndpointUnreachable
from rag.query.retrieval.retrieve import retrieve

NAMES = ["Arden", "Bexley", "Calder", "Dunmore", "Eskdale", "Farrow", "Gilling", "Harwell"]
THINGS = ["pump", "valve", "winch", "anchor", "beacon", "ladder", "boiler", "filter"]
COUNT = 48


def text_of(n: int) -> str:
    return (
        f"# Report {n}\n\nOn {n % 27 + 1} May {1970 + n} the engineer {NAMES[n % 8]} replaced the "
        f"old {THINGS[n // 8 % 8]} of station zq{n}x with {n + 112} new bolts and some washers."
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generate")
    docs = folder / "docs"
    docs.mkdir()
    for n in range(COUNT):
        (docs / f"report-{n}.md").write_text(text_of(n), encoding="utf-8")
    (docs / "copy-of-3.md").write_text(text_of(3), encoding="utf-8")
    embedder, options = TokenEmbedder(), Options(workers=0)
    manifest = embedder.manifest(options.recipe)
    with Index.open_for_writing(folder / "index", manifest, drain=False, exact_up_to=500) as writer:
        ingest_folder(docs, embedder, writer, options)
    with Index.open_for_reading(folder / "index", search="exact") as reader:
        yield reader


def embed(question: str) -> numpy.ndarray:
    return TokenEmbedder().embed([question])[0]


class WritingModel:
    """A chat model that asks about the station of a passage, changed by what a test says."""

    id = "writer"

    def __init__(self, change=lambda n, reply: reply, decide=lambda shown: {"answered": "no"}):
        self.change, self.decide = change, decide
        self.asked = 0

    def ask_for_json(self, messages, schema, max_tokens):
        if "answered" in schema["properties"]:
            return self.decide(messages[-1].content)
        self.asked += 1
        station, bolts = re.search(r"station (zq\d+x) with (\d+)", messages[-1].content).groups()
        reply = {
            "question": f"What number of bolts did the repair at {station} take?",
            "answer": bolts,
            "quote": f"station {station}  with {bolts} new bolts",
        }
        changed = self.change(self.asked, reply)
        if isinstance(changed, Exception):
            raise changed
        return changed


def numbers_of(cases: tuple[Case, ...]) -> dict[str, int]:
    return {kind: sum(case.kind == kind for case in cases) for kind in
            ("answerable", "near-miss", "unanswerable")}  # fmt: skip


def test_rule_makes_every_kind_in_its_share_and_says_that_it_was_a_rule(index):
    made = generate_cases(index, embed, None, wanted=16, unanswerable=0.5)
    assert numbers_of(made.cases.cases) == {"answerable": 8, "near-miss": 4, "unanswerable": 4}
    assert made.made_by == ""
    assert all({"generated", "rule", "cloze"} <= set(case.tags) for case in made.cases.cases)
    assert len({case.id for case in made.cases.cases}) == 16
    again = generate_cases(index, embed, None, wanted=16, unanswerable=0.5)
    assert again.cases == made.cases


@pytest.mark.parametrize("model", [None, WritingModel()], ids=["rule", "model"])
def test_evidence_stands_word_by_word_in_its_document_and_holds_the_answer(index, model):
    made = generate_cases(index, embed, model, wanted=12, unanswerable=0.0)
    assert len(made.cases.cases) == 12
    for case in made.cases.cases:
        own = case.relevant[0]
        [chunk] = [c for c in index.chunks(index.roots()[0], own.document) if c.end >= own.end]
        assert chunk.text[own.start - chunk.start : own.end - chunk.start] == own.excerpt
        assert case.answers[0] in own.excerpt


def test_held_out_questions_name_all_documents_that_answer_them(index):
    made = generate_cases(index, embed, WritingModel(), wanted=COUNT, unanswerable=1.0)
    held = [case for case in made.cases.cases if case.without]
    assert held
    for case in held:
        assert (case.kind, case.answerable, case.answers) == ("unanswerable", False, ())
        left = retrieve(case.question, embed, index, 5, Selection(except_ids=case.without)).hits
        assert left
        assert not {hit.chunk.document_id for hit in left} & set(case.without)
        station = re.search(r"zq\d+x", case.question)[0]
        assert not any(station in hit.chunk.text for hit in left)


def test_near_miss_is_answered_by_no_document(index):
    made = generate_cases(index, embed, None, wanted=20, unanswerable=1.0)
    near = [case for case in made.cases.cases if case.kind == "near-miss"]
    assert near
    for case in near:
        before, _, behind = case.question.removeprefix("Fill the gap: ").partition("____")
        assert case.near
        assert not any(
            re.search(re.escape(before) + r"[\w ]+" + re.escape(behind), text_of(n))
            for n in range(COUNT)
        )


def test_model_is_asked_whether_what_is_left_answers_and_silence_drops_the_case(index):
    for reply in ({"answered": "yes"}, {}):
        model = WritingModel(decide=lambda _shown, reply=reply: reply)
        with pytest.raises(PipelineError, match="still wanted"):
            generate_cases(index, embed, model, wanted=6, unanswerable=1.0)


def test_copies_of_the_evidence_are_evidence_too(index):
    class Only3(WritingModel):
        def ask_for_json(self, messages, schema, max_tokens):
            if "zq3x" not in messages[-1].content:
                return {"question": "", "answer": "", "quote": ""}
            return super().ask_for_json(messages, schema, max_tokens)

    made = generate_cases(index, embed, Only3(), wanted=COUNT, unanswerable=0.0)
    [case] = made.cases.cases
    assert {one.document for one in case.relevant} == {"report-3.md", "copy-of-3.md"}


FLAWS = {
    "the quote is not in the passage": {"quote": "bolts were never counted"},
    "the quote does not hold the answer": {"quote": "and some washers"},
    "the answer is not in the passage": {"answer": "a dozen"},
    "the question points at the text": {"question": "What does this document say of bolts?"},
    "no question": {"question": ""},
}


@pytest.mark.parametrize(("reason", "change"), FLAWS.items(), ids=list(FLAWS))
def test_what_a_model_writes_badly_is_dropped_with_the_reason(index, reason, change):
    def spoil(n, reply):
        return {**reply, **change} if n % 2 else reply

    made = generate_cases(index, embed, WritingModel(spoil), wanted=6, unanswerable=0.0)
    assert len(made.cases.cases) == 6
    assert made.dropped[reason] >= 5
    assert made.made_by == "writer"
    assert all("model:writer" in case.tags for case in made.cases.cases)


def test_question_that_does_not_find_its_passage_is_dropped(index):
    def vague(n, reply):
        return {**reply, "question": f"Anything about part {n} of zq{(n + 7) % 40}x?"}

    with pytest.raises(PipelineError, match="own passage is not found"):
        generate_cases(index, embed, WritingModel(vague), wanted=10, top_k=1)


def test_same_question_is_asked_once(index):
    def same(_n, reply):
        return {**reply, "question": "How many bolts were needed in zq5x?"}

    made = generate_cases(index, embed, WritingModel(same), wanted=5, top_k=60, unanswerable=0.0)
    assert len(made.cases.cases) == 1
    assert made.dropped["the same was asked before"] > 0


def test_one_bad_reply_stops_nothing_and_many_in_a_row_keep_what_was_made(index):
    def fails(n, reply):
        return BadResponse("no JSON") if n == 2 or n > 8 else reply

    kept: list[Case] = []
    model = WritingModel(fails)
    made = generate_cases(index, embed, model, wanted=30, unanswerable=0.0, on_case=kept.append)
    assert model.asked == 8 + FAILURES_IN_A_ROW
    assert tuple(kept) == made.cases.cases
    assert len(kept) == 7
    assert made.error.message == "no JSON"


def test_server_that_is_gone_from_the_start_is_told_of(index):
    model = WritingModel(lambda _n, _reply: EndpointUnreachable("nothing answers"))
    with pytest.raises(EndpointUnreachable):
        generate_cases(index, embed, model, wanted=5)
    assert model.asked == 1


def test_model_is_not_asked_for_more_than_is_wanted(index):
    model = WritingModel()
    generate_cases(index, embed, model, wanted=4, unanswerable=0.0)
    assert model.asked <= 6


def test_quotes_are_found_whatever_the_white_space_and_nothing_else_is():
    text = "The pump was\nreplaced  in May."
    assert find_quote(text, "pump was replaced in May") == (4, len(text) - 1)
    assert find_quote(text, '"The Pump was replaced"') is not None
    assert find_quote(text, "pump is replaced") is None
    assert find_quote(text, "") is None


def test_answers_are_words_of_their_own():
    assert says("It took 12 bolts.", "12")
    assert not says("It took 112 bolts.", "12")
    assert says("检测费为每台420元", "420元")
    assert not says("anything", " . ")


@pytest.mark.parametrize(
    ("question", "flaw"),
    [("What is described in the passage?", "points"), ("Was steht in diesem Dokument?", "points"),
     ("Que dit ce texte ?", "points"), ("根据上文，费用是多少？", "points"),
     ("Who took 12 bolts?", "away"), ("How much?", "")],
)  # fmt: skip
def test_questions_stand_alone(question, flaw):
    found = find_flaw(question, "12", "It took 12 bolts.")
    assert flaw in found
    assert bool(found) is bool(flaw)


def test_long_runs_of_the_text_are_copied():
    text = "The engineer Arden replaced the old pump of the station."
    assert is_copied("Who says that engineer Arden replaced the old pump of it?", text)
    assert not is_copied("Which pump did Arden replace at the station?", text)
    assert is_copied("请问保修期之外的检测费为每台420元吗", "保修期之外的检测费为每台420元")


def test_values_are_the_same_however_they_are_written():
    assert holds("It costs EUR 35 monthly.", "thirty-five euros")
    assert holds("Open until 10 pm.", "ten")
    assert holds("Die Fahrt dauert zwölf Stunden.", "12 hours")
    assert not holds("It costs EUR 36 monthly.", "thirty-five euros")
    assert not holds("It costs EUR 35 monthly.", "35 euros for children")


HANDBOOK = """# Handbook

## Leave

Anything longer than four days has to be asked for
at least eight weeks ahead. The link needs a signal better than \u221295 dBm at the mast.

## Carry over

Days that are left over go into the next year and lapse there at the end of March
"""
GERMAN = """# Ordnung

## Zeiten

Die Werkstatt ist an allen Tagen der Woche bis 18:00 Uhr offen und wird dann von allen verlassen.
"""
FINNISH = """# Kirja

## Laiva

Laiva oli satamassa 14 päivää ja se ei ole vielä lähtenyt sieltä, mutta hän on jo laivassa.
"""


@pytest.fixture(scope="module")
def drafts():
    texts = {"en": HANDBOOK, "de": GERMAN, "fi": FINNISH}
    passages = []
    for language, text in texts.items():
        starts = [found.start() for found in re.finditer("^## ", text, re.MULTILINE)]
        title = text.split("\n")[0].removeprefix("# ")
        for n, (start, end) in enumerate(pairwise([*starts, len(text)])):
            part = text[start:end].strip()
            heading = f"{title} › {part.splitlines()[0].removeprefix('## ')}"
            chunk = Chunk(f"{language}{n}", language, n, part, start, start + len(part), 40, None,
                          heading)  # fmt: skip
            passages.append(Passage("/docs", chunk, find_language(part), is_section=True))
    return texts, [one for one in draft_by_rule(passages) if isinstance(one, Candidate)]


def test_gap_stands_in_a_whole_sentence_and_takes_sign_and_unit(drafts):
    texts, made = drafts
    clozes = [one for one in made if one.answer]
    assert len(clozes) == 3
    for one in clozes:
        text = texts[one.chunk.document_id]
        sentence = " ".join(text[one.start : one.end].split())
        asked = one.question.split(": ", 1)[1] if ": " in one.question else one.question
        assert asked.replace(GAP, one.answer) == sentence
        assert sentence.endswith(".")
        assert "#" not in sentence


def test_sign_goes_with_its_number():
    text = "The link needs a signal that is better than \u221295 dBm at the mast."
    chunk = Chunk("a", "a.md", 0, text, 0, len(text), 20, None, "Radio")
    [one] = draft_by_rule([Passage("/docs", chunk, "en")])
    assert one.answer == "\u221295 dBm"


def test_words_around_a_gap_are_of_the_language_of_the_passage(drafts):
    _texts, made = drafts
    questions = {(one.passage.language, bool(one.answer)): one.question for one in made}
    assert questions["en", True].startswith("Fill the gap: ")
    assert questions["de", True].startswith("Füllen Sie die Lücke: Die Werkstatt")
    assert questions["fi", True].startswith("Laiva oli")
    assert questions["en", False] == "What does the section “Handbook › Carry over” say?"


def test_gap_and_the_words_that_tell_to_fill_it_are_not_searched_for():
    assert (
        without_gap("Fill the gap: It is at least ____ away: far.") == "It is at least away: far."
    )
    assert without_gap("填空：费用为____元") == "费用为 元"
    assert without_gap("Note: why?") == "Note: why?"


def test_what_is_left_may_answer_in_other_words_or_be_about_as_near(tmp_path):
    pairs = [
        ("The berth of the launch costs thirty-five euros each month at the pier.",
         "Mooring fee of every launch: EUR 35 monthly."),
        ("The gate of the harbour is locked at ten in the evening by the watch.",
         "Nobody passes the bar after 10 pm."),
        ("The oldest ladder of the eastern quay was painted green by Ada Fell in winter.",
         "The oldest ladder of the eastern quay was painted green in winter by our own crew."),
    ]  # fmt: skip
    for n, (text, relative) in enumerate(pairs):
        docs = tmp_path / f"docs{n}"
        docs.mkdir()
        (docs / "own.md").write_text(f"# Own\n\n{text}", encoding="utf-8")
        (docs / "left.md").write_text(f"# Other\n\n{relative}", encoding="utf-8")
        for m in range(12):
            strange = f"# Sheet {m}\n\nx{m} y{m} z{m} without any sentence"
            (docs / f"strange{m}.md").write_text(strange, encoding="utf-8")
        assert not [case for case in made_of(docs, tmp_path / f"index{n}") if case.without]


def test_language_of_a_case_is_that_of_its_passage(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for language, text in {"de": GERMAN, "fi": FINNISH}.items():
        (docs / f"{language}.md").write_text(text, encoding="utf-8")
    made = made_of(docs, tmp_path / "index", unanswerable=0.0)
    assert made
    assert all(case.relevant[0].document == f"{case.language}.md" for case in made)


def made_of(docs, folder, unanswerable=1.0):
    """Return the cases that are made of a folder by rule."""
    embedder, options = TokenEmbedder(), Options(workers=0)
    manifest = embedder.manifest(options.recipe)
    with Index.open_for_writing(folder, manifest, drain=False, exact_up_to=500) as writer:
        ingest_folder(docs, embedder, writer, options)
    with Index.open_for_reading(folder, search="exact") as reader:
        try:
            made = generate_cases(reader, embed, None, wanted=4, unanswerable=unanswerable)
        except PipelineError:
            return ()
        return made.cases.cases
