"""`rag evaluate`."""

from __future__ import annotations

import argparse

from rag.cli.console import Terminal


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the command."""
    raise NotImplementedError
