"""What can go wrong with answers that are kept."""

from __future__ import annotations

from ingest.base.errors import PipelineError


class HistoryFault(PipelineError):
    """Kept answers cannot be read or written; documents and questions are not touched by it."""


class NothingKept(PipelineError):
    """No answer or conversation is kept under a name."""
