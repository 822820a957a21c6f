"""Cases and settings that may change in, the settings that answer them best out."""

from __future__ import annotations
