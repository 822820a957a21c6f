"""Codes and numbers in, what a person calls them out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "am": "Amharic", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan",
        "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
        "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati",
        "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
        "it": "Italian", "ja": "Japanese", "ka": "Georgian", "km": "Khmer", "kn": "Kannada",
        "ko": "Korean", "lo": "Lao", "ml": "Malayalam", "mr": "Marathi", "my": "Burmese",
        "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese",
        "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sr": "Serbian", "sv": "Swedish",
        "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
        "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
    }
)  # fmt: skip

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "binary": "content that is no text",
        "changed": "changed while they were read",
        "corrupt": "damaged",
        "crash": "broke the program that read them",
        "embed-rejected": "refused by the embedding model",
        "empty": "empty",
        "encrypted": "need a password",
        "ignore-file": "an ignore file that cannot be read",
        "loop": "a folder inside itself",
        "memory": "took too much memory",
        "no-text": "no text in them, probably scans",
        "secret": "look like keys or passwords",
        "special-file": "no regular files",
        "symlink": "links that were not followed",
        "timeout": "took too long",
        "too-deep": "too deep in folders",
        "too-large": "too large",
        "unreadable": "cannot be opened",
        "unsupported": "of a kind that is not read",
    }
)


def name_language(code: str) -> str:
    """Return the English name of a language of ISO 639-1, the code where it has none here.

    >>> name_language("zh")
    'Chinese'
    """
    return _LANGUAGES.get(code, code)


def name_with_code(code: str) -> str:
    """Return name and code of a language, "" for none.

    >>> name_with_code("zh")
    'Chinese (zh)'
    """
    name = name_language(code)
    return f"{name} ({code})" if name != code else code


def name_reason(code: str) -> str:
    """Return in words why files are not read."""
    return _REASONS.get(code, code)


def count_of(number: int, thing: str, rest: str = "") -> str:
    """Return a number of things, with the rest of what is said of them.

    >>> count_of(1, "page", "without text"), count_of(2000, "page")
    ('1 page without text', '2,000 pages')
    """
    return f"{number:,} {thing}{'s' * (number != 1)} {rest}".rstrip()
