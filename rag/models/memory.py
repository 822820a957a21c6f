"""What was learned of model servers, kept as JSON in the folder of the index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

FILE_NAME = "models.json"


class Memory:
    """Records by key in `models.json` of a folder; only a cache, so it never fails.

    A file that is missing or holds something else counts as empty.  What cannot be written is
    not kept, and nothing is where the folder does not exist or is None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.expanduser() if folder else None

    def recall(self, key: str) -> dict[str, object] | None:
        """Return what was kept under a key, None when there is nothing."""
        return self._read().get(key)

    def keep(self, key: str, record: Mapping[str, object]) -> None:
        """Keep a record of JSON values beside those of other keys.

        Of two processes that write at the same moment, the last one's records stay.
        """
        self._write({**self._read(), key: dict(record)})

    def forget(self, prefix: str) -> None:
        """Drop every record whose key begins so."""
        records = self._read()
        left = {key: record for key, record in records.items() if not key.startswith(prefix)}
        if left != records:
            self._write(left)

    def _read(self) -> dict[str, dict[str, object]]:
        if self._folder is None:
            return {}
        try:
            held = json.loads((self._folder / FILE_NAME).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(held, dict):
            return {}
        return {key: record for key, record in held.items() if isinstance(record, dict)}

    def _write(self, records: Mapping[str, Mapping[str, object]]) -> None:
        if self._folder is None or not self._folder.is_dir():
            return
        text = json.dumps(records, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        draft = self._folder / f"{FILE_NAME}.{token_hex(4)}"
        # A lone surrogate, as a damaged answer may hold, has no UTF-8 form.
        with suppress(OSError, UnicodeEncodeError):
            try:
                draft.write_text(text, encoding="utf-8", newline="\n")
                draft.replace(self._folder / FILE_NAME)
            finally:
                draft.unlink(missing_ok=True)
