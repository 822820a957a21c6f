"""Asks an index again and again while another process changes it; run by test_two_processes.

Arguments: folder with `settings.json`, `kept.txt` and `removed.txt`, how many questions, seed.
Prints as JSON how many were asked, how each search was done, and what went wrong.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path

from rag.pipeline import Pipeline
from rag.settings import Settings


def main() -> None:
    home, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    settings = Settings.load(json.loads((home / "settings.json").read_text("utf-8")))
    kept = (home / "kept.txt").read_text("utf-8").split()
    dice = random.Random(seed)
    wrong: list[str] = []
    ways: Counter[str] = Counter()
    if seed % 2:  # every other one asks Chroma where it can
        settings = settings.model_copy(update={"exact_up_to": 0})
    with Pipeline(settings) as pipeline:
        for _ in range(count):
            # What is listed here was removed, and that acknowledged, before the question.
            removed = (home / "removed.txt").read_text("utf-8").split()
            ask_gone = bool(removed) and dice.random() < 0.5
            word = dice.choice(removed[-20:] if ask_gone else kept)
            try:
                hits = pipeline.search(word, 5)
            except Exception as error:
                wrong.append(f"{word}: {error!r}")
                continue
            ways[pipeline.index.search_method.partition(":")[0]] += 1
            found = {w for hit in hits for w in hit.chunk.text.split()}
            wrong += [f"{gone} was removed and answers" for gone in set(removed) & found]
            if not ask_gone and word not in hits[0].chunk.text.split():
                wrong.append(f"{word} is not found")
    print(json.dumps({"asked": count, "ways": ways, "wrong": wrong}))


if __name__ == "__main__":
    main()
