"""The ways to ask a server for text: a request's body out, the events of its stream read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rag.models.base.messages import Delta, Message, NativeReport, Usage

Record: TypeAlias = Mapping[str, object]
SurfaceName = Literal["chat", "completions", "responses", "native", "native-completions"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, whatever the surface."""

    model: str
    messages: Sequence[Message]
    max_tokens: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Surface:
    """One endpoint for text; `path` counts from the server's root."""

    path: str
    body: Callable[[Request], dict[str, object]]
    read: Callable[[Record], Delta]


def _chat_body(request: Request) -> dict[str, object]:
    return {
        "model": request.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _completions_body(request: Request) -> dict[str, object]:
    """Write the conversation as plain text, for base models without a chat template."""
    text = "\n\n".join(message.content for message in request.messages)
    return {
        "model": request.model,
        "prompt": f"{text}\nAnswer:",
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        # A base model goes on with a question of its own when it is done.
        "stop": ["\nQuestion:"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _responses_body(request: Request) -> dict[str, object]:
    # No `text` object: LM Studio refuses one without a format.
    return {
        "model": request.model,
        "instructions": "\n\n".join(m.content for m in request.messages if m.role == "system"),
        "input": [
            {"role": m.role, "content": m.content} for m in request.messages if m.role != "system"
        ],
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
    }


def _read_choice(event: Record) -> Delta:
    """Read a chunk of chat or text completions, of the OpenAI or the native surface."""
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    choice = choice if isinstance(choice, dict) else {}
    delta = choice.get("delta") or choice.get("message") or {}
    finish = choice.get("finish_reason")
    return Delta(
        text=_text(delta.get("content")) or _text(choice.get("text")),
        reasoning=_text(delta.get("reasoning_content")) or _text(delta.get("reasoning")),
        finish_reason=finish if isinstance(finish, str) else None,
        model=_text(event.get("model")),
        usage=_read_usage(event.get("usage"), "prompt_tokens", "completion_tokens"),
        native=_read_native(event),
    )


def _read_response(event: Record) -> Delta:
    """Read an event of /v1/responses; `response.completed` ends the answer."""
    match event.get("type"):
        case "response.output_text.delta":
            return Delta(text=_text(event.get("delta")))
        case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
            return Delta(reasoning=_text(event.get("delta")))
        case "response.completed" | "response.incomplete":
            response = event.get("response")
            response = response if isinstance(response, dict) else {}
            return Delta(
                finish_reason="stop" if event["type"] == "response.completed" else "length",
                model=_text(response.get("model")),
                usage=_read_usage(response.get("usage"), "input_tokens", "output_tokens"),
            )
        case _:
            return Delta()


def mark_cut(delta: Delta, max_tokens: int) -> Delta:
    """Call an end that came just when all tokens were used what it is: a cut.

    llama.cpp reports such an answer as completed on /v1/responses.
    """
    if delta.finish_reason == "stop" and delta.usage and delta.usage.answer_tokens >= max_tokens:
        return replace(delta, finish_reason="length")
    return delta


def failure_in(event: Record) -> object:
    """Return the error an event of a stream reports, None when it reports none."""
    response = event.get("response")
    inner = response.get("error") if isinstance(response, dict) else None
    return event.get("error") or inner or (event if event.get("type") == "error" else None)


def _read_usage(value: object, sent: str, written: str) -> Usage | None:
    if not isinstance(value, dict):
        return None
    return Usage(_count(value.get(sent)), _count(value.get(written)))


def _read_native(event: Record) -> NativeReport | None:
    """Read what LM Studio's own surface adds: `stats`, `model_info` and `runtime`."""
    stats, info, runtime = (event.get(key) for key in ("stats", "model_info", "runtime"))
    if not isinstance(stats, dict) or not stats:
        return None
    info = info if isinstance(info, dict) else {}
    runtime = runtime if isinstance(runtime, dict) else {}
    return NativeReport(
        tokens_per_second=_number(stats.get("tokens_per_second")),
        time_to_first_token=_number(stats.get("time_to_first_token")),
        generation_time=_number(stats.get("generation_time")),
        stop_reason=_text(stats.get("stop_reason")),
        architecture=_text(info.get("arch")),
        quantisation=_text(info.get("quant")),
        format=_text(info.get("format")),
        context_tokens=_count(info.get("context_length")),
        runtime=" ".join(filter(None, (_text(runtime.get("name")), _text(runtime.get("version"))))),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


SURFACES: Mapping[str, Surface] = {
    "chat": Surface("/v1/chat/completions", _chat_body, _read_choice),
    "completions": Surface("/v1/completions", _completions_body, _read_choice),
    "responses": Surface("/v1/responses", _responses_body, _read_response),
    "native": Surface("/api/v0/chat/completions", _chat_body, _read_choice),
    "native-completions": Surface("/api/v0/completions", _completions_body, _read_choice),
}
