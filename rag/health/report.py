"""Documents of an index in, what a person should know about them out: worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.base.documents import Page
from rag.health.words import count_of, name_language
from rag.index.index import Index
from rag.index.store.records import StoredDocument
from rag.models.families import MULTILINGUAL_MODELS, reads_language

UNKNOWN_LIMIT = 0.05
"""With more words than this unknown to the embedding model, search in a document is poor."""
LOW_SCORE = 0.5

LEVELS = ("unread", "poor", "fair", "good")
"""Worst first: not in the index; half of it or more is lost; something is; nothing is."""

_PROPOSED = tuple(proposal.ollama for proposal in MULTILINGUAL_MODELS)
_OCR = 'scans need OCR: pip install "foldercite[ocr]", then rag ingest FOLDER'

# What is told of a page but takes nothing from it.
_REMARKS = {
    "boilerplate": "pages whose repeated header or footer was left out",
    "columns": "pages whose columns were put in order",
}
_HARMLESS = frozenset({*_REMARKS, "ocr"})


@dataclass(frozen=True, slots=True)
class Concern:
    """Something about the whole index a person should act on; `files` as `name_file` does."""

    message: str
    fix: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileHealth:
    """What is known of one file; `findings` say in words what is wrong with it.

    `level` is one of LEVELS.  `low_quality_pages` have text, but hardly a word that can be
    read.  `shared_chunks` counts its passages that also stand in another file, of which they
    are kept once.  `unknown_share` is that of its words the embedding model has no tokens for.
    """

    root: str
    id: str
    level: str
    findings: tuple[str, ...]
    fix: str
    media_type: str
    encoding: str
    language: str
    pages: int
    pages_without_text: int
    low_quality_pages: int
    chunks: int
    split_chunks: int
    shared_chunks: int
    unknown_share: float | None

    @property
    def bad_pages(self) -> int:
        """Return how many pages hold nothing that search will find."""
        return self.pages_without_text + self.low_quality_pages


@dataclass(frozen=True, slots=True)
class Totals:
    """The files of an index counted; `reasons` and `languages` by how often they occur.

    `texts` are the passages that are stored, each once however many files have it.
    """

    files: int
    unread: int
    poor: int
    fair: int
    pages: int
    pages_without_text: int
    low_quality_pages: int
    chunks: int
    texts: int
    split_chunks: int
    shared_chunks: int
    reasons: Mapping[str, int]
    languages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The health of an index; `files` are sorted worst first, then by name."""

    index: str
    model: str
    totals: Totals
    concerns: tuple[Concern, ...]
    files: tuple[FileHealth, ...]

    @property
    def roots(self) -> tuple[str, ...]:
        """Return the folders of the files."""
        return tuple(sorted({file.root for file in self.files}))


def name_file(root: str, id: str, *, alone: bool) -> str:
    """Return what to call a file: its id where the index has but one folder, `alone`."""
    return id if alone else f"{root}/{id}"


def examine_index(index: Index, name: str) -> HealthReport:
    """Judge every document of an open index that is called `name`."""
    model = index.manifest.embedding_model
    documents, shared, twins = index.documents(), index.shared_chunks(), index.twins()
    return report_health(name, model, documents, shared, twins, index.count_texts())


def report_health(
    index: str,
    model: str,
    documents: Sequence[StoredDocument],
    shared: Mapping[tuple[str, str], int],
    twins: Mapping[tuple[str, str], tuple[str, str, int]],
    texts: int,
) -> HealthReport:
    """Judge every document of an index whose embedding model is `model`.

    `shared` maps (root, id) to how many chunks of a document have a text that another document
    has too, `twins` to the one that has most of them, and how many.  `texts` are all there are.
    """
    files = [
        _judge(one, model, shared.get((one.root, one.id), 0), twins.get((one.root, one.id)))
        for one in documents
    ]
    files.sort(key=lambda file: (LEVELS.index(file.level), file.root, file.id))
    return HealthReport(
        index=index,
        model=model,
        totals=_count(documents, files, texts),
        concerns=tuple(_concerns(model, files)),
        files=tuple(files),
    )


def _judge(
    document: StoredDocument, model: str, shared: int, twin: tuple[str, str, int] | None
) -> FileHealth:
    bad = sum(map(is_bad, document.pages))
    empty = sum("empty" in page.findings for page in document.pages)
    findings, fix = _describe(document, model)
    if shared:
        findings.append(_describe_shared(document, shared, twin))
    return FileHealth(
        root=document.root,
        id=document.id,
        level=_level(document, bad, model),
        findings=tuple(findings),
        fix=fix,
        media_type=document.media_type,
        encoding=document.encoding,
        language=document.language,
        pages=len(document.pages),
        pages_without_text=empty,
        low_quality_pages=bad - empty,
        chunks=document.chunks,
        split_chunks=document.split_chunks,
        shared_chunks=shared,
        unknown_share=document.unknown_share,
    )


