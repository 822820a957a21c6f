"""Fixtures more than one test module needs."""

from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def weights_cache() -> Path:
    """The cache folder with the weights of the embedded model, fetched at the first run."""
    from rag.models.embedded.weights import pull_weights

    cache = Path(platformdirs.user_cache_dir("foldercite"))
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "tests.lock"):  # Tests may run in several processes.
        pull_weights(cache, lambda label, done, total: None)
    return cache
