"""A reading process whose files are lists of what happens while they are read; for test_pool.

Words before "pages" happen while the file is opened, one after it for each page, and those
after "end" when all pages are read.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from ingest.base.documents import Document, Heading, Page, Source, Table
from ingest.base.errors import EmptyDocument, EncryptedDocument, UnreadableFile
from ingest.parse import worker
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.read import out_of_memory


def act(word: str) -> str:
    match word.split("=")[0]:
        case "hang":
            time.sleep(60)
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(float(word.split("=")[1]))
        case "exit":
            os._exit(3)
        case "segfault":
            ctypes.string_at(0)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory":
            return str(len(bytearray(1 << 40)))
        case "print":
            os.write(1, b"\xff" * 100)
            print("a library says something", flush=True)
        case "ask":
            assert sys.stdin.read() == ""
        case "refuse":
            raise EncryptedDocument("a password is needed", "say it")
        case "raise":
            raise RecursionError("too deep")
        case "surrogate":
            return "half \ud83d a pair \ud800\udc00"
        case "long":
            return "x" * 9_000_000
        case "pid":
            return str(os.getpid())
    return word


def read(source: Source, reading: Reading, log: PageLog) -> Document:
    try:
        return follow(source, reading, log)
    except OSError:
        raise UnreadableFile("it is gone", "bring it back") from None
    except MemoryError:
        raise out_of_memory(reading) from None


def follow(source: Source, reading: Reading, log: PageLog) -> Document:
    log.open("f" * 64)
    before, _, rest = Path(source.path).read_text(encoding="utf-8").partition("pages")
    words, _, after = rest.partition("end")
    parts = [act(word) for word in before.split()]
    for number, word in enumerate(words.split(), 1):
        if number not in log.texts:
            log.begin(number, reading.page_seconds)
            log.done(number, "" if word == "blank" else act(word))
        parts.append(log.texts[number] or "-")
    for word in after.split():
        act(word)
    text = "\n".join(parts)
    if not text.strip("-\n"):
        raise EmptyDocument("no text on any page", "it is a scan")
    pages = tuple(Page(n, f"p. {n}", 0.5, ("glued", "ocr")) for n in range(2))
    tables = (Table(0, 1, "a | b"),)
    return Document(
        source, log.fingerprint, "title", text, pages, (Heading(0, 1, "h"),), tables, ("n",), "e"
    )


if __name__ == "__main__":
    worker.main(read)
