"""Put on PYTHONPATH, this lets no Python process connect to anything but this machine."""

import sys

LOCAL = ("127.", "::1", "localhost", "/", "\0")


def refuse(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else address
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and not str(host).startswith(LOCAL):
        sys.stderr.write(f"NETWORK: {event} {host}\n")
        raise OSError(f"no network in this test: {host}")


sys.addaudithook(refuse)
