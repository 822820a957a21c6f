"""The bytes of an embeddings answer in, checked unit vectors out."""

from __future__ import annotations

import base64
import binascii

import numpy
import orjson
from numpy.typing import NDArray

from rag.models.base.errors import BadResponse
from rag.models.wire.faults import MISSING_V1, classify, error_text

Vectors = NDArray[numpy.float32]


def read_embeddings(content: bytes, expected: int, host: str) -> Vectors:
    """Return the unit rows of an embeddings answer, checked.

    Accepts base64 (little-endian float32) or lists of numbers per item.  Demands indexes
    0..n-1, one dimension, finite numbers and a length above zero.  Raises BadResponse, or
    what an error inside a 200 answer means.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadResponse(f"{host} did not answer with JSON", MISSING_V1) from None
    items = body.get("data") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise classify(error_text(body), 200, host) if isinstance(body, dict) and "error" in body \
            else BadResponse(f"{host} sent no embeddings", MISSING_V1)  # fmt: skip
    try:
        ordered = sorted(items, key=lambda item: item["index"])
        indexes = [item["index"] for item in ordered]
        rows = [_read_vector(item["embedding"]) for item in ordered]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise BadResponse(f"{host} sent an embedding that cannot be read: {error}",
                          "see the server's log", retryable=True) from None  # fmt: skip
    if indexes != list(range(expected)):
        raise BadResponse(
            f"{host} sent {len(items)} embeddings for {expected} texts, or numbered them wrongly",
            "lower RAG_BATCH_SIZE to 1 or update the server", retryable=True)  # fmt: skip
    return _unit_rows(rows, host)


def _read_vector(value: object) -> Vectors:
    if isinstance(value, str):
        return numpy.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
    return numpy.asarray(value, dtype=numpy.float32)


def _unit_rows(rows: list[Vectors], host: str) -> Vectors:
    if len({row.shape for row in rows}) > 1 or any(row.ndim != 1 or not row.size for row in rows):
        raise BadResponse(
            f"{host} sent vectors of different lengths", "load one embedding model only"
        )
    matrix = numpy.ascontiguousarray(numpy.stack(rows), dtype=numpy.float32)
    norms = numpy.linalg.norm(matrix, axis=1, keepdims=True)
    bad = numpy.flatnonzero(~(numpy.isfinite(norms[:, 0]) & (norms[:, 0] > 0)))
    if bad.size:
        raise BadResponse(
            f"{host} sent an embedding without numbers for text {bad[0] + 1} of {len(rows)}",
            "load another embedding model, or a less quantised one",
        )
    matrix /= norms
    return matrix
