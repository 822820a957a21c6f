"""verify, repair, compact, export, import, migrate and remove as a user types them."""

import json
import re
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest
from fault_server import FaultServer, as_json, embedding_rows

from ingest.base.documents import Document, Failure, Health, Source
from rag.cli.main import main
from rag.index.base.lock import WRITER, Lock
from rag.index.index import Index
from rag.index.manifest import Manifest

TEXTS = {
    "plover.md": "# Plover\n\nThe mast of the Plover is red.\n",
    "town/mayor.md": "# Town\n\nThe mayor of the town is Greta Halvorsen.\n",
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RAG_ENDPOINT", "RAG_INDEX_DIR", "RAG_CHAT_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def original(tmp_path_factory, weights_cache) -> Path:
    """Documents in `docs` and their index, made once, which a copy of both answers for."""
    folder = tmp_path_factory.mktemp("made")
    for name, text in TEXTS.items():
        (folder / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / name).write_text(text, encoding="utf-8")
    assert main(["ingest", str(folder / "docs"), "--embedded", "--index", str(folder / "i")]) == 0
    return folder


@pytest.fixture
def index(original, tmp_path) -> Path:
    """A copy of the index where `data/index` is looked for."""
    return Path(shutil.copytree(original / "i", tmp_path / "data" / "index"))


def problem(err: str) -> tuple[str, str]:
    errors = re.findall(r"^error: (.+)$", err, re.MULTILINE)
    fixes = re.findall(r"^fix: +(.+)$", err, re.MULTILINE)
    assert (len(errors), len(fixes)) == (1, 1), err
    return errors[0], fixes[0]


def change(index: Path, sql: str) -> None:
    with sqlite3.connect(index / "catalogue.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        assert connection.execute(sql).rowcount
    connection.close()


def test_a_sound_index_is_said_so_and_its_vectors_are_tried(run, index):
    code, out, _ = run("verify", "--embedded")
    assert code == 0
    assert "2 passages embedded again agree" in out
    assert out.endswith("the index is sound\n")
    code, out, _ = run("verify", "--embedded", "--deep", "--sample", "0", "--json")
    assert (code, json.loads(out)) == (0, {"sound": True, "findings": []})


def test_vectors_are_not_compared_when_no_server_answers(run, index):
    with socket.socket() as held:  # bound and not listening: whoever connects is refused
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        verify_without_server(run, port)


def verify_without_server(run, closed_port):
    code, out, _ = run("verify", "--endpoint", f"http://127.0.0.1:{closed_port}/v1")
    assert code == 0
    assert "note: vectors: not compared with new ones: no server at" in out


def test_damage_is_named_repaired_and_gone(run, index, original):
    change(index, "UPDATE texts SET text = replace(text, 'red', 'tan')")
    code, out, _ = run("verify", "--embedded")
    assert code == 1
    assert re.search(
        r"damaged: catalogue: texts that were changed.*plover\.md\n +fix: rag repair", out
    )
    assert "the index is sound" not in out
    code, out, _ = run("repair")
    assert code == 0
    assert "not whole: plover.md" in out
    assert "catalogue.sqlite.damaged-" in out
    assert "rag ingest" in out
    _, out, _ = run("ingest", original / "docs", "--embedded", "--json")
    assert (json.loads(out)["ingested"], json.loads(out)["embedded"]) == (["plover.md"], 0)
    assert json.loads(run("verify", "--embedded", "--sample", 0, "--json")[1])["sound"]


def test_repair_tells_programs_what_it_saved(run, index):
    change(index, "UPDATE chunks SET ordinal = 5 WHERE document_id = 'plover.md'")
    code, out, _ = run("repair", "--json")
    told = json.loads(out)
    assert (code, told["sound"]) == (0, True)
    assert told["repair"]["salvaged"]["incomplete"] == ["plover.md"]
    assert told["repair"]["salvaged"]["documents"] == 1


def test_a_catalogue_of_garbage_can_be_restored_from_an_export(run, index):
    assert run("export", "backup.zip")[0] == 0
    (index / "catalogue.sqlite").write_bytes(b"garbage" * 999)
    for folder in index.glob("index-*"):
        shutil.rmtree(folder)
    message, fix = problem(run("repair")[2])
    assert "nothing of" in message
    assert "rag import" in fix
    Path("data/index/calibration.json").write_text("{}", encoding="utf-8")
    Path("data/index/answers.sqlite").write_bytes(b"kept")
    code, _, err = run("import", "backup.zip", "--force")
    assert code == 0
    assert "rag calibrate" in err
    assert not Path("data/index/calibration.json").exists()
    assert Path("data/index/answers.sqlite").read_bytes() == b"kept"
    assert run("verify", "--embedded")[0] == 0


@pytest.mark.parametrize("command", ["verify", "repair", "compact"])
def test_a_locked_index_is_left_alone(run, index, command):
    lock = Lock(index, WRITER)
    lock.acquire("rag ingest here")
    code, _, err = run(command)
    lock.release()
    assert code == 75
    assert "rag ingest here" in problem(err)[0]


@pytest.mark.parametrize(
    "command",
    [("verify",), ("repair",), ("compact",), ("export", "x.zip"), ("migrate", "--embedded")],
)
def test_without_an_index_each_command_says_so(run, weights_cache, command):
    code, _, err = run(*command)
    assert code == 1
    assert "there is no index in" in problem(err)[0]
    assert not Path("data").exists()


def test_compact_says_what_it_gave_back(run, index):
    code, out, _ = run("compact")
    assert code == 0
    assert re.search(r"[\d.]+ MB before, [\d.]+ MB now", out)
    told = json.loads(run("compact", "--json")[1])
    assert told["vectors_dropped"] == 0
    assert told["bytes_after"] <= told["bytes_before"]


def test_an_index_moves_as_one_file_and_answers_the_same(run, index, original, tmp_path):
    question = ("ask", "--embedded", "What colour is the mast of the Plover?")
    before = run(*question)[1]
    code, out, err = run("export", "backup.zip")
    assert (code, "2 documents" in out) == (0, True)
    assert "keep it" in err
    assert json.loads(run("export", "other.zip", "--lean", "--json")[1])["documents"] == 2
    shutil.rmtree(index)
    code, out, _ = run("import", "backup.zip")
    assert code == 0
    assert "2 documents" in out
    assert run(*question)[1] == before
    shutil.copytree(original / "docs", tmp_path / "here")
    there, here = original / "docs", tmp_path / "here"
    code, out, _ = run("import", "backup.zip", "--force", "--json", "--root", f"{there}={here}")
    assert (code, json.loads(out)["sound"]) == (0, True)
    again = json.loads(run("ingest", here, "--embedded", "--json")[1])
    assert (again["unchanged"], again["embedded"]) == (2, 0)


def test_an_export_or_index_is_not_overwritten_unasked(run, index):
    assert run("export", "backup.zip")[0] == 0
    assert "--force" in problem(run("export", "backup.zip")[2])[1]
    assert "--force" in problem(run("import", "backup.zip")[2])[1]
    assert run("export", "backup.zip", "--force")[0] == 0


def test_what_cannot_be_imported_is_told(run, tmp_path):
    Path("text.zip").write_text("no zip", encoding="utf-8")
    assert "no export" in problem(run("import", "text.zip")[2])[0]
    assert "there is no file" in problem(run("import", "nowhere.zip")[2])[0]
    code, _, err = run("import", "text.zip", "--root", "nonsense")
    assert code == 2
    assert "--root OLD=NEW" in problem(err)[1]
    assert not Path("data").exists()


@pytest.fixture
def server():
    """A server with an embedding model of its own."""
    with FaultServer().running() as running:
        running.on("/api/v1/models", as_json({"models": [
            {"type": "embedding", "key": "text-embedding-stub", "max_context_length": 2048,
             "loaded_instances": [{"id": "text-embedding-stub",
                                   "config": {"context_length": 2048}}]},
        ]}))  # fmt: skip
        running.on("/v1/embeddings", lambda request: as_json({"data": embedding_rows(
            [[1 + t.count(c) for c in "etaoinshr"] for t in request.json["input"]])}))  # fmt: skip
        yield running


def test_an_index_gets_another_model_and_says_what_to_set(run, server, index, original):
    model = ("--embedding-model", "text-embedding-stub")
    flags = ("--endpoint", server.url, *model)
    code, out, _ = run("migrate", *flags, "--dry-run")
    assert code == 0
    assert "2 of 2 passages to embed" in out
    assert "all-MiniLM-L6-v2, 384" in run("status")[1]
    code, out, _ = run("migrate", *flags)
    assert code == 0
    assert f"RAG_EMBEDDING_ENDPOINT={server.url}\nRAG_EMBEDDING_MODEL=text-embedding-stub\n" in out
    assert "text-embedding-stub, 9 dimensions" in run("status")[1]
    report = json.loads(run("ingest", original / "docs", *flags, "--json")[1])
    assert (report["unchanged"], report["embedded"]) == (2, 0)
    code, out, _ = run("migrate", *flags)
    assert (code, "already" in out) == (0, True)
    told = json.loads(run("migrate", "--embedded", "--json")[1])
    assert (told["before"], told["embedded"]) == ("text-embedding-stub", 0)
    assert run("verify", "--embedded")[0] == 0


def test_a_model_that_is_not_offered_changes_nothing(run, server, index):
    code, _, err = run("migrate", "--endpoint", server.url, "--embedding-model", "nomic-9")
    assert code == 1
    assert "nomic-9" in problem(err)[0]
    assert "all-MiniLM-L6-v2, 384" in run("status")[1]


def test_only_whole_folders_are_forgotten(run, index, original):
    inside = original / "docs" / "town" / "mayor.md"
    message, fix = problem(run("remove", inside)[2])
    assert "is part of" in message
    assert f"/town/mayor.md into {original / 'docs'}/.ragignore" in fix
    code, out, _ = run("remove", original / "docs", "--json")
    assert (code, json.loads(out)["documents"]) == (0, 2)
    assert json.loads(out)["file"] is None
    assert "no folder of this index" in problem(run("remove", original / "docs")[2])[0]


def fill_index(folder: Path, root: str, *names: str, whole: bool = False) -> None:
    """Put documents without text into an index, without Chroma."""
    made = Manifest("all-minilm-l6-v2", "x", 2, "", "", 256, "recipe", (1.0, 0.0))
    with Index.open_for_writing(folder, made, drain=False) as index:
        for name in names:
            source = Source(name, root, Path(root) / name, "text/plain", 1, 1)
            index.add_document(Document(source, "print", name, "one"), (), (), Health())
        if whole:
            index.record_unread(root, [Failure("x.bin", "binary", "content that is no text")])


def test_single_file_is_forgotten_alone_and_its_folder_with_the_last(run, tmp_path):
    (tmp_path / "a.md").write_text("A", "utf-8")
    flags = ("--index", tmp_path / "own")
    fill_index(tmp_path / "own", str(tmp_path), "a.md", "gone.md")
    message, fix = problem(run("remove", "other.md", *flags)[2])
    assert "only single files" in message
    assert "rag ingest" not in fix
    assert run("remove", "a.md", *flags) == (
        0, f"{tmp_path / 'a.md'} forgotten; the file was not touched\n", "",
    )  # fmt: skip
    assert run("remove", "gone.md", *flags)[1] == f"{tmp_path / 'gone.md'} forgotten\n"
    assert json.loads(run("status", *flags, "--json")[1])["status"]["roots"] == []
    assert "the index is empty" in run("health", *flags)[1]


def test_skipped_files_of_several_folders_are_told_apart(run, tmp_path):
    flags = ("--index", tmp_path / "own")
    fill_index(tmp_path / "own", "/one", "a.md", whole=True)
    assert "skipped: x.bin:" in run("status", *flags)[1]
    fill_index(tmp_path / "own", "/two", "a.md", whole=True)
    assert "skipped: /two/x.bin:" in run("status", *flags)[1]


def test_status_counts_each_collection(run, index, original, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.md").write_text("# More\n\nThe rent is 400 euro.\n", encoding="utf-8")
    assert "collection" not in run("status")[1]
    assert run("ingest", "more", "--embedded", "--collection", "rents")[0] == 0
    out = run("status")[1]
    assert f"collection   default: 2 documents, 2 chunks of {original / 'docs'}" in out
    assert f"collection   rents: 1 documents, 1 chunks of {tmp_path / 'more'}" in out
    told = json.loads(run("status", "--json")[1])["collections"]
    assert [(one["name"], one["documents"]) for one in told] == [("default", 2), ("rents", 1)]


def test_numbers_that_are_none_are_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["verify", "--sample", "-1"])
    assert stopped.value.code == 2
