"""What can be wrong with the index on disk, each with its remedy."""

from __future__ import annotations

from ingest.base.errors import PipelineError


class IndexFault(PipelineError):
    """Base of everything that is wrong with the index."""


class IndexMissing(IndexFault):
    """There is no index in the folder."""


class IndexMismatch(IndexFault):
    """The index was made with another embedding model, or by another version."""


class IndexLocked(IndexFault):
    """Another run is writing to the index."""

    exit_code = 75


class IndexDamaged(IndexFault):
    """The catalogue cannot be read; nothing was overwritten."""


class DiskFull(IndexFault):
    """There is no room left to write."""
