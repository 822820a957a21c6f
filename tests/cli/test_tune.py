"""`rag tune` as a user types it."""

import json
from pathlib import Path

import pytest
from asked_server import AskedServer

from ingest.base.errors import SettingsError
from rag.cli.main import main
from rag.cli.measuring.env_file import write_settings

DATA = Path(__file__).parents[2] / "data"
ONLY_ASKING = ("--try", "chunk_tokens=200", "--try", "chunk_overlap=0", "--try", "fusion=0.2")


def write_lines(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """An index of halls of a plant, on a server to whose vectors all of them are the same."""
    place = tmp_path_factory.mktemp("plant")
    folder = place / "docs"
    folder.mkdir()
    for n in range(100, 144):
        text = f"# A hall\n\nThe pump of hall {n} was replaced by Ada Fell."
        (folder / f"hall-{n}.md").write_text(text, encoding="utf-8")
    with AskedServer().running() as server:
        flags = ["--endpoint", server.url, "--index", str(place / "index"),
                 "--set", "parse_workers=0"]  # fmt: skip
        assert main(["ingest", str(folder), *flags]) == 0
        yield place, flags


@pytest.fixture
def flags(plant, tmp_path):
    return [*plant[1], "--run", tmp_path / "run"]


@pytest.fixture
def cases(tmp_path):
    return write_lines(tmp_path / "cases.jsonl", [
        {"id": f"hall-{n}", "question": f"Who was in charge at {n}?",
         "evidence": [{"doc": f"hall-{n}.md"}]}
        for n in range(100, 144)
    ])  # fmt: skip


def test_better_settings_are_found_confirmed_and_written(run, flags, cases, tmp_path):
    settings = tmp_path / "my.env"
    settings.write_text("# mine\nRAG_FUSION=1\nOTHER=x\n", encoding="utf-8")
    code, out, err = run("tune", cases, *flags, "--set", "fusion=1", *ONLY_ASKING,
                         "--write", settings)  # fmt: skip
    assert code == 0, err
    assert "better settings: nDCG@10" in out
    assert "change: fusion 0.2" in out
    assert settings.read_text("utf-8") == "# mine\nRAG_FUSION=0.2\nOTHER=x\n"
    assert "rag ingest" not in err, "no document has to be read again"
    folder = tmp_path / "run"
    assert json.loads((folder / "tune.json").read_text("utf-8"))["chosen"] == {"fusion": 0.2}
    assert not (folder / "indexes").exists()


def test_index_stays_as_it_is_while_others_are_tried(run, plant, flags, cases):
    before = (plant[0] / "index" / "catalogue.sqlite").read_bytes()
    code, out, err = run("tune", cases, *flags, "--try", "chunk_tokens=100,200",
                         "--try", "fusion=0.2", "--json")  # fmt: skip
    assert code == 0
    report = json.loads(out)
    assert {"measure", "tried", "decision", "chosen", "train", "test"} <= set(report)
    assert any("chunk_tokens" in one["changes"] for one in report["tried"])
    assert "44 files cut to 44 chunks of 100 tokens, 0 repeated; 0 texts embedded" in err
    assert (plant[0] / "index" / "catalogue.sqlite").read_bytes() == before
    assert not (plant[0] / "index" / "runs").exists()


def test_what_was_tried_is_not_tried_again(run, flags, cases, tmp_path):
    words = ("tune", cases, *flags, *ONLY_ASKING)
    assert run(*words)[0] == 0
    first = (tmp_path / "run" / "trials.jsonl").read_bytes()
    assert run(*words)[0] == 0
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == first


def test_too_few_cases_and_wrong_words_are_told(run, flags, cases, tmp_path):
    code, _, err = run("tune", cases, *flags, "--limit", "12")
    assert code == 1
    assert "12 cases; 40 are the fewest" in err
    assert "rag generate-cases" in err
    code, _, err = run("tune", cases, *flags, "--try", "temperature=1")
    assert (code, "passages_tokens" in err) == (2, True)
    code, _, err = run("tune", cases, *flags, "--try", "fusion=7")
    assert code == 2
    assert "--try fusion is '7'" in err
    code, _, err = run("tune", cases, *flags, "--measure", "tokens-prompt")
    assert code == 1
    assert "--list-measures" in err
    code, _, err = run("tune", cases, "--index", tmp_path / "none")
    assert code != 0
    assert "there is no index" in err


@pytest.mark.usefixtures("weights_cache")
def test_sample_documents_are_tuned_with_the_embedded_model(run, tmp_path):
    code, out, _ = run("tune", DATA / "cases.jsonl", "--docs", DATA / "documents" / "handbook",
                       "--embedded", "--index", tmp_path / "index", *ONLY_ASKING,
                       "--measure", "R@5", "--limit", "50", "--set", "parse_workers=0")  # fmt: skip
    assert code == 0
    assert (tmp_path / "index" / "runs" / "tune-cases" / "tune.md").exists()
    assert "      R@5  cases  what is changed" in out
    assert "held-out cases" in out or "the best tried" in out


def test_settings_are_added_at_the_end_with_its_kind_of_line(tmp_path):
    path = tmp_path / ".env"
    path.write_bytes(b"# a\r\nexport RAG_TOP_K=8\r\n#RAG_FUSION=1")
    write_settings(path, {"top_k": 60, "fusion": 0.3, "query_prefix": None})
    assert path.read_bytes() == (
        b"# a\r\nexport RAG_TOP_K=60\r\n#RAG_FUSION=1\r\nRAG_FUSION=0.3\r\nRAG_QUERY_PREFIX=\r\n"
    )
    assert [file.name for file in tmp_path.iterdir()] == [".env"]


def test_new_file_of_settings_is_for_its_owner_alone(tmp_path):
    write_settings(tmp_path / ".env", {"top_k": 60})
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_place_that_takes_no_file_of_settings_is_told(tmp_path):
    with pytest.raises(SettingsError, match="cannot be written"):
        write_settings(tmp_path, {"top_k": 60})
