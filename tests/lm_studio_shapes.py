"""JSON schemas of what LM Studio answers, and answers as its documentation shows them."""

from __future__ import annotations

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
NOTHING = {"type": ["null", "object"]}


def record(properties: dict[str, object], optional: tuple[str, ...] = ()) -> dict[str, object]:
    """An object with these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def array(items: dict[str, object]) -> dict[str, object]:
    return {"type": "array", "items": items}


def always(value: str) -> dict[str, object]:
    return {"type": "string", "const": value}


EMBEDDINGS = record(
    {
        "object": always("list"),
        "data": array(
            record({"object": always("embedding"), "embedding": array(NUMBER), "index": INTEGER})
        ),
        "model": STRING,
        "usage": record({"prompt_tokens": INTEGER, "total_tokens": INTEGER}),
    }
)
USAGE = record({"prompt_tokens": INTEGER, "completion_tokens": INTEGER, "total_tokens": INTEGER})
REPORT = {
    "stats": record(
        {
            "tokens_per_second": NUMBER,
            "time_to_first_token": NUMBER,
            "generation_time": NUMBER,
            "stop_reason": STRING,
        }
    ),
    "model_info": record(
        {"arch": STRING, "quant": STRING, "format": STRING, "context_length": INTEGER}
    ),
    "runtime": record({"name": STRING, "version": STRING, "supported_formats": array(STRING)}),
}


def _completion(kind: str, **content: object) -> dict[str, object]:
    choice = {"index": INTEGER, "logprobs": NOTHING, "finish_reason": STRING, **content}
    return {
        "id": STRING,
        "object": always(kind),
        "created": INTEGER,
        "model": STRING,
        "choices": array(record(choice)),
        "usage": USAGE,
    }


_MESSAGE = record({"role": STRING, "content": STRING})
OPENAI_COMPLETION = record(_completion("text_completion", text=STRING))
OPENAI_CHAT = record(_completion("chat.completion", message=_MESSAGE))
COMPLETION = record(_completion("text_completion", text=STRING) | REPORT)
CHAT = record(_completion("chat.completion", message=_MESSAGE) | REPORT)


def _model(types: list[str], more: dict[str, object] | None = None) -> dict[str, object]:
    properties = {
        "id": STRING,
        "object": always("model"),
        "type": {"type": "string", "enum": types},
        "publisher": STRING,
        "arch": STRING,
        "compatibility_type": STRING,
        "quantization": STRING,
        "state": {"type": "string", "enum": ["not-loaded", "loaded"]},
        "max_context_length": INTEGER,
        **(more or {}),
    }
    return record(properties, optional=tuple(more or ()))


MODEL = _model(["llm"])
MODELS = record({"data": array(_model(["llm", "embeddings"])), "object": always("list")})
# What later versions add.
NEWER_MODEL = _model(["llm", "vlm", "embeddings"], {"loaded_context_length": INTEGER})
NEWER_MODELS = record({"data": array(NEWER_MODEL), "object": always("list")})

OPENAI_MODELS = record(
    {
        "data": array(record({"id": STRING, "object": always("model"), "owned_by": STRING})),
        "object": always("list"),
    }
)

_CONFIG_V1 = record(
    {
        "context_length": INTEGER,
        "eval_batch_size": INTEGER,
        "parallel": INTEGER,
        "flash_attention": {"type": "boolean"},
        "num_experts": INTEGER,
        "offload_kv_cache_to_gpu": {"type": "boolean"},
    },
    optional=(
        "eval_batch_size", "parallel", "flash_attention", "num_experts", "offload_kv_cache_to_gpu",
    ),
)  # fmt: skip
_MAYBE_STRING = {"type": ["string", "null"]}
_MODEL_V1 = record(
    {
        "type": {"enum": ["llm", "embedding"]},
        "publisher": STRING,
        "key": STRING,
        "display_name": STRING,
        "architecture": _MAYBE_STRING,
        "quantization": record(
            {"name": _MAYBE_STRING, "bits_per_weight": {"type": ["number", "null"]}}
        ),
        "size_bytes": INTEGER,
        "params_string": _MAYBE_STRING,
        "loaded_instances": array(record({"id": STRING, "config": _CONFIG_V1})),
        "max_context_length": INTEGER,
        "format": {"enum": ["gguf", "mlx", None]},
        "capabilities": record(
            {"vision": {"type": "boolean"}, "trained_for_tool_use": {"type": "boolean"}}
        ),
        "description": _MAYBE_STRING,
    },
    optional=("architecture", "capabilities", "description"),
)
MODELS_V1 = record({"models": array(_MODEL_V1)})
LOADED_V1 = record(
    {
        "type": {"enum": ["llm", "embedding"]},
        "instance_id": STRING,
        "load_time_seconds": NUMBER,
        "status": always("loaded"),
        "load_config": _CONFIG_V1,
    },
    optional=("load_config",),
)
UNLOADED_V1 = record({"instance_id": STRING})

# ---- answers as the documentation shows them

_RUNTIME = {
    "name": "llama.cpp-mac-arm64-apple-metal-advsimd",
    "version": "1.26.0",
    "supported_formats": ["gguf"],
}
_PHI = {"arch": "phi3", "quant": "Q4_K_M", "format": "gguf", "context_length": 4096}

DOCUMENTED_EMBEDDINGS = {
    "object": "list",
    "data": [{"object": "embedding", "embedding": [0.0117, -0.0153, -0.1787], "index": 0}],
    "model": "text-embedding-nomic-embed-text-v1.5",
    "usage": {"prompt_tokens": 0, "total_tokens": 0},
}
DOCUMENTED_COMPLETION = {
    "id": "cmpl-mbyugc70lapl1yb6lg7nek",
    "object": "text_completion",
    "created": 1745102146,
    "model": "phi-4",
    "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8},
    "stats": {
        "tokens_per_second": 250000,
        "time_to_first_token": 0,
        "generation_time": 0.318,
        "stop_reason": "eosFound",
    },
    "model_info": _PHI,
    "runtime": _RUNTIME,
}
DOCUMENTED_CHAT = {
    "id": "chatcmpl-em8k6y65qytrj5q7yuox",
    "object": "chat.completion",
    "created": 1745102100,
    "model": "phi-4",
    "choices": [
        {
            "index": 0,
            "logprobs": None,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello, I'm your AI guide,  \nIn rhyme."},
        }
    ],
    "usage": {"prompt_tokens": 21, "completion_tokens": 82, "total_tokens": 103},
    "stats": {
        "tokens_per_second": 13.08336436034801,
        "time_to_first_token": 0.778,
        "generation_time": 6.344,
        "stop_reason": "stop",
    },
    "model_info": _PHI,
    "runtime": _RUNTIME,
}
DOCUMENTED_MODEL = {
    "id": "phi-4",
    "object": "model",
    "type": "llm",
    "publisher": "lmstudio-community",
    "arch": "phi3",
    "compatibility_type": "gguf",
    "quantization": "Q4_K_M",
    "state": "not-loaded",
    "max_context_length": 16384,
}
DOCUMENTED_MODELS = {
    "data": [
        DOCUMENTED_MODEL,
        {
            "id": "text-embedding-nomic-embed-text-v1.5",
            "object": "model",
            "type": "embeddings",
            "publisher": "nomic-ai",
            "arch": "nomic-bert",
            "compatibility_type": "gguf",
            "quantization": "Q4_K_M",
            "state": "not-loaded",
            "max_context_length": 2048,
        },
    ],
    "object": "list",
}
DOCUMENTED_MODELS_V1 = {
    "models": [
        {
            "type": "llm",
            "publisher": "lmstudio-community",
            "key": "gemma-3-270m-it-qat",
            "display_name": "Gemma 3 270m Instruct Qat",
            "architecture": "gemma3",
            "quantization": {"name": "Q4_0", "bits_per_weight": 4},
            "size_bytes": 241410208,
            "params_string": "270M",
            "loaded_instances": [
                {"id": "gemma-3-270m-it-qat", "config": {"context_length": 4096}},
            ],
            "max_context_length": 32768,
            "format": "gguf",
            "capabilities": {"vision": False, "trained_for_tool_use": False},
            "description": None,
        },
        {
            "type": "embedding",
            "publisher": "gaianet",
            "key": "text-embedding-nomic-embed-text-v1.5-embedding",
            "display_name": "Nomic Embed Text v1.5",
            "quantization": {"name": "F16", "bits_per_weight": 16},
            "size_bytes": 274290560,
            "params_string": None,
            "loaded_instances": [],
            "max_context_length": 2048,
            "format": "gguf",
        },
    ]
}
DOCUMENTED_LOAD = {
    "type": "llm",
    "instance_id": "openai/gpt-oss-20b",
    "load_time_seconds": 9.099,
    "status": "loaded",
    "load_config": {
        "context_length": 16384,
        "eval_batch_size": 512,
        "flash_attention": True,
        "offload_kv_cache_to_gpu": True,
        "num_experts": 4,
    },
}
