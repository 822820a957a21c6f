"""Writes to an index until it is killed, saying what it tries and what is done; run by test_kill.

Arguments: folder, seed, steps, "drain" or "catalogue", failpoint name or "-", its count.
Standard input: the documents there are, as JSON {name: [texts]}.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from synthetic import ROOT, add, manifest, source

from ingest.base.documents import Failure, Move
from rag.index.base import failpoint
from rag.index.index import Index

KINDS = ("add", "add", "add", "change", "change", "move", "remove", "fail")


def choose(state: dict[str, list[str]], dice: random.Random, number: int) -> dict[str, object]:
    kind = dice.choice(KINDS) if state else "add"
    name = dice.choice(sorted(state)) if kind != "add" else f"{number:04d}.txt"
    # One passage stands in most documents: it must stay until the last of them goes.
    texts = [f"text {number} {i}" for i in range(dice.randint(1, 40))]
    texts += ["shared"] * (number % 3)
    if kind == "change":
        texts = [*state[name][: len(state[name]) // 2], *texts]
    return {"kind": kind, "name": name, "texts": texts, "new": f"moved {number:04d}.txt"}


def apply(state: dict[str, list[str]], step: dict) -> dict[str, list[str]]:
    """What the documents are after a step."""
    state = dict(state)
    match step["kind"]:
        case "add" | "change":
            state[step["name"]] = step["texts"]
        case "move":
            state[step["new"]] = state.pop(step["name"])
        case _:
            del state[step["name"]]
    return state


def carry_out(index: Index, step: dict) -> None:
    name = step["name"]
    match step["kind"]:
        case "add" | "change":
            add(index, name, step["texts"])
        case "move":
            index.move_document(ROOT, Move(name, source(step["new"]), "print"))
        case "remove":
            index.remove_documents(ROOT, [name])
        case "fail":
            index.record_failure(source(name), "print", Failure(name, "corrupt", "broken"))


def main() -> None:
    folder, seed, steps, way, trap, count = sys.argv[1:]
    state = json.load(sys.stdin)
    dice = random.Random(int(seed))
    if trap != "-":
        failpoint.arm(trap, int(count))
    with Index.open_for_writing(Path(folder), manifest(), drain=way == "drain") as index:
        print("open", flush=True)
        for i in range(int(steps)):
            step = choose(state, dice, int(seed) * 1000 + i)
            print("try", json.dumps(step), flush=True)
            carry_out(index, step)
            print("done", flush=True)
            state = apply(state, step)
    print("closed", json.dumps(index.warnings), flush=True)


if __name__ == "__main__":
    main()
