"""Fetches an image from an allowed host, and from nowhere else.

The name is looked up once, every address it has must be public, and the connection goes to the address that
was checked, so that a name cannot mean another machine a moment later. Redirects are refused. Knows HTTP and
no image.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from foveate.agent.service.problems import Problem

SECONDS = 20.0
CHUNK = 1 << 16
Resolve = Callable[[str, int], list[str]]


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a name."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(url: str, allowed: Collection[str], limit: int, resolve: Resolve = resolved) -> io.BytesIO:
    """What is at the address, at most `limit` bytes. Raises Problem; the address itself is not repeated."""
    scheme, host, port, target = _taken_apart(url)
    if not allowed:
        raise Problem("invalid", "Addresses are not fetched here; send the image itself, as a data URL.")
    if host not in {name.lower() for name in allowed}:
        raise Problem("not-allowed", "Images are not fetched from that host; send the image as a data URL.")
    try:
        connection = _connected(scheme, host, port, _public(resolve(host, port)))
        try:
            connection.request("GET", target, headers={"Host": host, "Accept": "image/*, */*;q=0.1"})
            return _body(connection.getresponse(), limit)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        raise Problem("bad-image", "The image could not be fetched; send it as a data URL.") from None


def _taken_apart(url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise Problem("invalid", "The image's address cannot be read; send a data URL.") from None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if default is None or not host or parts.username is not None or port not in (None, default):
        raise Problem("invalid", "An image is a data URL, or a plain http(s) address of an allowed host.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(char <= " " or char > "~" for char in target):
        raise Problem("invalid", "The image's address holds characters that must be percent-encoded.")
    return parts.scheme, host, default, target


def _public(addresses: list[str]) -> str:
    """One of the addresses, when all are of the public internet. Raises Problem."""
    if not addresses or not all(_is_public(address) for address in addresses):
        raise Problem("not-allowed", "That host has a private address; images are not fetched from there.")
    return addresses[0]


def _is_public(address: str) -> bool:
    ip = ip_address(address.split("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return bool(mapped.is_global and not mapped.is_multicast)


def _connected(scheme: str, host: str, port: int, address: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    connection.connect()
    if scheme == "https":
        # the certificate must be the name's, although we went to the address
        connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=host)
    return connection


def _body(response: http.client.HTTPResponse, limit: int) -> io.BytesIO:
    if response.status != 200:
        raise Problem("bad-image", "The host did not give the image itself (redirects are not followed).")
    body = io.BytesIO()
    while piece := response.read(CHUNK):
        if body.tell() + len(piece) > limit:
            raise Problem("too-large", f"The image has more than {limit} bytes; send a smaller one.")
        body.write(piece)
    body.seek(0)
    return body
