"""A question to a helper model in, one JSON object that fits a schema out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn, Protocol

from rag.models.base.errors import BadResponse, EndpointError, RequestRefused
from rag.models.base.messages import Message, Reply
from rag.models.chat.thinking import split_thinking


class Send(Protocol):
    """Asks a chat model and returns its whole answer; raises EndpointError.

    `response_format` is None when the request must not have the field at all.
    """

    def __call__(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        response_format: Mapping[str, object] | None,
    ) -> Reply:
        """Ask once."""
        ...


# LM Studio, llama.cpp, llama-cpp-python, vLLM, LiteLLM and MLX, each in its own words.
_FORMAT_REFUSED = re.compile(
    r"response_format|json_?schema|json_object|grammar|structured.?output|guided.?(decoding|json)",
    re.IGNORECASE,
)
_STRING_OR_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_MOST_REPEATED = 2000

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip
_CHECKED = frozenset(
    ("type", "properties", "required", "enum", "items", "minimum", "maximum",
     "additionalProperties")
)  # fmt: skip
_NOTES = frozenset(("title", "description", "$schema"))


def ask_for_json(
    send: Send, messages: Sequence[Message], schema: Mapping[str, object], max_tokens: int
) -> dict[str, object]:
    """Return the object that the model answers with, checked against `schema`.

    The schema goes along in words and as `response_format`; a server that refuses the field is
    asked again without it.  An answer that was cut off is asked for again with twice the
    tokens, one that does not fit with what was wrong: at most four requests.  `schema` is of an
    object and uses type, properties, required, enum, items, minimum, maximum and
    additionalProperties; anything else is a ValueError.

    Raises BadResponse when no answer fits, and what `send` raises.
    """
    _check_schema(schema)
    asked = _add_to_last(messages, _in_words(schema))
    wanted: Mapping[str, object] | None = _response_format(schema)
    budgets = (max_tokens, 2 * max_tokens)
    try:
        reply = _ask_whole(send, asked, budgets, wanted)
    except EndpointError as error:
        if not _refuses_format(error):
            raise
        wanted = None
        reply = _ask_whole(send, asked, budgets, wanted)
    value, problem = _read(reply.text, schema)
    if value is None:
        # Under a grammar some servers write the object where the thinking belongs.
        wanted = wanted if reply.text.strip() else None
        reply = _ask_whole(send, _repair(asked, reply.text, problem), budgets[1:], wanted)
        value, problem = _read(reply.text, schema)
    if value is None:
        _fail(reply, problem)
    return value


def _response_format(schema: Mapping[str, object]) -> dict[str, object]:
    # Never json_object: LM Studio refuses it, and others promise nothing about the keys.
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": dict(schema)},
    }


def _in_words(schema: Mapping[str, object]) -> str:
    return (
        "Answer with one JSON object and nothing else: no explanation, no code fence. "
        f"It must fit this JSON schema:\n{json.dumps(schema, ensure_ascii=False)}"
    )


def _refuses_format(error: EndpointError) -> bool:
    # A 500 is no refusal by its status, and is one by its words in llama-cpp-python.
    refused = isinstance(error, RequestRefused) or type(error) is EndpointError
    return refused and bool(_FORMAT_REFUSED.search(error.message))


def _add_to_last(messages: Sequence[Message], note: str) -> tuple[Message, ...]:
    """Return the messages with a note at the end, roles alternating as templates demand."""
    *before, last = messages
    if last.role == "assistant":
        return (*messages, Message("user", note))
    return (*before, replace(last, content=f"{last.content}\n\n{note}"))


def _repair(asked: Sequence[Message], text: str, problem: str) -> tuple[Message, ...]:
    _, answer = split_thinking(text)
    note = f"That cannot be used: {problem}. Answer again with the corrected JSON object only."
    if not answer.strip():
        return _add_to_last(asked, "Write the JSON object at once, without thinking first.")
    answer = answer.strip()[:_MOST_REPEATED]
    return (*asked, Message("assistant", answer), Message("user", note))


def _ask_whole(
    send: Send,
    messages: Sequence[Message],
    budgets: Sequence[int],
    response_format: Mapping[str, object] | None,
) -> Reply:
    """Return the first answer that is not cut off."""
    for max_tokens in budgets:
        reply = send(messages, max_tokens, response_format)
        if reply.finish_reason != "length":
            return reply
    raise BadResponse(
        f"the model's JSON answer was cut off after {budgets[-1]} tokens",
        "raise RAG_ANSWER_TOKENS, or switch thinking off for the model",
    )


def _fail(reply: Reply, problem: str) -> NoReturn:
    thought, answer = split_thinking(reply.text)
    if not answer.strip():
        thinking = ", only thinking" if thought or reply.reasoning else ""
        raise BadResponse(
            f"the model wrote no JSON answer{thinking}",
            "switch thinking off for the model, or load another chat model",
        )
    raise BadResponse(
        f"the model's JSON answer cannot be used: {problem}",
        "ask again, or load a larger chat model",
    )


def _read(text: str, schema: Mapping[str, object]) -> tuple[dict[str, object] | None, str]:
    """Return the first object in `text` that fits, or None and what is wrong with the last."""
    problem = "it holds no JSON object"
    for value in _objects(text):
        found = next(_problems(value, schema, "the answer"), None)
        if found is None:
            return value, ""
        problem = found
    return None, problem


def _objects(text: str) -> list[dict[str, object]]:
    """Return every object in the answer part; tags inside the strings of objects are no tags."""
    found, around = _scan(text)
    if split_thinking(around) == ("", around):
        return found
    return _scan(split_thinking(text)[1])[0]


def _scan(text: str) -> tuple[list[dict[str, object]], str]:
    """Return the objects in a text, and what stands around them."""
    found: list[dict[str, object]] = []
    around: list[str] = []
    start, copied, mended = text.find("{"), 0, False
    while start >= 0:
        value, end = _decode(text, start)
        if value is None and not mended:
            mended, text = True, text[:start] + _drop_trailing_commas(text[start:])
            value, end = _decode(text, start)
        if value is not None:
            found.append(value)
            around.append(text[copied:start])
            copied = end
        start = text.find("{", end)
    return found, " ".join((*around, text[copied:]))


def _drop_trailing_commas(text: str) -> str:
    return _STRING_OR_TRAILING_COMMA.sub(r"\1", text)


def _decode(text: str, start: int) -> tuple[dict[str, object] | None, int]:
    """Return the object that begins at `start` and its end, or None and the next character."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    try:
        value, end = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start + 1
    return (value, end) if isinstance(value, dict) else (None, start + 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_schema(schema: object) -> None:
    """Raise ValueError for a keyword that `_problems` would pass over in silence."""
    if not isinstance(schema, Mapping):
        raise ValueError(f"a schema is an object, not {schema!r}")
    names = schema.get("type", [])
    unknown = set(schema) - _CHECKED - _NOTES
    unknown |= {*([names] if isinstance(names, str) else names)} - set(_TYPES)
    if unknown:
        raise ValueError(f"schema words that are not checked: {sorted(unknown)}")
    for part in schema.get("properties", {}).values():
        _check_schema(part)
    for key in ("items", "additionalProperties"):
        if not isinstance(schema.get(key, True), bool):
            _check_schema(schema[key])


def _problems(value: object, schema: Mapping[str, object], place: str) -> Iterator[str]:
    """Yield what is wrong with a value, in words for the model (JSON Schema 2020-12, a part)."""
    names = schema.get("type", list(_TYPES))
    names = [names] if isinstance(names, str) else names
    assert isinstance(names, list)
    if not any(_is_a(value, name) for name in names):
        yield f"{place} must be of type {' or '.join(names)}"
        return
    options = schema.get("enum")
    if isinstance(options, list) and not any(_is_same(value, o) for o in options):
        yield f"{place} must be one of {json.dumps(options, ensure_ascii=False)}"
    if isinstance(value, dict):
        yield from _problems_of_object(value, schema, place)
    elif isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        for number, item in enumerate(value):
            yield from _problems(item, items, f"{place}[{number}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum"), schema.get("maximum")
        if isinstance(low, int | float) and value < low:
            yield f"{place} must not be less than {low}"
        if isinstance(high, int | float) and value > high:
            yield f"{place} must not be more than {high}"


def _problems_of_object(
    value: dict[str, object], schema: Mapping[str, object], place: str
) -> Iterator[str]:
    required, known = schema.get("required", []), schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    assert isinstance(required, list)
    assert isinstance(known, Mapping)
    for key in required:
        if key not in value:
            yield f'{place} lacks "{key}"'
    for key, part in value.items():
        inner = known.get(key, others)
        if inner is False:
            yield f'{place} must not have "{key}"'
        elif isinstance(inner, Mapping):
            yield from _problems(part, inner, f'"{key}" in {place}')


def _is_a(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _is_same(value: object, option: object) -> bool:
    return value == option and isinstance(value, bool) == isinstance(option, bool)
