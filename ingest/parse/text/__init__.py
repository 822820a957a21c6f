"""Formats that are text: prose, markup, code, tables, data, subtitles, notebooks."""
