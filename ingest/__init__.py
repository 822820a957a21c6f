"""Documents in, searchable chunks out: the public face of the ingestion stage.

Names are imported when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Document, IngestReport
    from ingest.base.errors import ParseError, PipelineError
    from ingest.pipeline import Options, ingest_folder, plan_folder

__all__ = [
    "Chunk",
    "Document",
    "IngestReport",
    "Options",
    "ParseError",
    "PipelineError",
    "ingest_folder",
    "plan_folder",
]

_HOMES = MappingProxyType(
    {
        "Chunk": "ingest.base.documents",
        "Document": "ingest.base.documents",
        "IngestReport": "ingest.base.documents",
        "Options": "ingest.pipeline",
        "ParseError": "ingest.base.errors",
        "PipelineError": "ingest.base.errors",
        "ingest_folder": "ingest.pipeline",
        "plan_folder": "ingest.pipeline",
    }
)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
