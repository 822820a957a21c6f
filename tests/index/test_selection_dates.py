import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.base.errors import PipelineError
from rag import Pipeline, Settings
from rag.index.base.selection import moment_ns
from rag.index.store.records import Selection, StoredDocument
from rag.query.question.selected import holds


@pytest.fixture
def pipeline(tmp_path, weights_cache):
    folder = tmp_path / "documents"
    folder.mkdir()
    for day in (10, 20, 30):
        file = folder / f"day-{day}.md"
        file.write_text(f"The tide of day {day} was high.\n", encoding="utf-8")
        moment = datetime(2024, 1, day).timestamp()
        os.utime(file, (moment, moment))
    given = {"endpoint": "embedded", "index_dir": tmp_path / "index", "keep_answers": False}
    with Pipeline(Settings.load(given)) as pipeline:
        pipeline.ingest(Path(folder))
        yield pipeline


@pytest.mark.parametrize(
    ("after", "before", "days"),
    [
        ("2024-01-20", "", [20, 30]),
        ("", "2024-01-20", [10]),
        ("2024-01-11", "2024-01-30", [20]),
        ("2024-01-20T00:00:01", "", [30]),
        ("2025-01-01", "", []),
    ],
)
def test_files_are_selected_by_the_day_of_their_last_change(pipeline, after, before, days):
    selection = Selection(modified_after=after, modified_before=before)
    names = [f"day-{day}.md" for day in days]
    assert pipeline.index.count(selection) == len(days)
    assert [one.id for one in pipeline.index.documents() if holds(selection, one)] == names
    if days:
        hits = pipeline.search("How was the tide?", 5, selection)
        assert sorted(hit.chunk.document_id for hit in hits) == names


def test_what_is_no_date_is_refused(pipeline):
    with pytest.raises(PipelineError, match="is no date"):
        pipeline.search("tide", 5, Selection(modified_after="yesterday"))


def test_a_zone_that_is_named_counts():
    moment = int(datetime(2024, 1, 20, 12, tzinfo=UTC).timestamp()) * 10**9
    document = StoredDocument("/r", "a.md", "", "", "ok", "", "", "", chunks=1, mtime_ns=moment)
    assert holds(Selection(modified_after="2024-01-20T12:00:00+00:00"), document)
    assert not holds(Selection(modified_before="2024-01-20T12:00:00+00:00"), document)
    assert moment_ns("2024-01-20T14:00:00+02:00") == moment
