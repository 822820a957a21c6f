"""The embedding model inside this process: texts in, unit vectors out (onnxruntime, tokenizers)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import onnxruntime
from tokenizers import Encoding, Tokenizer

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

DIMENSION = 384
TOKEN_LIMIT = 256
BATCH_TOKENS = 512
"""Small batches stay in the processor's cache: larger ones were measured to be slower."""

TEXT_CHARACTERS = 1 << 16
"""What of a text is looked at; 256 tokens end far before it."""

_SPELLED = 3  # Letters of a word that is known in no larger parts.


class Encoder:
    """all-MiniLM-L6-v2 from the files in `folder`; safe to use from several threads.

    The graph comes with the program and reads its weights from `model.safetensors` in place.
    `workers` texts are computed at once, each on one thread; None means one per processor.
    """

    def __init__(self, folder: Path, workers: int | None = None) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._session = _open_session(folder)
        self._pool = ThreadPoolExecutor(workers or _count_processors(), "encoder")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row of 384 numbers per text, in order.

        Only the first 256 tokens of a text count.  A row depends on its own text alone.
        """
        rows = [_truncate(ids) for ids in self._tokenize([t[:TEXT_CHARACTERS] for t in texts])]
        vectors = numpy.empty((len(rows), DIMENSION), numpy.float32)
        batches = list(plan_batches([len(row) for row in rows]))
        results = self._pool.map(self._run, ([rows[i] for i in batch] for batch in batches))
        for batch, result in zip(batches, results, strict=True):
            vectors[batch] = result
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each whole text, the two special ones included."""
        return [len(ids) for ids in self._tokenize(texts)]

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        """Return the part of the words that the vocabulary lacks, or knows the letters of at most.

        A word of three letters that becomes one token for each of them means as little to the
        model as an unknown one.  Words without a letter do not count; None without words.
        """
        clean = [_clean(text) for text in texts]
        encodings = self._tokenizer.encode_batch(clean, add_special_tokens=False)
        unknown = [
            is_unknown
            for text, encoding in zip(clean, encodings, strict=True)
            for is_unknown in _find_unknown(text, encoding)
        ]
        return sum(unknown) / len(unknown) if unknown else None

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast([_clean(text) for text in texts])
        return [encoding.ids for encoding in encodings]

    def _run(self, rows: Sequence[Sequence[int]]) -> Vectors:
        ids = numpy.zeros((len(rows), max(map(len, rows))), numpy.int64)
        mask = numpy.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        assert isinstance(vectors, numpy.ndarray)
        return vectors


def plan_batches(lengths: Sequence[int], limit: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Yield the positions of texts that go together: similar lengths, at most `limit` tokens.

    The limit counts padding too.  Long texts come first, so that workers end together.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > limit:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def _clean(text: str) -> str:
    """Replace what has no UTF-8 form: half of a surrogate pair, as damaged files hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _find_unknown(text: str, encoding: Encoding) -> Iterator[bool]:
    """Yield for each word whether the vocabulary lacks it."""
    tokens = zip(encoding.word_ids, encoding.tokens, encoding.offsets, strict=True)
    for _, group in groupby(tokens, itemgetter(0)):
        parts = list(group)
        word = text[parts[0][2][0] : parts[-1][2][1]]
        if any(map(str.isalpha, word)):
            spelled = len(word) >= _SPELLED and all(b - a <= 1 for _, _, (a, b) in parts)
            yield spelled or any(part == "[UNK]" for _, part, _ in parts)


def _truncate(ids: list[int]) -> list[int]:
    """Keep the first tokens and the closing special one."""
    return ids if len(ids) <= TOKEN_LIMIT else [*ids[: TOKEN_LIMIT - 1], ids[-1]]


def _open_session(folder: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder)
    )
    graph = files("rag.models.embedded").joinpath("minilm.onnx").read_bytes()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _count_processors() -> int:
    """Return how many processors this process may use, where the system can tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
