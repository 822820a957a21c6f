"""Write `minilm.onnx`: all-MiniLM-L6-v2 as a graph whose weights stay in `model.safetensors`.

Run by hand after a change: `python rag/models/embedded/make_minilm_graph.py FOLDER_WITH_WEIGHTS`.
It needs the package `onnx`, which the program itself does not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from onnx import ModelProto, NodeProto, StringStringEntryProto, TensorProto, helper

LAYERS, HEADS, WIDTH = 6, 12, 384
HEAD_WIDTH = WIDTH // HEADS
EPSILON = 1e-12
MASKED = -1e9
WEIGHTS = "model.safetensors"


class Graph:
    """Collects nodes and initializers; every method returns the name of what it made."""

    def __init__(self, tensors: dict[str, Any], data_start: int) -> None:
        self.tensors, self.data_start = tensors, data_start
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Append a node with one output."""
        name = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name: str) -> str:
        """Point at a tensor of the safetensors file; nothing is copied."""
        entry = self.tensors[name]
        begin, end = entry["data_offsets"]
        place = {"location": WEIGHTS, "offset": self.data_start + begin, "length": end - begin}
        self.initializers[name] = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT,
            dims=entry["shape"],
            data_location=TensorProto.EXTERNAL,
            external_data=[StringStringEntryProto(key=k, value=str(v)) for k, v in place.items()],
        )
        return name

    def constant(self, name: str, values: list[Any], *, scalar: bool = False) -> str:
        """Store a few numbers, floats or integers, in the graph itself."""
        kind = TensorProto.FLOAT if isinstance(values[0], float) else TensorProto.INT64
        dims = [] if scalar else [len(values)]
        self.initializers[name] = helper.make_tensor(name, kind, dims, values)
        return name

    def linear(self, rows: str, prefix: str) -> str:
        """Multiply by a weight matrix, stored (out, in), and add its bias."""
        weight, bias = self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")
        return self.add("Gemm", rows, weight, bias, transB=1)

    def norm(self, rows: str, prefix: str) -> str:
        """Normalise each row."""
        weight, bias = self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")
        return self.add("LayerNormalization", rows, weight, bias, epsilon=EPSILON)


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the tensor table of a safetensors file and the offset at which its data starts."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)), 8 + length


def embed_tokens(graph: Graph) -> str:
    """Sum word, position and type embeddings: (texts, tokens) to (texts * tokens, width)."""
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    length = graph.add("Shape", "input_ids", start=1, end=2)
    positions = graph.weight("embeddings.position_embeddings.weight")
    positions = graph.add("Slice", positions, graph.constant("zero", [0]), length)
    kinds = graph.weight("embeddings.token_type_embeddings.weight")
    kind = graph.add("Gather", kinds, graph.constant("first_kind", [0], scalar=True))
    total = graph.add("Add", graph.add("Add", words, positions), kind)
    rows = graph.add("Reshape", total, graph.constant("as_rows", [-1, WIDTH]))
    return graph.norm(rows, "embeddings.LayerNorm")


def attend(graph: Graph, rows: str, bias: str, prefix: str) -> str:
    """Multi-head self-attention within each text."""

    def split(part: str, order: list[int]) -> str:
        heads = graph.add("Reshape", graph.linear(rows, f"{prefix}.self.{part}"), "heads_shape")
        return graph.add("Transpose", heads, perm=order)

    query, key = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1])
    scores = graph.add("Mul", graph.add("MatMul", query, key), "scale")
    weights = graph.add("Softmax", graph.add("Add", scores, bias), axis=-1)
    mixed = graph.add("MatMul", weights, split("value", [0, 2, 1, 3]))
    mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
    return graph.linear(graph.add("Reshape", mixed, "as_rows"), f"{prefix}.output.dense")


def transform(graph: Graph, rows: str, bias: str, prefix: str) -> str:
    """One layer: attention, then the feed-forward part, each added and normalised."""
    attended = graph.add("Add", attend(graph, rows, bias, f"{prefix}.attention"), rows)
    rows = graph.norm(attended, f"{prefix}.attention.output.LayerNorm")
    hidden = graph.add("Gelu", graph.linear(rows, f"{prefix}.intermediate.dense"))
    fed = graph.add("Add", graph.linear(hidden, f"{prefix}.output.dense"), rows)
    return graph.norm(fed, f"{prefix}.output.LayerNorm")


def pool(graph: Graph, rows: str, mask: str, shape: str) -> None:
    """Mean over the tokens of each text, scaled to length one."""
    tokens = graph.add("Reshape", rows, shape)
    weights = graph.add("Unsqueeze", mask, graph.constant("last", [-1]))
    total = graph.add("ReduceSum", graph.add("Mul", tokens, weights), "token_axis", keepdims=0)
    # Scaling to length one makes the division by the number of tokens superfluous.
    length = graph.add("ReduceL2", total, "last", keepdims=1)
    tiny = graph.constant("tiny", [EPSILON], scalar=True)
    graph.add("Div", total, graph.add("Max", length, tiny), name="vectors")


def build(weights: Path) -> ModelProto:
    """Return the model: `input_ids`, `attention_mask` (texts, tokens) to `vectors` (texts, 384)."""
    graph = Graph(*read_header(weights))
    graph.constant("scale", [HEAD_WIDTH**-0.5], scalar=True)
    graph.constant("token_axis", [1])
    mask = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    inverse = graph.add("Sub", graph.constant("one", [1.0], scalar=True), mask)
    bias = graph.add("Mul", inverse, graph.constant("masked", [MASKED], scalar=True))
    bias = graph.add("Unsqueeze", bias, graph.constant("head_axes", [1, 2]))
    size = graph.add("Shape", "input_ids")
    heads = graph.constant("heads", [HEADS, HEAD_WIDTH])
    graph.add("Concat", size, heads, name="heads_shape", axis=0)
    shape = graph.add("Concat", size, graph.constant("width", [WIDTH]), axis=0)
    rows = embed_tokens(graph)
    for layer in range(LAYERS):
        rows = transform(graph, rows, bias, f"encoder.layer.{layer}")
    pool(graph, rows, mask, shape)
    tokens = ["texts", "tokens"]
    proto = helper.make_graph(
        graph.nodes,
        "all-MiniLM-L6-v2",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, tokens),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, tokens),
        ],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", WIDTH])],
        list(graph.initializers.values()),
    )
    return helper.make_model(proto, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    model = build(folder / WEIGHTS)
    Path(__file__).with_name("minilm.onnx").write_bytes(model.SerializeToString(deterministic=True))
