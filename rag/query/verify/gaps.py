"""What stands between the statements of an answer in, what of it still stands without some out."""

from __future__ import annotations

import re

_LEAST_ALONE = 4
_LEADS = re.compile(r"^\s*(?:#|\|)|[:：]\W*$|^\s*(?:[-*•]\s+)?\*\*[^*]+\*\*$")


def join_gaps(before: str, behind: str) -> str:
    """Return what stands between two sentences when the one between them is left out.

    A lead-in before it serves what follows, unless that has one of its own.
    """
    blanks = max(_blanks_behind(before), behind[: len(behind) - len(behind.lstrip())],
                 key=lambda gap: (gap.count("\n"), len(gap)))  # fmt: skip
    if behind.strip():
        return blanks + behind.lstrip()
    return before.rstrip() + blanks


def lead_in(gap: str) -> str:
    """Return of the text before a sentence that is left out what may lead in the next one."""
    lines = gap.splitlines(keepends=True)
    kept = [line for line in lines if not line.strip() or _LEADS.search(line.rstrip())]
    if any(line.strip() for line in kept):
        return "".join(kept)
    begin = gap[: len(gap) - len(gap.lstrip())]
    return max(begin, _blanks_behind(gap), key=lambda blanks: (blanks.count("\n"), len(blanks)))


def tail(behind: str, *, after_loss: bool) -> str:
    """Return what of the text behind the last statement stands without what was left out."""
    lines = [line for line in behind.splitlines(keepends=True)
             if not _LEADS.search(line.rstrip()) and len(line.split()) >= _LEAST_ALONE]  # fmt: skip
    blanks = behind[: len(behind) - len(behind.lstrip())]
    return "" if after_loss or not lines else blanks + "".join(lines).lstrip()


def _blanks_behind(text: str) -> str:
    return text[len(text.rstrip()) :]
