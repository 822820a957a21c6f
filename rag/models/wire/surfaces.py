"""The ways to ask a server for text: a request's body out, the events of its stream read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rag.models.base.messages import Delta, Message, NativeReport, Usage
from rag.models.wire.faults import MOST_TOKENS

Record: TypeAlias = Mapping[str, object]
# Of a message, and of a model's thoughts.
_PARTS_OF_TEXT = ("text", "output_text", "refusal")
_PARTS_OF_THOUGHT = ("text", "reasoning_text", "summary_text")
_STATES = ("response.created", "response.queued", "response.in_progress")
_LAST = ("response.completed", "response.incomplete")
_PROGRESS = ("delta", "item", "part", "text", "arguments", "refusal", "response")
# What servers call an end, in the words of the protocol; others stay as they are.
_ENDS = {
    **dict.fromkeys(("eos", "eos_token", "end_turn", "stop_sequence", "load", "completed"), "stop"),
    **dict.fromkeys(("max_tokens", "max_output_tokens", "model_length"), "length"),
}
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


def _read_choice(event: Record) -> Delta:
    """Read a chunk of chat or text completions, of the OpenAI or the native surface."""
    choice = _first_choice(event)
    delta = _delta_of(choice)
    return Delta(
        text=_text(delta.get("content"))
        or _text(choice.get("text"))
        or _text(delta.get("refusal")),
        reasoning=_text(delta.get("reasoning_content")) or _text(delta.get("reasoning")),
        finish_reason=_read_finish(choice.get("finish_reason")),
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
        case "response.output_text.delta" | "response.refusal.delta":
            return Delta(text=_text(event.get("delta")))
        case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
            return Delta(reasoning=_text(event.get("delta")))
        case "response.completed" | "response.incomplete":
            return _read_end(_record(event.get("response")), event["type"])
        case _ if event.get("object") == "response":
            # The whole answer of a server that does not stream.
            return _read_end(event, f"response.{event.get('status')}")
        case _:
            return Delta()


def _read_end(response: Record, state: object) -> Delta:
    reason = _read_finish(_record(response.get("incomplete_details")).get("reason")) or "length"
    return Delta(
        finish_reason="stop" if state == "response.completed" else reason,
        model=_text(response.get("model")),
        usage=_read_usage(response.get("usage"), "input_tokens", "output_tokens"),
    )


def _read_finish(reason: object) -> str | None:
    said = _text(reason)
    return _ENDS.get(said.lower(), said) or None


def with_output(delta: Delta, event: Record, *, thought: bool) -> Delta:
    """Return the end of an answer of /v1/responses with the text that it repeats, and with what
    was thought, where `thought` wants it.
    """
    items = _output_of(event)
    said = (item.get("content") for item in items if item.get("type") == "message")
    thoughts = [item for item in items if item.get("type") == "reasoning"]
    parts = (item.get("content") or item.get("summary") for item in thoughts if thought)
    reasoning = "".join(_text(part, _PARTS_OF_THOUGHT) for part in parts)
    return replace(
        delta,
        text=delta.text or "".join(map(_text, said)),
        reasoning=delta.reasoning or reasoning,
    )


def _output_of(event: Record) -> Sequence[Record]:
    output = (_record(event.get("response")) or event).get("output")
    return [_record(item) for item in output] if isinstance(output, list) else ()


def calls_tool(event: Record) -> bool:
    """Say whether an event is a model's wish that a tool be called."""
    delta = _delta_of(_first_choice(event))
    items = (*_output_of(event), _record(event.get("item")))
    is_call = any(item.get("type") == "function_call" for item in items)
    return is_call or bool(delta.get("tool_calls") or delta.get("function_call"))


def shows_life(event: Record) -> bool:
    """Say whether an event has anything of an answer in it, be it of no use to us.

    A chunk of nothing but a role does not, nor one that says only that work has begun, nor a
    ping in the form of data.
    """
    if "choices" not in event:
        kind = _text(event.get("type"))
        is_known = kind.startswith("response.") and any(key in event for key in _PROGRESS)
        says = (is_known and event.get("delta", True)) or "progress" in event
        is_end = kind in _LAST or event.get("object") == "response" or event.get("stats")
        return bool(is_end or event.get("usage") or (says and kind not in _STATES))
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


def _text(value: object, kinds: Sequence[str] = _PARTS_OF_TEXT) -> str:
    """Return a text, joined where it came as a list of parts."""
    if isinstance(value, list):
        parts = (part for part in map(_record, value) if part.get("type") in kinds)
        return "".join(_text(part.get("text") or part.get("refusal")) for part in parts)
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return int(_number(value)) if isinstance(value, int) else 0


def _number(value: object) -> float:
    # A truth is an int, and neither NaN nor what is beyond every float is below the limit.
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return float(value) if 0 <= value < MOST_TOKENS else 0.0


SURFACES: Mapping[str, Surface] = {
    "chat": Surface("/v1/chat/completions", _chat_body, _read_choice),
    "completions": Surface("/v1/completions", _completions_body, _read_choice),
    "responses": Surface("/v1/responses", _responses_body, _read_response),
    "native": Surface("/api/v0/chat/completions", _chat_body, _read_choice),
    "native-completions": Surface("/api/v0/completions", _completions_body, _read_choice),
}
