"""Access to AWS the way its own command line finds it, the deployed stack, and AWS errors in words."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import boto3.session

DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "AuthorizationError"}
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "UnrecognizedClientException", "InvalidClientTokenId"})


class AwsError(Exception):
    """Something that the operator has to mend; the message says what happened and what to do."""


@dataclass(frozen=True)
class Access:
    """Where and as whom to call AWS.

    Attributes:
        profile: of `~/.aws/config`; None for `AWS_PROFILE` or the default.
        region: None for `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's.
        endpoint_url: of another AWS than the real one; None for `AWS_ENDPOINT_URL` or the real one.
        stack_name: of the deployed stack.
    """

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    stack_name: str = "screentest"
    _clients: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def session(self) -> boto3.session.Session:
        """The session that all clients share.

        Raises:
            AwsError: the profile does not exist, or its files are malformed.
        """
        import boto3.session

        with as_aws_errors("read the AWS configuration"):
            # The AWS command line reads AWS_REGION first; boto3 knows AWS_DEFAULT_REGION alone.
            region = self.region or os.environ.get("AWS_REGION")
            return boto3.session.Session(profile_name=self.profile, region_name=region)

    def client(self, service: str) -> Any:
        """A client, made once.

        Raises:
            AwsError: no region is known.
        """
        if service not in self._clients:
            from botocore.config import Config

            with as_aws_errors(f"call {service}"):
                config = Config(
                    retries={"mode": "standard", "max_attempts": 5},
                    user_agent_extra="screentest",
                    # A stand-in's host name takes neither a bucket nor an account in front of it.
                    s3={"addressing_style": "path"} if self.endpoint_url else None,
                    inject_host_prefix=False if self.endpoint_url else None,
                )
                self._clients[service] = self.session.client(
                    service, endpoint_url=self.endpoint_url, config=config
                )  # type: ignore[call-overload]
        return self._clients[service]

    @cached_property
    def is_aws(self) -> bool:
        """Whether clients talk to AWS itself, not to a stand-in."""
        host = urlsplit(self.client("s3").meta.endpoint_url).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    @cached_property
    def stack(self) -> Stack:
        """The deployed stack.

        Raises:
            AwsError: there is none of that name, or it may not be read.
        """
        from botocore.exceptions import ClientError

        with as_aws_errors(f"read the stack {self.stack_name}"):
            try:
                (found,) = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
                where = self.endpoint_url or self.session.region_name
                raise AwsError(
                    f"there is no stack named {self.stack_name} in {where}: name it with --stack-name, its "
                    "region with --region, or for the local stack (make up) the address that it prints with "
                    "--endpoint-url"
                ) from error
        return Stack(
            name=self.stack_name,
            outputs={o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
            parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", [])},
        )


@dataclass(frozen=True)
class Stack:
    """Name, outputs and parameters of a deployed stack."""

    name: str
    outputs: dict[str, str]
    parameters: dict[str, str]

    def output(self, name: str) -> str:
        """One output.

        Raises:
            AwsError: this stack has none of that name.
        """
        if name not in self.outputs:
            raise AwsError(
                f"the stack {self.name} has no output {name}: it was deployed from an older template; "
                "deploy it again (make deploy)"
            )
        return self.outputs[name]


@contextlib.contextmanager
def as_aws_errors(attempt: str, *, needs: str = "") -> Iterator[None]:
    """Turn whatever botocore raises inside into an `AwsError` that says what to do.

    Args:
        attempt: what was tried, to be read after "cannot".
        needs: the permissions that it needs, named when they are missing.

    Raises:
        AwsError: instead of botocore's errors.
    """
    from botocore import exceptions as aws

    try:
        yield
    except aws.ClientError as error:
        raise AwsError(f"cannot {attempt}: {_refusal(error, needs)}") from error
    except aws.ProfileNotFound as error:
        raise AwsError(f"cannot {attempt}: {error}; see `aws configure list-profiles`") from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError) as error:
        raise AwsError(
            f"cannot {attempt}: no AWS credentials found; run `aws configure` or `aws sso login`, or set "
            "AWS_PROFILE"
        ) from error
    except aws.NoRegionError as error:
        raise AwsError(f"cannot {attempt}: no region is set; name one with --region or AWS_REGION") from error
    except (aws.EndpointConnectionError, aws.ConnectionError, aws.HTTPClientError) as error:
        raise AwsError(
            f"cannot {attempt}: {error}; check the network, --region and --endpoint-url, then run it again"
        ) from error
    except (aws.BotoCoreError, ValueError) as error:
        raise AwsError(f"cannot {attempt}: {error}") from error


def error_code(error: Exception) -> str:
    """The code of a botocore `ClientError`, else nothing."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def cors_rules(s3: Any, bucket: str) -> list[dict[str, Any]]:
    """The bucket's cross-origin rules; S3 answers with an error where there are none."""
    from botocore.exceptions import ClientError

    try:
        found: list[dict[str, Any]] = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    except ClientError as error:
        if error_code(error) != "NoSuchCORSConfiguration":
            raise
        return []
    return found


def _refusal(error: Exception, needs: str) -> str:
    code = error_code(error)
    response: Any = getattr(error, "response", {})
    message = response.get("Error", {}).get("Message") or code
    if code in DENIED:
        return f"access denied ({message}); " + (
            f"your identity needs {needs}" if needs else "ask whoever manages your AWS permissions"
        )
    if code in EXPIRED:
        return "the AWS credentials have expired; sign in again (aws sso login) and repeat the command"
    if code in UNKNOWN_KEY:
        return "AWS does not know these credentials; check --profile and, for a local stack, --endpoint-url"
    return f"{message} ({code})"
