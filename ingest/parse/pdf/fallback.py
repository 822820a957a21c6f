"""PDF bytes in, text of pages out, where the main extractor gives none. The home of pypdf."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pypdf

from ingest.base.errors import EncryptedDocument
from ingest.parse.pdf.pdfium import DamagedFile, explain_password

_MAX_ARRAY = 5_000_000  # Quarterly reports of large companies are over the library's default.
_MAX_CONTENT = 3_000_000  # Bytes of drawing commands: more take minutes and are no page of text.


class Pypdf:
    """An open file; pages are counted from 0."""

    def __init__(self, data: bytes, passwords: Sequence[str]) -> None:
        """Open the file; raises DamagedFile, and EncryptedDocument when no password fits."""
        for name in ("pypdf", "fontTools"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with _translated():
            self._reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
            self._unlock(passwords)
            self._count = len(self._reader.pages)

    def _unlock(self, passwords: Sequence[str]) -> None:
        # Most "protected" files open with the empty password.
        if self._reader.is_encrypted and not any(map(self._reader.decrypt, ("", *passwords))):
            raise EncryptedDocument(*explain_password(len(passwords)))

    def close(self) -> None:
        """Free the memory of the file."""
        self._reader.close()

    @property
    def count(self) -> int:
        """Return the number of pages that were found."""
        return self._count

    @property
    def title(self) -> str:
        """Return the title of the document's properties, "" without one."""
        try:
            return str((self._reader.metadata and self._reader.metadata.title) or "")
        except Exception:
            # A damaged title is none; the library raises all kinds.
            return ""

    def label(self, index: int) -> str:  # noqa: ARG002
        """Return "": the labels of a file that is damaged are not looked for."""
        return ""

    def outline(self) -> Iterator[tuple[int, int, str]]:
        """Yield (page, level, title) of the bookmarks; a damaged outline is none."""
        try:
            for level, entry in _flatten(self._reader.outline, 1):
                page = self._reader.get_destination_page_number(entry)
                if page is not None and page >= 0:
                    yield page, level, str(entry.title or "")
        except Exception:
            # Bookmarks are an extra: without them the text is still all there.
            return

    def text(self, index: int) -> tuple[str, bool]:
        """Return the text of a page, and False as the order of columns is not known.

        Raises DamagedFile.
        """
        with _translated():
            page = self._reader.pages[index]
            content = page.get_contents()
            if content is not None and len(content.get_data()) > _MAX_CONTENT:
                raise DamagedFile("more drawing commands than a page of text has")
            return page.extract_text(), False


@contextmanager
def _translated() -> Iterator[None]:
    """Raise DamagedFile for whatever goes wrong inside; the library gets its limits."""
    try:
        with pypdf.apply_configuration(array_maximum_element_count=_MAX_ARRAY):
            yield
    except (EncryptedDocument, DamagedFile):
        raise
    except Exception as error:
        # Hostile content makes the library raise anything, beyond its own errors.
        raise DamagedFile(" ".join(str(error).split())[:200]) from error


def _flatten(entries: Sequence[Any], level: int) -> Iterator[tuple[int, Any]]:
    for entry in entries:
        if isinstance(entry, list):
            yield from _flatten(entry, level + 1)
        else:
            yield level, entry
