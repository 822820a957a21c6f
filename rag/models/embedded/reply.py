"""What answers an HTTP request, whatever carries it, and the form of its errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; the parts of `body` may be made while they are read."""

    status: int
    headers: Mapping[str, str]
    body: Iterable[bytes]

    def close(self) -> None:
        """End a body that was not read to its end."""
        if isinstance(self.body, Iterator) and (close := getattr(self.body, "close", None)):
            close()


class Handler(Protocol):
    """Answers requests; called from several threads at once."""

    def handle(self, method: str, path: str, body: bytes) -> Reply:
        """Answer one request; nothing is raised."""
        ...


def reply_json(status: int, data: Mapping[str, object]) -> Reply:
    """Return a reply of known length."""
    body = json.dumps(data).encode("ascii")
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Reply(status, headers, (body,))


def reply_error(status: int, message: str, *, param: str = "", code: str = "") -> Reply:
    """Return an error in the form of the OpenAI protocol."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": param or None, "code": code or None}
    return reply_json(status, {"error": error})
