from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import manifest

from rag.index.base.errors import IndexDamaged, IndexMismatch
from rag.index.manifest import check, read_manifest


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert read_manifest(manifest().as_json()) == manifest()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"probe": 3}', "{"])
def test_a_broken_manifest_is_damage(text: str) -> None:
    with pytest.raises(IndexDamaged):
        read_manifest(text)


def test_another_model_is_named_with_the_way_out() -> None:
    with pytest.raises(IndexMismatch, match=r"model-a .*model-b .*rag ingest --index OTHER"):
        check(manifest("model-a"), manifest("model-b"))


def test_another_model_behind_the_same_name_is_found_by_the_probe() -> None:
    with pytest.raises(IndexMismatch, match="same name"):
        check(manifest(probe="probe"), manifest(probe="something else"))


def test_another_dimension_is_a_mismatch() -> None:
    with pytest.raises(IndexMismatch):
        check(manifest(), replace(manifest(), dimension=3, probe=(1.0, 0.0, 0.0)))


def test_recipe_and_rounding_may_differ() -> None:
    close = tuple(x + 0.001 for x in manifest().probe)
    check(manifest(recipe="one"), replace(manifest(recipe="two"), probe=close))
