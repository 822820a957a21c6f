"""The ways to ask a server for text: a request's body out, the events of its stream read back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rag.models.base.errors import EndpointError, RequestRefused
from rag.models.base.messages import Delta, Message, NativeReport, Usage

Record: TypeAlias = Mapping[str, object]
_PARTS_OF_TEXT = ("text", "output_text")
_STATES = ("response.created", "response.queued", "response.in_progress")
SurfaceName = Literal["chat", "completions", "responses", "native", "native-completions"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, whatever the surface."""

    model: str
    messages: Sequence[Message]
    max_tokens: int
    temperature: float
    think: bool = True
    response_format: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Surface:
    """One endpoint for text; `path` counts from the server's root."""

    path: str
    body: Callable[[Request], dict[str, object]]
    read: Callable[[Record], Delta]


def _chat_body(request: Request) -> dict[str, object]:
    body: dict[str, object] = {
        "model": request.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if not request.think:
        # The first is read by Ollama, LM Studio and vLLM, the second by llama.cpp and vLLM.
        body["reasoning_effort"] = "none"
        body["chat_template_kwargs"] = {"enable_thinking": False}
    return body | _format_of(request)


def _format_of(request: Request) -> dict[str, object]:
    given = request.response_format
    return {} if given is None else {"response_format": given}


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
    } | _format_of(request)


def _responses_body(request: Request) -> dict[str, object]:
    # No `text` object: LM Studio refuses one without a format, and knows no format here.
    body: dict[str, object] = {
        "model": request.model,
        "instructions": "\n\n".join(m.content for m in request.messages if m.role == "system"),
        "input": [
            {"role": m.role, "content": m.content} for m in request.messages if m.role != "system"
        ],
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
    }
    if not request.think:
        body["reasoning"] = {"effort": "none"}
    return body


_THINKING_FIELDS = frozenset(("reasoning_effort", "chat_template_kwargs", "reasoning"))
_THINKING_WORDS = re.compile(r"reasoning|chat_template|thinking", re.IGNORECASE)
# transformers, pydantic, vLLM, llama.cpp and gateways, each in its own words.
_UNKNOWN_FIELD = re.compile(
    r"unexpected (fields?|keyword)|extra (fields?|inputs?)|extra_forbidden"
    r"|(unknown|unsupported|unrecogni[sz]ed) |unrecogni[sz]ed|unknown_parameter",
    re.IGNORECASE,
)


def without_refused(body: Mapping[str, object], error: EndpointError) -> dict[str, object] | None:
    """Return the body without the optional fields that an error refuses, None when
    it speaks of something else.
    """
    # A 500 is no refusal by its status, and is one by its words on some servers.
    if type(error) not in (RequestRefused, EndpointError):
        return None
    words, refused = error.message, set[str]()
    is_unknown = bool(_UNKNOWN_FIELD.search(words))
    if is_unknown or _THINKING_WORDS.search(words):
        refused |= _THINKING_FIELDS & body.keys()
    # Some name only the first field that they do not know, some none.
    if "stream_options" in words or (is_unknown and not refused):
        refused |= {"stream_options"} & body.keys()
    return {k: v for k, v in body.items() if k not in refused} if refused else None


def _read_choice(event: Record) -> Delta:
    """Read a chunk of chat or text completions, of the OpenAI or the native surface."""
    choice = _first_choice(event)
    delta = _delta_of(choice)
    return Delta(
        text=_text(delta.get("content")) or _text(choice.get("text")),
        reasoning=_text(delta.get("reasoning_content")) or _text(delta.get("reasoning")),
        finish_reason=_text(choice.get("finish_reason")) or None,
        model=_text(event.get("model")),
        usage=_read_usage(event.get("usage"), "prompt_tokens", "completion_tokens"),
        native=_read_native(event),
    )


def _first_choice(event: Record) -> Record:
    choices = event.get("choices")
    return _record(choices[0]) if isinstance(choices, list) and choices else {}


def _delta_of(choice: Record) -> Record:
    return _record(choice.get("delta")) or _record(choice.get("message"))


def _read_response(event: Record) -> Delta:
    """Read an event of /v1/responses; `response.completed` ends the answer."""
    match event.get("type"):
        case "response.output_text.delta":
            return Delta(text=_text(event.get("delta")))
        case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
            return Delta(reasoning=_text(event.get("delta")))
        case "response.completed" | "response.incomplete":
            return _read_end(_record(event.get("response")), event["type"])
        case _ if event.get("object") == "response":
            # The whole answer of a server that does not stream.
            end = _read_end(event, f"response.{event.get('status')}")
            output = event.get("output")
            items = map(_record, output if isinstance(output, list) else ())
            said = (item.get("content") for item in items if item.get("type") == "message")
            return replace(end, text="".join(map(_text, said)))
        case _:
            return Delta()


def _read_end(response: Record, state: object) -> Delta:
    return Delta(
        finish_reason="stop" if state == "response.completed" else "length",
        model=_text(response.get("model")),
        usage=_read_usage(response.get("usage"), "input_tokens", "output_tokens"),
    )


def shows_life(event: Record) -> bool:
    """Say whether an event has anything of an answer in it, be it of no use to us.

    A chunk of nothing but a role does not, nor one that says only that work has begun.
    """
    if "choices" not in event:
        return bool(event.get("delta", event)) and event.get("type") not in _STATES
    choice = _first_choice(event)
    said = [value for key, value in _delta_of(choice).items() if key != "role"]
    ends = (choice.get("finish_reason"), event.get("usage"), event.get("stats"))
    return any((*said, choice.get("text"), *ends))


def mark_cut(delta: Delta, max_tokens: int) -> Delta:
    """Call an end that came just when all tokens were used what it is: a cut.

    llama.cpp reports such an answer as completed on /v1/responses.
    """
    if delta.finish_reason == "stop" and delta.usage and delta.usage.answer_tokens >= max_tokens:
        return replace(delta, finish_reason="length")
    return delta


def failure_in(event: object) -> object:
    """Return the error an event of a stream reports, None when it reports none."""
    if not isinstance(event, dict):
        return event if isinstance(event, str) else None
    inner = _record(event.get("response")).get("error")
    is_error = event.get("type") == "error" or (
        "choices" not in event and "type" not in event
        and isinstance(event.get("message") or event.get("detail"), str | list)
    )  # fmt: skip
    return event.get("error") or inner or (event if is_error else None)


def _read_usage(value: object, sent: str, written: str) -> Usage | None:
    if not isinstance(value, dict):
        return None
    return Usage(_count(value.get(sent)), _count(value.get(written)))


def _read_native(event: Record) -> NativeReport | None:
    """Read what LM Studio's own surface adds: `stats`, `model_info` and `runtime`."""
    stats, info, runtime = (event.get(key) for key in ("stats", "model_info", "runtime"))
    if not isinstance(stats, dict) or not stats:
        return None
    info, runtime = _record(info), _record(runtime)
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


def _record(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return a text, joined where it came as a list of parts."""
    if isinstance(value, list):
        parts = (part for part in map(_record, value) if part.get("type") in _PARTS_OF_TEXT)
        return "".join(_text(part.get("text")) for part in parts)
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
