"""Grounded, cited answers over a folder of private documents."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.evaluation.base.cases import Case, CaseSet
    from rag.evaluation.base.responses import Passage, Response
    from rag.evaluation.compare.compare import compare
    from rag.evaluation.judge.judge import Judge
    from rag.evaluation.pipeline import evaluate
    from rag.evaluation.reading.read import read_cases
    from rag.evaluation.report.plots import draw_forest, draw_pairs
    from rag.evaluation.report.write import write_comparison, write_report
    from rag.evaluation.runs.folder import read_run
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
    "Judge",
    "Passage",
    "Pipeline",
    "Response",
    "Selection",
    "Settings",
    "compare",
    "draw_forest",
    "draw_pairs",
    "evaluate",
    "read_cases",
    "read_run",
    "write_comparison",
    "write_report",
]

_HOMES = {
    "Answer": "rag.query.base.answers",
    "Case": "rag.evaluation.base.cases",
    "CaseSet": "rag.evaluation.base.cases",
    "Citation": "rag.query.base.answers",
    "Hit": "rag.query.base.hits",
    "Judge": "rag.evaluation.judge.judge",
    "Passage": "rag.evaluation.base.responses",
    "Pipeline": "rag.pipeline",
    "Response": "rag.evaluation.base.responses",
    "Selection": "rag.index.store.records",
    "Settings": "rag.settings",
    "compare": "rag.evaluation.compare.compare",
    "draw_forest": "rag.evaluation.report.plots",
    "draw_pairs": "rag.evaluation.report.plots",
    "evaluate": "rag.evaluation.pipeline",
    "read_cases": "rag.evaluation.reading.read",
    "read_run": "rag.evaluation.runs.folder",
    "write_comparison": "rag.evaluation.report.write",
    "write_report": "rag.evaluation.report.write",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `import rag` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
