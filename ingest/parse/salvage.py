"""What broke a reading process in, the error out, or a Document of the pages that were read."""

from __future__ import annotations

from ingest.base.documents import Document, Page, Source
from ingest.parse.base.blocks import Parsed, choose_title
from ingest.parse.base.failures import ReadingFailed, TimedOut
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf.quality import TIMEOUT, score, unpack_page
from ingest.parse.process import Breach
from ingest.parse.read import MAX_CHARACTERS, out_of_memory


def describe_breach(breach: Breach, reading: Reading) -> ReadingFailed:
    """Return the error of a file that no process could read to its end."""
    if breach.kind == "memory":
        return out_of_memory(reading)
    if breach.kind == "crash":
        return ReadingFailed(
            "the process that read it crashed", "open it in its own program and save it again"
        )
    return TimedOut(
        f"not read within the time a file may take, at last {breach.seconds:g} s",
        "raise RAG_FILE_TIMEOUT_SECONDS or RAG_PAGE_TIMEOUT_SECONDS, or save it in a simpler form",
    )


def save_pages(source: Source, log: PageLog, failure: ReadingFailed) -> Document | ReadingFailed:
    """Return a Document of the pages that were read, or the failure when none has text."""
    failure.fingerprint = log.fingerprint
    pages: list[Page] = []
    parts: list[str] = []
    room = MAX_CHARACTERS
    start = 0
    for number, packed in sorted(log.texts.items()):
        page, findings = ("", (TIMEOUT,)) if packed is None else unpack_page(packed)
        pages.append(Page(start, f"p. {number}", score(findings), findings))
        parts.append(page[:room])
        room -= len(parts[-1])
        start += len(parts[-1]) + 2
    text = "\n\n".join(parts)
    if not text.strip():
        failure.pages = tuple(pages)
        return failure
    note = f"only {sum(map(bool, parts))} pages were read: {failure.message}"
    return Document(
        source=source,
        fingerprint=log.fingerprint,
        title=choose_title(source, Parsed(text)),
        text=text,
        pages=tuple(pages),
        notes=(note,),
    )
