"""Rows in, what they amount to out: a value and its interval for each measure and group."""

from __future__ import annotations

from collections.abc import Sequence

from rag.evaluation.base.rows import Figure, Row


def summarise(rows: Sequence[Row], names: Sequence[str]) -> tuple[Figure, ...]:
    """Return the figures of the rows by measure, of all and then by kind, language and tag.

    A group is there where it has ten cases at least and is not all of them.
    """
    raise NotImplementedError
