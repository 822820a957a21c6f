"""The bytes of an embeddings answer in, checked unit vectors out."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy
import orjson
import pybase64
from numpy.typing import NDArray

from rag.models.base.errors import BadResponse
from rag.models.wire.faults import MOST_READ, brief, classify, error_text, without_echo
from rag.models.wire.hints import MISSING_V1

Vectors = NDArray[numpy.float32]
_MOST_SIZES_NAMED = 3
_NO_NUMBERS = frozenset((str, bool))


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingAnswer:
    """Unit rows, one for each text, and how long each was before; `model` is who the server
    says has answered, "" if it does not.
    """

    vectors: Vectors
    lengths: Vectors
    model: str


def read_json(content: bytes, kind: str, host: str) -> object:
    """Return the JSON of an answer; raises BadResponse naming its content type `kind`."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        # orjson refuses the bare NaN that some servers write; with it, the text is found.
        return json.loads(content)
    except (ValueError, RecursionError):
        is_cut = "json" in kind.lower()
        raise BadResponse(
            f"{host} sent JSON that does not end, or is none" if is_cut
            else f"{host} did not answer with JSON ({brief(kind) or 'no content type'})",
            "see the server's log, then try again" if is_cut else MISSING_V1,
            retryable=is_cut,
        ) from None  # fmt: skip


def read_embeddings(
    content: bytes,
    expected: int,
    host: str,
    *,
    kind: str = "",
    server: str = "",
    sent: Sequence[str] = (),
) -> EmbeddingAnswer:
    """Return the vectors of an embeddings answer of content type `kind`, checked.

    Accepts base64 (little-endian float32) or lists of numbers per item.  Demands indexes
    0..n-1, one dimension, finite numbers and a length above zero.  Raises BadResponse, or
    what an error inside a 200 answer means.
    """
    body = read_json(content, kind, host)
    items = body.get("data") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(items, list):
        raise classify(error_text(body, sent), 200, host, server) \
            if isinstance(body, dict) and body.get("error") \
            else BadResponse(f"{host} sent no embeddings", MISSING_V1)  # fmt: skip
    try:
        ordered = sorted(items, key=lambda item: item["index"])
        indexes = [item["index"] for item in ordered]
        # A number too large for a float32 becomes infinite, and is found below.
        with numpy.errstate(over="ignore"):
            rows = [_read_vector(item["embedding"]) for item in ordered]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        words = brief(without_echo(str(error)[:MOST_READ], sent))
        raise BadResponse(f"{host} sent an embedding that cannot be read: {words}",
                          "see the server's log", retryable=True) from None  # fmt: skip
    if indexes != list(range(expected)):
        raise BadResponse(
            f"{host} sent {len(items)} embeddings for {expected} texts, or numbered them wrongly",
            "lower RAG_BATCH_SIZE to 1 or update the server", retryable=True)  # fmt: skip
    vectors, lengths = _unit_rows(rows, host)
    model = body.get("model")
    return EmbeddingAnswer(vectors, lengths, model if isinstance(model, str) else "")


def _read_vector(value: object) -> Vectors:
    if isinstance(value, str):
        return numpy.frombuffer(pybase64.b64decode(value, validate=True), dtype="<f4")
    if isinstance(value, list):
        # Half the time of numpy, which takes what is no number, or too large for one, below.
        with suppress(struct.error, OverflowError):
            row = numpy.frombuffer(struct.pack(f"<{len(value)}f", *value), dtype="<f4")
            # A truth would have become one of these.
            if not ((row == 0) | (row == 1)).any():
                return row
        if not _NO_NUMBERS.isdisjoint(map(type, value)):
            raise ValueError("a text or a truth stands where a number should be")
    return numpy.asarray(value, dtype=numpy.float32)


def _unit_rows(rows: list[Vectors], host: str) -> tuple[Vectors, Vectors]:
    if any(row.ndim != 1 or not row.size for row in rows):
        raise BadResponse(f"{host} sent vectors without numbers", "load an embedding model")
    if len(sizes := sorted({row.size for row in rows})) > 1:
        raise BadResponse(
            f"{host} sent vectors of different lengths in one answer: "
            f"{' and '.join(map(str, sizes[:_MOST_SIZES_NAMED]))} numbers",
            "load one embedding model only",
        )
    matrix = numpy.ascontiguousarray(numpy.stack(rows), dtype=numpy.float32)
    with numpy.errstate(over="ignore"):
        lengths: Vectors = numpy.linalg.norm(matrix, axis=1)
    bad = numpy.flatnonzero(~(numpy.isfinite(lengths) & (lengths > 0)))
    if bad.size:
        raise BadResponse(
            f"{host} sent an embedding without numbers for text {bad[0] + 1} of {len(rows)}",
            "load another embedding model, or a less quantised one",
        )
    matrix /= lengths[:, None]
    return matrix, lengths
