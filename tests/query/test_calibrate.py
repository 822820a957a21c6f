import json

import numpy
import pytest
from token_embedder import TokenEmbedder

from ingest import Options, ingest_folder
from ingest.base.errors import PipelineError
from rag.index.index import Index
from rag.query.evidence.calibrate import FOLLOWED, calibrate
from rag.query.evidence.calibration import FILE, Calibration, read_calibration, write_calibration
from rag.query.evidence.questions import draft_questions, sample_passages
from rag.text.facts import find_facts
from rag.text.terms import TERMS

NAMES = [
    "Arden",
    "Bexley",
    "Calder",
    "Dunmore",
    "Eskdale",
    "Farrow",
    "Gilling",
    "Harwell",
    "Ilkley",
    "Jarrow",
]
THINGS = [
    "pump",
    "valve",
    "winch",
    "anchor",
    "beacon",
    "ladder",
    "boiler",
    "filter",
    "engine",
    "cable",
]
LEARNED = Calibration(0.4, 0.2, 0.7, "model-a|128|", TERMS, 100, 80, 0.05)


def write_corpus(folder, count: int) -> None:
    folder.mkdir()
    for n in range(count):
        name, thing = NAMES[n % 10], THINGS[n // 10 % 10]
        text = (
            f"# Report {n}\n\nOn {n % 27 + 1} May {2000 + n % 20} the engineer {name} "
            f"replaced the old {thing} of station zq{n}x with {n + 12} new bolts and washers."
        )
        (folder / f"report-{n}.md").write_text(text, encoding="utf-8")  # fmt: skip


@pytest.fixture
def index(tmp_path):
    write_corpus(tmp_path / "docs", 80)
    embedder = TokenEmbedder()
    options = Options(workers=0)
    with Index.open_for_writing(tmp_path / "index", embedder.manifest(options.recipe)) as writer:
        ingest_folder(tmp_path / "docs", embedder, writer, options)
    with Index.open_for_reading(tmp_path / "index", search="exact") as reader:
        yield reader


def embed(question: str) -> numpy.ndarray:
    return TokenEmbedder().embed([question])[0]


def test_questions_are_made_from_statements_and_are_the_same_every_time(index):
    passages = sample_passages(index, 60)
    assert len({chunk.document_id for _root, chunk in passages}) == 60
    drafts = draft_questions(passages)
    assert drafts == draft_questions(sample_passages(index, 60))
    assert len(drafts) > 50
    assert all(draft.question.endswith("?") for draft in drafts)


def test_near_miss_has_one_thing_that_its_passage_has_not(index):
    passages = sample_passages(index, 60)
    texts = {chunk.document_id: chunk.text for _root, chunk in passages}
    changed = [draft for draft in draft_questions(passages) if draft.near_miss]
    assert changed
    for draft in changed:
        assert draft.near_miss != draft.question
        new = [draft.near_miss[f.start : f.end] for f in find_facts(draft.near_miss)]
        assert any(written not in texts[draft.document_id] for written in new)


def test_threshold_keeps_to_the_stated_rate_of_wrong_refusals(index):
    told: list[tuple[int, int]] = []
    report = calibrate(index, embed, 5, questions=80, max_wrong=0.1,
                       on_progress=lambda done, total: told.append((done, total)))  # fmt: skip
    learned = report.calibration
    assert 0 < learned.threshold <= report.allowed < 1
    if report.allowed > 0.5:
        assert learned.threshold == round(0.5 + FOLLOWED * (report.allowed - 0.5), 2)
    assert report.chosen.wrongly_refused <= 0.1
    assert told[-1] == (report.counts["answerable"], report.counts["answerable"])
    assert (learned.identity, learned.terms) == (index.manifest.identity, TERMS)
    assert learned.chunks == index.count()
    refused = [point.wrongly_refused for point in report.points]
    assert refused == sorted(refused)
    assert report.chosen.answered_out_of_corpus < 1
    looser = calibrate(index, embed, 5, questions=80, max_wrong=0.0).calibration.threshold
    assert looser <= learned.threshold


def test_too_few_passages_are_refused(index):
    with pytest.raises(PipelineError, match="are the fewest") as asked_few:
        calibrate(index, embed, 5, questions=20)
    assert "--questions 500" in asked_few.value.hint


def test_more_questions_are_no_remedy_where_there_are_no_more_passages(tmp_path):
    write_corpus(tmp_path / "few", 2)
    embedder = TokenEmbedder()
    options = Options(workers=0)
    with Index.open_for_writing(tmp_path / "small", embedder.manifest(options.recipe)) as writer:
        ingest_folder(tmp_path / "few", embedder, writer, options)
    with (
        Index.open_for_reading(tmp_path / "small", search="exact") as reader,
        pytest.raises(PipelineError, match="are the fewest") as caught,
    ):
        calibrate(reader, embed, 5, questions=200)
    assert "--questions" not in caught.value.hint
    assert "ingest more" in caught.value.hint


def test_calibration_is_read_as_it_was_written(tmp_path):
    assert read_calibration(tmp_path) == Calibration()
    write_calibration(tmp_path, LEARNED)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert read_calibration(tmp_path, "model-a|128|", 110) == LEARNED


@pytest.mark.parametrize(
    ("identity", "chunks", "said"),
    [("model-b|128|", 100, "embedding model"), ("model-a|128|", 200, "grown from 100"),
     ("model-a|128|", 50, "shrunk from 100")],
)  # fmt: skip
def test_calibration_of_another_state_is_not_used(tmp_path, identity, chunks, said):
    write_calibration(tmp_path, LEARNED)
    read = read_calibration(tmp_path, identity, chunks)
    assert said in read.problem
    assert read.threshold == Calibration().threshold


@pytest.mark.parametrize("change", [{"threshold": 7}, {"format": 0}, {"related": 0.1},
                                    {"chunks": "many"}])  # fmt: skip
def test_calibration_that_makes_no_sense_is_not_used(tmp_path, change):
    path = write_calibration(tmp_path, LEARNED)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    assert "rag calibrate" in read_calibration(tmp_path).problem
    path.write_text("{", "utf-8")
    assert "cannot be read" in read_calibration(tmp_path).problem
