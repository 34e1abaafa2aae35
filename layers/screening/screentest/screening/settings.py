"""The environment of the functions, parsed once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from screentest.screening.errors import SettingsError
from screentest.screening.routes import Routes

SELF_HOSTED = "self-hosted"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_Optional = Annotated[str | None, BeforeValidator(lambda value: value or None)]
"""CloudFormation has no way to leave an environment variable out: empty means not given."""
_Routes = Annotated[Routes, BeforeValidator(Routes.parse)]
_Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(filter(None, value.split(","))))]


class AwsSettings(BaseModel):
    """What every function needs, under the name of its environment variable in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    log_level: str = "INFO"
    aws_region: str = "us-east-1"
    aws_endpoint_url: _Optional = None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings of this process.

        Raises:
            SettingsError: names every variable that is missing or malformed, and what is wrong with it.
        """
        known = {
            name.lower(): value for name, value in environment.items() if name.lower() in cls.model_fields
        }
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            wrong = "; ".join(
                f"{str(line['loc'][0]).upper()}: {_said(line['type'], line['msg'])}"
                for line in error.errors(include_url=False, include_input=False)
            )
            raise SettingsError(f"environment: {wrong}") from None


class UploadSettings(AwsSettings):
    """Of the upload function."""

    upload_bucket_name: str = Field(min_length=3)
    verdict_table_name: str = Field(min_length=3)
    routes: _Routes = Routes.DEFAULT
    upload_api_key_secret_arn: str = Field(min_length=1)
    upload_api_origins: _Names = ()


class Settings(AwsSettings):
    """Of the functions that screen."""

    verdict_table_name: str = Field(min_length=3)
    failure_topic_arn: str = Field(pattern=r"^arn:[a-z-]+:sns:[^:]*:[^:]*:.+$")
    detector: str = SELF_HOSTED
    detector_api_key_secret_arn: _Optional = None
    routes: _Routes = Routes.DEFAULT
    profiles: _Names = ()
    allow_object_routes: bool = False
    notify_on: Literal["failures", "all"] = "failures"
    screen_queue_url: _Optional = None
    dead_letter_queue_url: _Optional = None
    max_receive_count: int = Field(default=20, ge=3, le=1000)
    retention_days: int = Field(default=365, ge=1)

    @field_validator("detector")
    @classmethod
    def _detector(cls, value: str) -> str:
        if value == SELF_HOSTED:
            return value
        address = urlsplit(value)
        secure = address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)
        if not secure or not address.hostname or address.query or address.fragment or address.username:
            raise ValueError("'self-hosted' or a base URL: https, or http on loopback; no query, no user")
        return value


def _said(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message.removeprefix("Value error, ")
