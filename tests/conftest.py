"""Fixtures more than one test module needs."""

from pathlib import Path

import platformdirs
import pytest


@pytest.fixture(scope="session")
def weights_cache() -> Path:
    """The cache folder with the weights of the embedded model, fetched at the first run."""
    from rag.models.embedded.weights import pull_weights

    cache = Path(platformdirs.user_cache_dir("foldercite"))
    pull_weights(cache, lambda label, done, total: None)
    return cache
