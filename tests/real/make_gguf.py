"""Makes the two models of the llama.cpp server: real all-MiniLM-L6-v2, a chat model of chance."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path

import gguf
import numpy
import tokenizers

# The pooler was trained for next-sentence prediction and is no part of the embedding.
_UNUSED = ("embeddings.position_ids", "pooler.")
_WIDTH, _LAYERS, _HEADS, _INNER = 64, 2, 4, 128
# So few that a text needs twice the tokens of cl100k: harder on budgets than any real model.
_WORDS = 1024
CHAT_CONTEXT_TOKENS = 4096
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# ChatML.
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_minilm(folder: Path, target: Path) -> Path:
    """Write `target` from the `model.safetensors` and `tokenizer.json` in `folder`, as float16."""
    writer = gguf.GGUFWriter(target, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(512)
    writer.add_embedding_length(384)
    writer.add_feed_forward_length(1536)
    writer.add_block_count(6)
    writer.add_head_count(12)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    _add_word_pieces(writer, folder / "tokenizer.json")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, 6)
    for name, tensor in _read_safetensors(folder / "model.safetensors"):
        if name.startswith(_UNUSED):
            continue
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert known is not None, name
        # Position and type rows are added, not multiplied: llama.cpp wants those exact.
        exact = tensor.ndim == 1 or "position" in name or "token_type" in name
        writer.add_tensor(known, tensor if exact else tensor.astype(numpy.float16))
    return _write(writer, target)


def make_chat(target: Path, texts: Iterable[str]) -> Path:
    """Write a llama of random weights whose byte-level vocabulary was learned from `texts`."""
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_name("tiny-random-chat")
    writer.add_context_length(CHAT_CONTEXT_TOKENS)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_INNER)
    writer.add_block_count(_LAYERS)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    silent = _add_byte_pairs(writer, texts)
    chance = numpy.random.default_rng(7)
    for name, shape in _chat_tensors(words=len(silent)):
        scale = 0.0 if len(shape) == 1 else shape[1] ** -0.5
        values = chance.normal(0, scale, shape) if scale else numpy.ones(shape)
        if name == "token_embd.weight":
            values[silent] = 0
        writer.add_tensor(name, values.astype(numpy.float16 if scale else numpy.float32))
    return _write(writer, target)


def _chat_tensors(words: int) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Names and shapes; without `output.weight` the embedding matrix is used both ways."""
    yield "token_embd.weight", (words, _WIDTH)
    yield "output_norm.weight", (_WIDTH,)
    for layer in range(_LAYERS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{layer}.{part}.weight", (_WIDTH, _WIDTH)
        for part in ("ffn_gate", "ffn_up"):
            yield f"blk.{layer}.{part}.weight", (_INNER, _WIDTH)
        yield f"blk.{layer}.ffn_down.weight", (_WIDTH, _INNER)
        for part in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{part}.weight", (_WIDTH,)


def _add_word_pieces(writer: gguf.GGUFWriter, tokenizer: Path) -> None:
    described = json.loads(tokenizer.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = described["model"]["vocab"]
    special = {token["content"] for token in described["added_tokens"]}
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    kind = {True: gguf.TokenType.CONTROL, False: gguf.TokenType.NORMAL}
    writer.add_tokenizer_model("bert")
    writer.add_token_list([word if word in special else _phantom_space(word) for word in words])
    writer.add_token_types([kind[word in special] for word in words])
    writer.add_token_type_count(2)
    writer.add_unk_token_id(vocabulary["[UNK]"])
    writer.add_pad_token_id(vocabulary["[PAD]"])
    writer.add_mask_token_id(vocabulary["[MASK]"])
    for name in ("cls", "bos"):
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", vocabulary["[CLS]"])
    for name in ("seperator", "eos"):  # the format spells it so
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", vocabulary["[SEP]"])


def _phantom_space(word: str) -> str:
    """Return a word piece as llama.cpp has it: starts of words are marked, not their rest."""
    return word.removeprefix("##") if word.startswith("##") else f"\u2581{word}"


def _add_byte_pairs(writer: gguf.GGUFWriter, texts: Iterable[str]) -> numpy.ndarray:
    """Learn and add the vocabulary; return which of its words the model must never write.

    Those are the special ones and white space: a row of zeros is never among the 40 likeliest
    words, so an answer is never empty and goes on until it is told to stop.
    """
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=_WORDS,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    words = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    kind = {True: gguf.TokenType.CONTROL, False: gguf.TokenType.NORMAL}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    writer.add_token_types([kind[word in _SPECIAL] for word in words])
    writer.add_token_merges([" ".join(pair) for pair in learned["merges"]])
    writer.add_bos_token_id(words.index("<|endoftext|>"))
    writer.add_eos_token_id(words.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)
    return numpy.array([not tokenizer.decode([index]).strip() for index in range(len(words))])


def _read_safetensors(path: Path) -> Iterable[tuple[str, numpy.ndarray]]:
    """Yield name and values; the format: length of the header, header in JSON, raw numbers."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            kind = {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]
            yield name, numpy.frombuffer(content[start:end], kind).reshape(entry["shape"])


def _write(writer: gguf.GGUFWriter, target: Path) -> Path:
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
