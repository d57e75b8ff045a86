"""Reaches an address through a proxy: HTTP CONNECT, or SOCKS 5 with the name looked up by the proxy."""

import asyncio
import base64
import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

VIA = " via "
SOCKS = ("socks5", "socks5h")
USUAL_PORT = {"http": 80, "socks5": 1080, "socks5h": 1080}
MOST_HEAD = 16 * 1024
MOST_WORD = 255
"""Bytes of a name, a user or a password that SOCKS can say."""
_REFUSALS = {
    1: "general failure",
    2: "not allowed",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}


class Proxy(NamedTuple):
    """Somebody who connects for us."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Proxy({self.scheme}://{self.host}:{self.port})"


def through(origin: str, proxy: str) -> str:
    """The origin as one that is reached through a proxy; the same where there is none."""
    return f"{origin}{VIA}{proxy}" if proxy else origin


def parted(origin: str) -> tuple[str, Proxy | None]:
    """What `through` put together. Raises ValueError for what is no proxy."""
    bare, _, url = origin.partition(VIA)
    return bare, proxy_of(url) if url else None


def proxy_of(url: str) -> Proxy:
    """A proxy by its URL. Raises ValueError saying what is wrong, without the URL itself: it may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    problem = _problem(url, parts)
    if problem:
        raise ValueError(problem)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if max(len(user.encode()), len(password.encode())) > MOST_WORD:
        raise ValueError(f"user and password may have {MOST_WORD} bytes each")
    return Proxy(parts.scheme, parts.hostname or "", port or USUAL_PORT[parts.scheme], user, password)


def _problem(url: str, parts: SplitResult) -> str:
    if not url.isascii() or not url.isprintable() or " " in url:
        return "must be printable ASCII without spaces"
    if parts.scheme not in USUAL_PORT or not parts.hostname:
        return "must be http://, socks5:// or socks5h:// with a host"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "must not hold a path, a query or a fragment"
    return ""


async def open_tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Have the proxy at the other end of `sock` connect us to `host`. Raises OSError when it will not."""
    sock.setblocking(False)
    if proxy.scheme in SOCKS:
        await _by_socks(sock, proxy, host, port)
    else:
        await _by_connect(sock, proxy, host, port)


async def _by_connect(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    address = f"[{host}]:{port}" if ":" in host else f"{host.encode('idna').decode()}:{port}"
    lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}"]
    if proxy.user or proxy.password:
        word = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {word}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, MOST_HEAD)
        head += data
        if not data or len(head) > MOST_HEAD:
            raise ConnectionError("the proxy gave no answer to CONNECT")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if not words[0].startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise ConnectionError("the proxy does not speak HTTP")
    if not 200 <= int(words[1]) < 300:
        raise ConnectionError(f"the proxy answered {int(words[1])} to CONNECT")
    if not head.endswith(b"\r\n\r\n"):
        raise ConnectionError("the proxy said more than its answer to CONNECT")


async def _by_socks(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """RFC 1928, with the user and password of RFC 1929."""
    loop = asyncio.get_running_loop()
    named = bool(proxy.user or proxy.password)
    await loop.sock_sendall(sock, b"\x05\x02\x00\x02" if named else b"\x05\x01\x00")
    version, method = await _exactly(sock, 2)
    if version != 5:
        raise ConnectionError("the proxy does not speak SOCKS 5")
    if method == 2 and named:
        user, password = proxy.user.encode(), proxy.password.encode()
        await loop.sock_sendall(sock, b"\x01%c%b%c%b" % (len(user), user, len(password), password))
        if (await _exactly(sock, 2))[1]:
            raise ConnectionError("the proxy refused user and password")
    elif method:
        raise ConnectionError("the proxy wants a user and a password" if method == 2 else "the proxy refused us")
    await loop.sock_sendall(sock, b"\x05\x01\x00" + _address(host) + port.to_bytes(2, "big"))
    _, refusal, _, kind = await _exactly(sock, 4)
    if refusal:
        raise ConnectionError(f"the proxy could not connect: {_REFUSALS.get(refusal, 'refused')}")
    size = {1: 4, 4: 16}.get(kind) or (await _exactly(sock, 1))[0]
    await _exactly(sock, size + 2)


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return b"\x03%c%b" % (len(name), name)
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


async def _exactly(sock: socket.socket, size: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < size:
        more = await loop.sock_recv(sock, size - len(data))
        if not more:
            raise ConnectionError("the proxy closed the connection")
        data += more
    return data
