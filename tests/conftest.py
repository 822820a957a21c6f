"""Fixtures more than one test module needs."""

import signal
from contextlib import suppress
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock

# A suite that a shell runs in the background is told to ignore Ctrl-C, and so would be the
# programs it starts and interrupts.
with suppress(ValueError):  # not the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def weights_cache() -> Path:
    """The cache folder with the weights of the embedded model, fetched at the first run."""
    from rag.models.embedded.weights import pull_weights

    cache = Path(platformdirs.user_cache_dir("foldercite"))
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "tests.lock"):  # Tests may run in several processes.
        pull_weights(cache, lambda label, done, total: None)
    return cache
