from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import manifest

from rag.index.base.errors import IndexDamaged, IndexMismatch
from rag.index.index import Index
from rag.index.manifest import check, name_model, read_manifest


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert read_manifest(manifest().as_json()) == manifest()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"probe": 3}', "{"])
def test_a_broken_manifest_is_damage(text: str) -> None:
    with pytest.raises(IndexDamaged):
        read_manifest(text)


def test_another_model_is_named_with_the_way_out() -> None:
    with pytest.raises(IndexMismatch, match=r"model-a .*model-b .*rag ingest --index OTHER"):
        check(manifest("model-a"), manifest("model-b"))


def test_the_model_of_the_index_is_named_for_the_settings(tmp_path: Path) -> None:
    assert name_model(tmp_path) == ""
    Index.open_for_writing(tmp_path, manifest("model-a")).close()
    assert name_model(tmp_path) == "model-a"
    with pytest.raises(IndexMismatch) as caught:
        check(manifest("model-a"), manifest("model-b"))
    assert "RAG_EMBEDDING_MODEL=model-a;" in caught.value.hint


def test_another_model_behind_the_same_name_is_found_by_the_probe() -> None:
    with pytest.raises(IndexMismatch, match="same name"):
        check(manifest(probe="probe"), manifest(probe="something else"))


def test_another_dimension_is_a_mismatch() -> None:
    with pytest.raises(IndexMismatch):
        check(manifest(), replace(manifest(), dimension=3, probe=(1.0, 0.0, 0.0)))


def test_recipe_and_rounding_may_differ() -> None:
    close = tuple(x + 0.001 for x in manifest().probe)
    check(manifest(recipe="one"), replace(manifest(recipe="two"), probe=close))
