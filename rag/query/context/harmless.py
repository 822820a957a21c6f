"""Text of a document in, the same text without anything a model's server would obey out.

Servers such as llama.cpp read the special tokens of chat templates wherever they stand, also
inside a passage; a blank in the middle makes text of them.
"""

from __future__ import annotations

import re

from ingest.parse.base.clean import clean

# The tokens of the model families in use: words of tags, and how such words are made.
_NAMES = (
    r"s|bos|eos|unk|pad|mask|cls|sep|sop|eop|eom|eod|gmask|think|thinking|thought|tools?|"
    r"functions?|images?|img|audio|video|turn|channel|"
    r"message|endoftext|reponame|filename|gh_stars|unused_?\d{1,6}|extra_id_\d{1,6}|seed:[\w:-]{1,40}|"
    r"(?:function|parameter|tool)=[^\s<>]{1,60}|\w{1,20}_of_\w{1,20}|(?:begin|start|end)_\w{1,20}|eo[tm]_id|"
    r"(?:im|fim|img|image|vision|video|audio|tool|think|turn|reserved|pad|box|quad|object|repo|file|"
    r"issue|commit|jupyter|code)_[\w-]{1,30}"
)
_MARKS = (
    "INST|SYSTEM_PROMPT|TOOL_[A-Z]+|AVAILABLE_TOOLS|gMASK|sMASK|IMG(?:_[A-Z]+)?|THINK|BOS|EOS|"
    "PAD|UNK|CLS|SEP|MASK|PREFIX|SUFFIX|MIDDLE|ARGS|CALL_ID|AUDIO|BEGIN_AUDIO|MODEL_SETTINGS"
)
# `<|anything|>` is one in most families, `<|turn>` and `<turn|>` in some.  Other tags of several
# words joined by `_` are not broken behind a word: a type of code stands there, `list<my_type>`.
_SPECIAL = re.compile(
    rf"<(?=[|｜][\w▁ .:/-]{{1,40}}[|｜]?>)|<(?=/?[\w▁]{{1,40}}[|｜]>)|<(?=/?(?:{_NAMES})>)"
    r"|(?<!\w)<(?=/?[a-z][a-z0-9]{0,20}(?:_[a-z0-9]{1,20}){1,3}>)|<<(?=/?SYS>>)"
    rf"|(?-i:\[(?=/?(?:{_MARKS})\]))",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"^(?=[ \t]*(?:#{2,}[ \t]*(?:system|user|assistant|human|instruction|response|input)s?[ \t]*:"
    r"|#{3}[ \t]*(?:system|user|assistant|human|instruction|response)[ \t]*$))",
    re.IGNORECASE | re.MULTILINE,
)
_PLAIN = str.maketrans({'"': "'", "<": "(", ">": ")", "›": "·"})


def make_harmless(text: str) -> str:
    """Return text without control and invisible characters, with special tokens broken up."""
    return _TURN.sub("> ", _SPECIAL.sub(r"\g<0> ", clean(text)))


def make_label(text: str, most: int) -> str:
    """Return a name out of a document, on one line of at most so many characters.

    It cannot end the attribute in which it stands, nor look like several parts of a label.
    """
    line = " ".join(make_harmless(text).translate(_PLAIN).split())
    if len(line) <= most:
        return line
    return f"{line[: most // 2 - 1]}…{line[-(most // 2) :]}"
