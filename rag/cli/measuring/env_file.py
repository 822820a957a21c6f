"""Settings in, a file of settings with only those lines changed out."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ingest.base.errors import SettingsError
from rag.settings import PREFIX


def write_settings(path: Path, changed: Mapping[str, object]) -> None:
    """Set RAG_ names in a file and leave its other lines as they are, all at once or not at all.

    The last line that sets a name is replaced, as that is the one that holds, but for a comment
    on it; a name that is not there is added at the end.  None is written as empty, which means
    the default.  A new file is for its owner alone: keys may stand in it.  Raises SettingsError.
    """
    with _told(path):
        _draft(path.resolve(), changed).replace(path.resolve())  # of a link the file


def check_writable(path: Path) -> None:
    """Raise SettingsError where settings could not be written to a file; it stays as it is."""
    with _told(path):
        _draft(path.resolve(), {}).unlink()


def _draft(path: Path, changed: Mapping[str, object]) -> Path:
    """Write beside a file what it will be."""
    text = path.read_bytes().decode("utf-8") if path.exists() else ""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    for name, value in changed.items():
        text = _set(text, f"{PREFIX}{name.upper()}", "" if value is None else str(value))
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(text.encode("utf-8"))
        stream.flush()
        os.fsync(stream.fileno())
    return draft


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the settings cannot be written to {path}: {error}", "name a text file: --write .env"
        ) from error


def _set(text: str, name: str, value: str) -> str:
    setting = re.compile(
        rf"^([ \t]*(?:export[ \t]+)?{name}[ \t]*=)"
        r"""[ \t]*(?:"[^"\r\n]*"|'[^'\r\n]*'|[^\r\n]*?)(?=[ \t]*(?:[ \t]\#[^\r\n]*)?\r?$)""",
        re.MULTILINE | re.I,
    )
    found = list(setting.finditer(text))
    if found:
        return text[: found[-1].end(1)] + value + text[found[-1].end() :]
    end = "\r\n" if "\r\n" in text else "\n"
    return f"{text}{'' if not text or text.endswith(end) else end}{name}={value}{end}"
