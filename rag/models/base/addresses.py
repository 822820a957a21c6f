"""The address of a model server in, its one spelling out, and whether it is near."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

EMBEDDED = "embedded"


def normalise_endpoint(value: str) -> str:
    """Return the base URL with one spelling: `/v1` once, no trailing slash, no `localhost`.

    `localhost` becomes 127.0.0.1: where a server listens on IPv4 only, resolving the name
    first tries IPv6 and costs up to two seconds per connection on Windows.
    """
    text = value.strip()
    if text.lower() == EMBEDDED:
        return EMBEDDED
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:-]+", parts.hostname or ""):
        raise ValueError(f"give '{EMBEDDED}' or an http(s) URL such as http://127.0.0.1:1234/v1")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("leave user, password, query and fragment out of the URL")
    name = parts.hostname or ""
    host = "127.0.0.1" if name == "localhost" else name
    host = f"[{host}]" if ":" in host else host
    netloc = f"{host}:{parts.port}" if parts.port else host
    path = parts.path.rstrip("/")
    path = path if path.endswith("/v1") else f"{path}/v1"
    return urlunsplit((parts.scheme, netloc, path, "", ""))


def is_private(url: str) -> bool:
    """Tell whether the address is this machine or on a private network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return url == EMBEDDED or host == "localhost" or host.endswith((".local", ".lan"))
    return address.is_loopback or address.is_private


def is_loopback(url: str) -> bool:
    """Tell whether the address is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return url == EMBEDDED or host == "localhost"
