"""The server of most tests of the model side: each test scripts what it does."""

from collections.abc import Iterator

import pytest
from fault_server import FaultServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer().running() as running:
        yield running
