"""`input.image_url` as this server understands it. Pure: says what a URL names, resolves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from screentest.detection.api import errors

MAX_LENGTH = 8_192
"""Characters of a URL. A presigned S3 URL with a session token has about 2,000."""

DEFAULT_PORTS = {"http": 80, "https": 443}

LOWEST_FREE_PORT = 1_024
"""Below it only 80 and 443 are fetched from: the others belong to mail, name and file services, which must not be sent
requests in this server's name."""

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """A URL that may be fetched, as far as its text goes.

    Attributes:
        scheme: `http` or `https`.
        host: lower-case ASCII name or address, without brackets.
        port: TCP port.
        target: path and query, byte for byte as given (a signature covers them); non-ASCII characters as UTF-8,
            percent-encoded.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme, self.port) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority: all of a URL that may be shown or logged, since path and query may be a credential."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return self.origin

    def joined(self, location: str) -> ImageUrl:
        """The URL that a redirect from here to `location` names.

        Raises:
            ApiError: as `parse`; or the redirect gives up encryption.
        """
        base = f"{self.origin}{self.target}"
        try:
            there = parse(urljoin(base, location))
        except ValueError:
            raise errors.url_malformed() from None
        if self.scheme == "https" and there.scheme != "https":
            raise errors.url_invalid()
        return there


def parse(text: str) -> ImageUrl:
    """`text` as an `ImageUrl`.

    Raises:
        ApiError: `InvalidURL`, for anything but an absolute http or https URL without credentials in it and with a
            port that is fetched from.
    """
    if not text or len(text) > MAX_LENGTH or any(c <= " " or c in "\x7f\\" for c in text):
        raise errors.url_malformed()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        target = quote(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", safe=_PRINTABLE)
        host = _ascii(host)
    except (
        ValueError
    ):  # brackets that hold no address, a port that is no number, lone surrogates, a name that is none
        raise errors.url_malformed() from None
    if parts.scheme not in DEFAULT_PORTS or not host or "@" in parts.netloc:
        raise errors.url_malformed()
    if port is None:
        port = DEFAULT_PORTS[parts.scheme]
    if port < LOWEST_FREE_PORT and port not in DEFAULT_PORTS.values():
        raise errors.url_malformed()
    return ImageUrl(parts.scheme, host, port, target)


def _ascii(host: str) -> str:
    if not host.isascii():
        import idna

        host = idna.encode(host, uts46=True, transitional=False).decode("ascii")
    name = host.lower()
    if any(c in name for c in "%/?#@[]<>^`{|}\"'") or len(name) > 253:
        raise ValueError("no host name")
    return name
