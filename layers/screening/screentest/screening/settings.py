"""The environment of the functions, parsed once.

Each setting says what it may be in the language of pydantic's core. pydantic itself would make that of annotations, and
importing it for that would be a sixth of a cold start (docs/performance.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic_core import SchemaValidator, ValidationError

from screentest.screening.errors import SettingsError
from screentest.screening.routes import Routes

SELF_HOSTED = "self-hosted"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _setting(kind: str, default: object = MISSING, **limits: Any) -> Any:
    return field(default=default, metadata={"schema": {"type": kind, **limits}})


def _converted(convert: Callable[[Any], object], schema: dict[str, Any], default: object) -> Any:
    function = {"type": "no-info", "function": convert}
    return _setting("function-before", default, function=function, schema=schema)


def _optional() -> Any:
    """CloudFormation has no way to leave an environment variable out: empty means not given."""
    return _converted(lambda value: value or None, {"type": "nullable", "schema": {"type": "str"}}, None)


def _routes() -> Any:
    return _converted(Routes.parse, {"type": "is-instance", "cls": Routes}, Routes.DEFAULT)


def _names() -> Any:
    names = {"type": "tuple", "items_schema": [{"type": "str"}], "variadic_item_index": 0}
    return _converted(lambda value: tuple(filter(None, value.split(","))), names, ())


def _detector(value: str) -> str:
    if value == SELF_HOSTED:
        return value
    address = urlsplit(value)
    secure = address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)
    if not secure or not address.hostname or address.query or address.fragment or address.username:
        raise ValueError("'self-hosted' or a base URL: https, or http on loopback; no query, no user")
    return value


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """What every function needs, under the name of its environment variable in lower case."""

    log_level: str = _setting("str", "INFO")
    aws_region: str = _setting("str", "us-east-1")
    aws_endpoint_url: str | None = _optional()

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings of this process.

        Raises:
            SettingsError: names every variable that is missing or malformed, and what is wrong with it.
        """
        schema: Final[Any] = {
            "type": "typed-dict",
            "fields": {
                each.name: {
                    "type": "typed-dict-field",
                    "schema": each.metadata["schema"],
                    "required": each.default is MISSING,
                }
                for each in fields(cls)
            },
        }
        known = {name.lower(): value for name, value in environment.items()}
        try:
            return cls(**SchemaValidator(schema).validate_python(known))
        except ValidationError as error:
            wrong = "; ".join(
                f"{str(line['loc'][0]).upper()}: {_said(line['type'], line['msg'])}"
                for line in error.errors(include_url=False, include_input=False)
            )
            raise SettingsError(f"environment: {wrong}") from None


@dataclass(frozen=True, kw_only=True)
class UploadSettings(AwsSettings):
    """Of the upload function."""

    upload_bucket_name: str = _setting("str", min_length=3)
    verdict_table_name: str = _setting("str", min_length=3)
    routes: Routes = _routes()  # noqa: RUF009 - a field, not a default
    upload_api_key_secret_arn: str = _setting("str", min_length=1)


@dataclass(frozen=True, kw_only=True)
class Settings(AwsSettings):
    """Of the functions that screen."""

    verdict_table_name: str = _setting("str", min_length=3)
    failure_topic_arn: str = _setting("str", pattern=r"^arn:[a-z-]+:sns:[^:]*:[^:]*:.+$")
    detector: str = _converted(_detector, {"type": "str"}, SELF_HOSTED)
    detector_api_key_secret_arn: str | None = _optional()
    routes: Routes = _routes()  # noqa: RUF009 - a field, not a default
    profiles: tuple[str, ...] = _names()
    allow_object_routes: bool = _setting("bool", default=False)
    notify_on: Literal["failures", "all"] = _setting("literal", "failures", expected=["failures", "all"])
    object_tags: Literal["all", "gate"] = _setting("literal", "all", expected=["all", "gate"])
    private_bucket_host: str | None = _optional()
    screen_queue_url: str | None = _optional()
    dead_letter_queue_url: str | None = _optional()
    max_receive_count: int = _setting("int", 20, ge=3, le=1000)
    retention_days: int = _setting("int", 365, ge=1)


def _said(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message.removeprefix("Value error, ")
