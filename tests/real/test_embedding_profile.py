"""The self-check, the pace and a limit learned too late, against a real llama.cpp server."""

import json

import numpy
import pytest

from ingest.base.errors import TextsRejected
from rag.models.discover import list_models
from rag.models.embedding.profile import measured_embedder, probe_speed, ready_embedder
from rag.models.endpoint import Endpoint
from rag.models.memory import FILE_NAME, Memory

EMBEDDING_MODEL = "all-MiniLM-L6-v2"
PROBE = "A sentence to probe with."


@pytest.fixture
def ready(llama, tmp_path):
    opened = []

    def ready(name: str = "embedding"):
        endpoint = Endpoint(llama[name], "x")
        opened.append(endpoint)
        offer = list_models(endpoint)
        return ready_embedder(endpoint, offer.models[0], offer.server, Memory(tmp_path), PROBE)

    yield ready
    for endpoint in opened:
        endpoint.close()


def test_an_honest_server_has_an_honest_profile(ready, tmp_path):
    profile = measured_embedder(ready(), Memory(tmp_path), 250).profile
    assert profile is not None
    assert (profile.server, profile.model) == ("llama.cpp", EMBEDDING_MODEL)
    assert (profile.token_limit, profile.dimension) == (250, 384)
    assert profile.batch_equals_single
    assert profile.unit_length
    assert profile.prefixes_help is None
    assert profile.warnings() == []
    assert EMBEDDING_MODEL in (tmp_path / FILE_NAME).read_text(encoding="utf-8")


def test_a_server_with_small_batches_is_found_out(ready, tmp_path):
    profile = measured_embedder(ready("embedding in small batches"), Memory(tmp_path), 250).profile
    assert profile is not None
    assert 100 <= profile.token_limit <= 126
    ((message, hint),) = profile.warnings()
    assert "chunks have 250" in message
    assert "--ubatch-size" in hint


def test_a_limit_that_was_not_checked_is_learned_from_the_refusal(ready):
    embedder = ready("embedding in small batches").embedder
    texts = ["short", "hello " * 200, "middle " * 30]
    with pytest.raises(TextsRejected) as caught:
        embedder.embed(texts)
    assert set(caught.value.too_long) == {1}
    assert 100 <= embedder.token_limit <= 126
    numpy.testing.assert_allclose(
        caught.value.vectors, embedder.embed([texts[0], texts[2]]), atol=1e-3
    )


def test_speed_of_a_real_server_is_found(ready):
    pace = probe_speed(ready(), 20, 1.0)
    assert pace.texts_per_second > 1
    assert pace.batch_size >= 16


def test_a_second_ingest_measures_nothing(run, llama_embedding_url, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("Pay day is the last Friday.", encoding="utf-8")
    command = ("ingest", "docs", "--endpoint", llama_embedding_url, "--index", "index")
    assert run(*command)[0] == 0
    kept = json.loads((tmp_path / "index" / FILE_NAME).read_text(encoding="utf-8"))
    ((key, record),) = kept.items()
    assert EMBEDDING_MODEL in key
    (tmp_path / "docs" / "b.txt").write_text("Ask for rooms.", encoding="utf-8")
    record["measured"] = "2001-01-01"
    (tmp_path / "index" / FILE_NAME).write_text(json.dumps({key: record}), encoding="utf-8")
    assert run(*command)[0] == 0
    again = json.loads((tmp_path / "index" / FILE_NAME).read_text(encoding="utf-8"))
    assert again[key]["measured"] == "2001-01-01"


def test_a_server_started_with_smaller_batches_since_costs_no_document(run, llama, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("Pay day is the last Friday.", encoding="utf-8")
    command = ("ingest", "docs", "--index", "index", "--json", "--endpoint",
               llama["embedding in small batches"])  # fmt: skip
    assert run(*command)[0] == 0
    kept = tmp_path / "index" / FILE_NAME
    ((key, record),) = json.loads(kept.read_text(encoding="utf-8")).items()
    kept.write_text(json.dumps({key: {**record, "token_limit": 250}}), encoding="utf-8")
    # Of such words no estimate of the tokens is far above their number.
    words = " ".join(f"xqzvkj{chr(97 + n % 26)}w" for n in range(600))
    (tmp_path / "docs" / "b.txt").write_text(words, encoding="utf-8")
    code, out, err = run(*command)
    assert code == 0, err
    report = json.loads(out)
    assert (report["ingested"], report["skipped"]) == (["b.txt"], [])
    learned = json.loads(kept.read_text(encoding="utf-8"))[key]["token_limit"]
    assert 32 <= learned <= 126, "the next run begins with what was learned"
