"""What `rag calibrate` learned of an index, kept beside it; nothing learned is the default."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.text.terms import TERMS

FILE = "calibration.json"
FORMAT = 1
MOST_CHANGE = 0.25
"""An index with so many more or fewer chunks, as a share, is another one to a calibration."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The least evidence for which a model is asked, and the scale of the embedding model.

    `floor` is the cosine of a question with passages that have nothing to do with it, `related`
    that of one that answers it; the defaults are those of all-MiniLM-L6-v2.  `problem` says why
    what was learned of the index is not used, "" when it is or nothing was.  `identity`,
    `terms` and `chunks` say what it was learned of; "" and 0 for the default.
    """

    threshold: float = 0.5
    floor: float = 0.1
    related: float = 0.6
    identity: str = ""
    terms: str = ""
    chunks: int = 0
    questions: int = 0
    max_wrong: float = 0.0
    problem: str = ""


def read_calibration(folder: Path, identity: str = "", chunks: int = 0) -> Calibration:
    """Return what was learned of the index in a folder, or the default.

    `identity` is that of its embedding model, `chunks` how many it has now; "" and 0 leave
    that unchecked.  What was learned of another state of it is not used.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Calibration()
    except (OSError, ValueError):
        return Calibration(problem=f"{FILE} cannot be read: rag calibrate makes it anew")
    learned = _read(found)
    if learned is None:
        return Calibration(problem=f"{FILE} is of another version: rag calibrate makes it anew")
    problem = find_change(learned, identity, chunks)
    if problem:
        return Calibration(problem=f"{problem} since rag calibrate ran: run it again")
    return learned


def find_change(learned: Calibration, identity: str, chunks: int) -> str:
    """Return what has changed since a calibration so much that it no longer holds, or ""."""
    if learned.terms != TERMS:
        return "the way questions are searched for has changed"
    if identity and learned.identity != identity:
        return "the embedding model has changed"
    if chunks and abs(chunks - learned.chunks) > MOST_CHANGE * learned.chunks:
        how = "grown" if chunks > learned.chunks else "shrunk"
        return f"the index has {how} from {learned.chunks} passages to {chunks}"
    return ""


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write a calibration beside the index, whole or not at all, and return its file."""
    path = folder / FILE
    new = path.with_name(f"{FILE}.{os.getpid()}.new")
    try:
        text = json.dumps({"format": FORMAT, **asdict(calibration)}, indent=1)
        new.write_text(f"{text}\n", encoding="utf-8")
        new.replace(path)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
    return path


def forget_calibration(folder: Path) -> bool:
    """Delete what was learned of an index that another has taken the place of, if anything was."""
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def _read(found: object) -> Calibration | None:
    """Return a stored calibration, None where it is of another version or makes no sense."""
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        return None
    try:
        learned = Calibration(
            threshold=_share(found["threshold"]),
            floor=_share(found["floor"]),
            related=_share(found["related"]),
            identity=str(found["identity"]),
            terms=str(found["terms"]),
            chunks=int(found["chunks"]),
            questions=int(found["questions"]),
            max_wrong=_share(found["max_wrong"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return learned if learned.related > learned.floor else None


def _share(value: object) -> float:
    if not isinstance(value, int | float) or not -1 <= value <= 1:
        raise ValueError("no share")
    return float(value)
