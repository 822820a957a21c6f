"""Cases are made of documents, tried, and dropped with the reason."""

from __future__ import annotations

import re

import numpy
import pytest
from token_embedder import TokenEmbedder

from ingest import Options, ingest_folder
from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case
from rag.evaluation.generate.candidates import FAILURES_IN_A_ROW
from rag.evaluation.generate.checks import find_flaw, find_quote, is_copied, says
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

    def __init__(self, change=lambda n, reply: reply):
        self.change = change
        self.asked = 0

    def ask_for_json(self, messages, schema, max_tokens):
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
            ("answerable", "near-miss", "out-of-corpus")}  # fmt: skip


def test_rule_makes_every_kind_in_its_share_and_says_that_it_was_a_rule(index):
    made = generate_cases(index, embed, None, wanted=16, unanswerable=0.5)
    assert numbers_of(made.cases.cases) == {"answerable": 8, "near-miss": 4, "out-of-corpus": 4}
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
        assert (case.kind, case.answerable, case.answers) == ("out-of-corpus", False, ())
        left = retrieve(case.question, embed, index, 5, Selection(except_ids=case.without)).hits
        assert left
        assert not {hit.chunk.document_id for hit in left} & set(case.without)
        station = re.search(r"zq\d+x", case.question)[0]
        assert not any(station in hit.chunk.text for hit in left)


def test_near_miss_is_answered_by_no_document(index):
    made = generate_cases(index, embed, None, wanted=20, unanswerable=1.0)
    near = [case for case in made.cases.cases if case.kind == "near-miss"]
    assert near
    texts = [set(re.findall(r"\w+", text_of(n))) for n in range(COUNT)]
    for case in near:
        words = set(re.findall(r"\w+", case.question))
        telling = {word for word in words if re.search(r"\d", word) or word in NAMES}
        things = words & set(THINGS)
        assert case.near
        assert not any(telling | things <= text for text in texts)


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
