"""`rag tune` as a user types it."""

import json
import shutil
from pathlib import Path

import pytest
from asked_server import AskedServer

from ingest.base.errors import SettingsError
from rag.cli.main import main
from rag.cli.measuring.bench import Bench
from rag.cli.measuring.env_file import write_settings
from rag.index.base.lock import Lock
from rag.settings import Settings

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


def test_what_wins_over_the_file_or_is_not_in_it_is_warned_of(
    run, flags, cases, tmp_path, monkeypatch
):
    monkeypatch.setenv("RAG_FUSION", "1")
    code, _, err = run("tune", cases, *flags, "--set", "top_k=20", *ONLY_ASKING,
                       "--write", tmp_path / "my.env")  # fmt: skip
    assert code == 0
    assert "warning: the environment gives RAG_FUSION, which wins over any file" in err
    assert "warning: confirmed with top_k as given with this command only" in err


def test_two_do_not_tune_in_one_folder(run, flags, cases, tmp_path):
    (tmp_path / "run").mkdir()
    lock = Lock(tmp_path / "run", "lock")
    lock.acquire("rag tune")
    try:
        code, _, err = run("tune", cases, *flags, *ONLY_ASKING)
    finally:
        lock.release()
    assert code == 1
    assert "another process writes" in err
    assert "--run DIR" in err


def test_evidence_that_the_index_does_not_have_is_warned_of(run, flags, tmp_path):
    elsewhere = write_lines(tmp_path / "cases.jsonl", [
        {"id": f"c{n}", "question": f"Who at {n}?", "evidence": [{"doc": f"other/place-{n}.md"}]}
        for n in range(40)
    ])  # fmt: skip
    code, _, err = run("tune", elsewhere, *flags, *ONLY_ASKING, "--minutes", "0.5")
    assert code == 0
    assert "40 of 40 pieces of evidence are in documents that the index does not have" in err


def test_documents_that_a_stopped_run_has_embedded_are_not_embedded_again(plant, tmp_path):
    place, flags = plant
    settings = Settings(endpoint=flags[1], index_dir=tmp_path / "none", parse_workers=0)

    def prepare(docs):
        said = []
        bench = Bench(settings, tmp_path / "run", str(docs), ("R@5",), (), lambda *_: None,
                      said.append)  # fmt: skip
        bench.prepare()
        roots = bench.index.roots()
        bench.close()
        return said, [Path(root).name for root in roots]

    said, _ = prepare(place / "docs")
    assert "44 texts embedded" in said[0]
    assert prepare(place / "docs") == ([], ["docs"])
    shutil.copytree(place / "docs", place / "others")
    assert prepare(place / "others")[1] == ["others"]


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
    code, _, err = run("tune", cases, *flags, "--measure", "containment")
    assert code == 1
    assert "nDCG@10" in err
    code, _, err = run("tune", cases, *flags, "--write", tmp_path / "none" / ".env")
    assert code == 2
    assert "cannot be written" in err
    assert not (tmp_path / "run").exists(), "that is told before anything is tried"
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


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("RAG_FUSION=1 # all vectors\r", "RAG_FUSION=0.3 # all vectors\r"),
        ("RAG_FUSION= '1 # 2' \t# why", "RAG_FUSION=0.3 \t# why"),
        ("RAG_FUSION=1#2", "RAG_FUSION=0.3"),
    ],
)
def test_comment_on_a_line_stays(tmp_path, line, written):
    path = tmp_path / ".env"
    path.write_bytes(f"{line}\nOTHER=x # y\n".encode())
    write_settings(path, {"fusion": 0.3})
    assert path.read_bytes() == f"{written}\nOTHER=x # y\n".encode()


def test_new_file_of_settings_is_for_its_owner_alone(tmp_path):
    write_settings(tmp_path / ".env", {"top_k": 60})
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_place_that_takes_no_file_of_settings_is_told(tmp_path):
    with pytest.raises(SettingsError, match="cannot be written"):
        write_settings(tmp_path, {"top_k": 60})
