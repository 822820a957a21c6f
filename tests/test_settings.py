from pathlib import Path

import pytest
from pydantic import SecretStr

from ingest.base.errors import SettingsError
from rag.models.base.addresses import is_loopback, is_private
from rag.settings import PREFIX, Settings, unknown_variables

EXAMPLE = Path(__file__).parents[1] / ".env.example"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name}".upper(), raising=False)


def written_default(name: str) -> str:
    default = Settings.model_fields[name].default
    if default is None or name == "cache_dir":
        return ""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    return default.as_posix() if isinstance(default, Path) else str(default)


def test_example_file_lists_every_setting_with_default_and_meaning():
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    listed = {
        line.removeprefix("# ").partition("=")[0]: (line.partition("=")[2], lines[i - 1])
        for i, line in enumerate(lines)
        if line.startswith(f"# {PREFIX}")
    }
    assert listed == {
        f"{PREFIX}{name.upper()}": (written_default(name), f"# {field.description}")
        for name, field in Settings.model_fields.items()
    }


def test_example_file_uncommented_gives_the_defaults(tmp_path):
    text = EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(text.replace(f"# {PREFIX}", PREFIX), encoding="utf-8")
    assert Settings.load() == Settings()


def test_flags_win_over_environment_and_environment_over_env_file(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("RAG_TOP_K=3\nRAG_BATCH_SIZE=5\nOTHER=1\n", encoding="utf-8")
    monkeypatch.setenv("RAG_BATCH_SIZE", "6")
    monkeypatch.setenv("RAG_ANSWER_TOKENS", "100")
    settings = Settings.load({"answer_tokens": 200, "chat_model": None})
    assert (settings.top_k, settings.batch_size, settings.answer_tokens) == (3, 6, 200)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://127.0.0.1:1234/v1", "http://127.0.0.1:1234/v1"),
        ("http://localhost:1234", "http://127.0.0.1:1234/v1"),
        ("localhost:8080/", "http://127.0.0.1:8080/v1"),
        ("https://models.lan/llm/v1/", "https://models.lan/llm/v1"),
        ("http://[::1]:9000/v1", "http://[::1]:9000/v1"),
        (" embedded ", "embedded"),
    ],
)
def test_endpoint_is_brought_to_one_spelling(given, expected):
    assert Settings.load({"endpoint": given}).endpoint == expected


def test_flag_with_a_wrong_value_is_named_as_it_was_given():
    with pytest.raises(SettingsError) as caught:
        Settings.load({"top_k": 0}, {"top_k": "--top-k"})
    assert caught.value.message.startswith("--top-k is 0:")
    assert caught.value.hint.startswith("give --top-k another value: Passages retrieved")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["ask", "x", "-k", "0"], "--top-k is 0:"),
        (["status", "--set", "top_k=0"], "--set TOP_K is '0':"),
        (["status", "--index", "a.txt"], "'a.txt', is a file, not a folder"),
    ],
)
def test_command_line_names_its_flags(tmp_path, capsys, given, told):
    from rag.cli.main import main

    (tmp_path / "a.txt").write_text("x", "utf-8")
    assert main(given) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "fix:   give " in err or "--index DIR" in err


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({"top_k": "many"}, ["RAG_TOP_K", "'many'", "integer", "1 to 100"]),
        ({"top_k": "0"}, ["RAG_TOP_K", "'0'", "greater than or equal to 1"]),
        ({"idle_timeout_seconds": "inf"}, ["RAG_IDLE_TIMEOUT_SECONDS", "86400"]),
        ({"search": "fast"}, ["RAG_SEARCH", "'fast'", "'auto', 'chroma' or 'exact'"]),
        ({"endpoint": "ftp://x"}, ["RAG_ENDPOINT", "'ftp://x'", "http"]),
        ({"endpoint": "http://me:pw@host/v1"}, ["RAG_ENDPOINT", "leave user"]),
        ({"endpoint": "http://host:99999"}, ["RAG_ENDPOINT", "0-65535"]),
        ({"no_such": "1"}, ["no_such", ".env.example"]),
    ],
)
def test_invalid_value_names_setting_value_and_what_is_allowed(overrides, parts):
    with pytest.raises(SettingsError) as caught:
        Settings.load(overrides)
    for part in parts:
        assert part in str(caught.value)


def test_invalid_key_is_not_shown(monkeypatch):
    with pytest.raises(SettingsError) as caught:
        Settings.load({"api_key": ["sk-secret"]})
    assert "sk-secret" not in str(caught.value)


def test_password_in_a_url_is_not_shown():
    with pytest.raises(SettingsError) as caught:
        Settings.load({"endpoint": "http://me:geheim@host/v1"})
    assert "geheim" not in str(caught.value)


def test_env_file_that_is_no_text_is_an_error_with_a_remedy(tmp_path):
    (tmp_path / ".env").write_bytes("RAG_CHAT_MODEL=Größe".encode("latin-1"))
    with pytest.raises(SettingsError, match="UTF-8"):
        Settings.load()


def test_misspelt_variable_is_found(monkeypatch):
    monkeypatch.setenv("RAG_ENDPONT", "x")
    monkeypatch.setenv("RAG_TOP_K", "4")
    assert unknown_variables() == ["RAG_ENDPONT"]


@pytest.mark.parametrize(
    ("url", "loopback", "private"),
    [
        ("embedded", True, True),
        ("http://127.0.0.1:1/v1", True, True),
        ("http://[::1]:1/v1", True, True),
        ("http://192.168.1.5:1/v1", False, True),
        ("http://box.local/v1", False, True),
        ("https://api.example.com/v1", False, False),
    ],
)
def test_hosts_are_told_apart(url, loopback, private):
    assert (is_loopback(url), is_private(url)) == (loopback, private)