def _describe_shared(
    document: StoredDocument, shared: int, twin: tuple[str, str, int] | None
) -> str:
    """Say how much of a document stands elsewhere too, and where if that is one place."""
    where = "other files"
    if twin and twin[2] == shared:
        root, id, _ = twin
        where = name_file(root, id, alone=root == document.root)
    if shared < document.chunks:
        verb = "stands" if shared == 1 else "stand"
        return f"{shared} of {document.chunks} passages also {verb} in {where}"
    if shared == 1:
        return f"its only passage also stands in {where}"
    return f"all its {shared} passages also stand in {where}"


def is_bad(page: Page) -> bool:
    """Say whether search will miss what stands on a page."""
    return page.score < LOW_SCORE or "empty" in page.findings


def _level(document: StoredDocument, bad_pages: int, model: str) -> str:
    if document.status == "skipped":
        return "unread"
    mostly_bad = document.pages and bad_pages * 2 >= len(document.pages)
    if mostly_bad or (document.unknown_share or 0.0) > LOW_SCORE:
        return "poor"
    lost = any(_HARMLESS.isdisjoint(p.findings) and p.findings for p in document.pages)
    other = document.notes and not document.pages
    losses = (lost, other, document.split_chunks, is_strange(document, model))
    return "fair" if any(losses) else "good"


def _describe(document: StoredDocument, model: str) -> tuple[list[str], str]:
    """Return the findings of a document in words, and what to do about the first of them."""
    if document.status == "skipped":
        return [document.message or document.reason], document.hint
    findings, fixes = [], []
    if is_strange(document, model):
        findings.append(_strange(document, model))
        fixes.append(f"use a multilingual embedding model, for example {_PROPOSED[0]}")
    findings.extend(document.notes)
    if document.split_chunks:
        findings.append(f"passages cut inside a sentence or row: {document.split_chunks}")
        fixes.append("raise RAG_CHUNK_TOKENS if the embedding model takes more")
    for code, meaning in _REMARKS.items():
        if count := sum(code in page.findings for page in document.pages):
            findings.append(f"{meaning}: {count}")
    return findings, next(iter(fixes), "")


def is_strange(document: StoredDocument, model: str) -> bool:
    """Say whether the embedding model cannot read, or was not made for, a document's language."""
    unknown = (document.unknown_share or 0.0) > UNKNOWN_LIMIT
    return unknown or (
        bool(document.language) and reads_language(model, document.language) is False
    )


def _strange(document: StoredDocument, model: str) -> str:
    language = f" ({name_language(document.language)})" if document.language else ""
    if (document.unknown_share or 0.0) > UNKNOWN_LIMIT:
        share = f"{document.unknown_share or 0.0:.0%}"
        return f"{model} has no tokens for {share} of its words{language}"
    return f"{model} was not made for its language{language}"


def _count(documents: Sequence[StoredDocument], files: Sequence[FileHealth], texts: int) -> Totals:
    levels = Counter(file.level for file in files)
    return Totals(
        files=len(files),
        unread=levels["unread"],
        poor=levels["poor"],
        fair=levels["fair"],
        pages=sum(file.pages for file in files),
        pages_without_text=sum(file.pages_without_text for file in files),
        low_quality_pages=sum(file.low_quality_pages for file in files),
        chunks=sum(file.chunks for file in files),
        texts=texts,
        split_chunks=sum(file.split_chunks for file in files),
        shared_chunks=sum(file.shared_chunks for file in files),
        reasons=dict(Counter(d.reason for d in documents if d.status == "skipped").most_common()),
        languages=dict(Counter(file.language for file in files if file.language).most_common()),
    )


def _concerns(model: str, files: Sequence[FileHealth]) -> list[Concern]:
    """Return what concerns many files at once: a language the model cannot read comes first."""
    read = [file for file in files if file.level != "unread"]
    alone = len({file.root for file in files}) < 2
    unknown = [file for file in read if (file.unknown_share or 0.0) > UNKNOWN_LIMIT]
    foreign = [f for f in read if f not in unknown and reads_language(model, f.language) is False]
    blind = [file for file in read if file.level == "poor" and file.bad_pages]
    migrate = (
        f"take a multilingual embedding model ({', '.join(_PROPOSED)}): "
        "rag migrate --embedding-model ID"
    )
    found = (
        (unknown, "cannot read {}: questions about them will find next to nothing", migrate),
        (foreign, "was not made for the language of {}: search in them is poor", migrate),
        (blind, "cannot see {}: half of their pages or more hold no readable text", _OCR),
    )
    return [
        Concern(
            f"{model if fix is migrate else 'the index'} {what.format(_name_files(group))}",
            fix,
            tuple(name_file(file.root, file.id, alone=alone) for file in group),
        )
        for group, what, fix in found
        if group
    ]


def _name_files(files: Sequence[FileHealth]) -> str:
    languages = ", ".join(sorted({name_language(f.language) for f in files if f.language}))
    count = count_of(len(files), "file")
    return f"{count} ({languages})" if languages else count
