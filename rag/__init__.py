"""Grounded, cited answers over a folder of private documents."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.index.store.records import Selection
    from rag.pipeline import Pipeline
    from rag.query.base.answers import Answer, Citation
    from rag.query.base.hits import Hit
    from rag.settings import Settings

__version__ = "0.1.0"
__all__ = ["Answer", "Citation", "Hit", "Pipeline", "Selection", "Settings"]

_HOMES = {
    "Answer": "rag.query.base.answers",
    "Citation": "rag.query.base.answers",
    "Hit": "rag.query.base.hits",
    "Pipeline": "rag.pipeline",
    "Selection": "rag.index.store.records",
    "Settings": "rag.settings",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `import rag` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
