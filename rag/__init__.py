"""Grounded, cited answers over a folder of private documents."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.evaluate.base.cases import Case, CaseSet
    from rag.evaluate.base.responses import Passage, Response
    from rag.evaluate.compare.compare import compare
    from rag.evaluate.pipeline import evaluate
    from rag.evaluate.reading.read import read_cases
    from rag.evaluate.runs.folder import read_run
    from rag.index.store.records import Selection
    from rag.pipeline import Pipeline
    from rag.query.base.answers import Answer, Citation
    from rag.query.base.hits import Hit
    from rag.settings import Settings

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Case",
    "CaseSet",
    "Citation",
    "Hit",
    "Passage",
    "Pipeline",
    "Response",
    "Selection",
    "Settings",
    "compare",
    "evaluate",
    "read_cases",
    "read_run",
]

_HOMES = {
    "Answer": "rag.query.base.answers",
    "Case": "rag.evaluate.base.cases",
    "CaseSet": "rag.evaluate.base.cases",
    "Citation": "rag.query.base.answers",
    "Hit": "rag.query.base.hits",
    "Passage": "rag.evaluate.base.responses",
    "Pipeline": "rag.pipeline",
    "Response": "rag.evaluate.base.responses",
    "Selection": "rag.index.store.records",
    "Settings": "rag.settings",
    "compare": "rag.evaluate.compare.compare",
    "evaluate": "rag.evaluate.pipeline",
    "read_cases": "rag.evaluate.reading.read",
    "read_run": "rag.evaluate.runs.folder",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `import rag` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
