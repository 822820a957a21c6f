"""What can go wrong with a model server, each with its remedy."""

from __future__ import annotations

from ingest.base.errors import PipelineError


class EndpointError(PipelineError):
    """The model server failed; `retryable` says whether the same request may succeed later."""

    def __init__(self, message: str, hint: str = "", *, retryable: bool = False) -> None:
        super().__init__(message, hint)
        self.retryable = retryable


class EndpointUnreachable(EndpointError):
    """Nothing answers at the address, or it stopped answering."""


class ModelUnavailable(EndpointError):
    """No model of the kind needed is loaded or offered, or its weights are missing."""


class ModelLost(ModelUnavailable):
    """The model was there and crashed, or was unloaded; loaded again it may serve."""


class AuthenticationFailed(EndpointError):
    """The server wants another key."""


class ContextOverflow(EndpointError):
    """The input is longer than the model's context; `limit_tokens` is None if not told."""

    def __init__(self, message: str, hint: str = "", *, limit_tokens: int | None = None) -> None:
        super().__init__(message, hint)
        self.limit_tokens = limit_tokens


class RequestRefused(EndpointError):
    """The server understood the request and will not serve it."""


class ServerBusy(EndpointError):
    """The server is loading a model or has too much to do; it may say how long to wait."""

    retry_after_seconds: float | None = None

    def ask_to_wait(self, seconds: float | None) -> None:
        """Keep how long the server asks to be left alone."""
        self.retry_after_seconds = seconds
        if seconds:
            self.message = f"{self.message}; it asks to wait {seconds:g} seconds"


class BadResponse(EndpointError):
    """The answer is not what the protocol promises."""


class OnlyThought(BadResponse):
    """A reasoning model spent all its tokens on thinking and wrote no answer."""
