"""Secrets out of texts that a server chose: it knows the signed address and the key, and may echo them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

_HIDDEN: Final = "[redacted]"

_QUERY: Final = re.compile(r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*", re.IGNORECASE)
_SIGNED: Final = re.compile(
    r"\b(X-Amz-[A-Za-z-]+|AWSAccessKeyId|Signature|x-oss-[a-z-]+)([=:]|%3D)\s*[^\s&\"'<>]+", re.IGNORECASE
)
_BEARER: Final = re.compile(r"\b(Bearer|Basic)(\s+|%20)[^\s\"'<>]+", re.IGNORECASE)

_SHORTEST: Final = 8
"""Characters; shorter values of a query (`86400`, `AWS4…` names) occur in innocent texts too."""


def redactor(image_url: str, key: str | None) -> Callable[[str], str]:
    """A function that hides what one request must not leave behind: the query of its signed address, each value in it,
    and the bearer key, raw or percent-encoded, whole or cut off."""

    query = urlsplit(image_url).query
    values = [image_url, query, *(value for _, value in parse_qsl(query))] if query else []
    values = [value for value in values if len(value) >= _SHORTEST] + ([key] if key else [])
    secrets = {form for value in values for form in (value, quote(value, safe=""), quote(value))}

    def redact(text: str) -> str:
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        text = _QUERY.sub(rf"\1?{_HIDDEN}", text)
        text = _SIGNED.sub(rf"\1={_HIDDEN}", text)
        return _BEARER.sub(rf"\1 {_HIDDEN}", text)

    return redact
