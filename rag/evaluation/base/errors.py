"""What can go wrong with a whole evaluation; what goes wrong with a case stands in its row."""

from __future__ import annotations

from ingest.base.errors import PipelineError


class CasesUnreadable(PipelineError):
    """A file of cases holds none, or is in no format that is known."""


class RunUnusable(PipelineError):
    """A folder is no run, or one that was made with something else."""


class RegressionFound(PipelineError):
    """A comparison failed a condition of --fail-if."""

    exit_code = 4
