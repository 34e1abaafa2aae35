"""The composition root's pieces: settings in, a pipeline out."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import botocore.session
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.loaders import JSONFileLoader, Loader
from pydantic_core import from_json

from screentest.screening import events
from screentest.screening.batch import INFERENCE_THREADS, THREADS, Context, Pipeline
from screentest.screening.client import DetectionClient
from screentest.screening.errors import ConfigurationError, ScreeningError, SettingsError, StoreUnavailable
from screentest.screening.in_hand import InHand
from screentest.screening.objects import Objects
from screentest.screening.ports import Detector
from screentest.screening.presign import Signer
from screentest.screening.queue import UploadQueue
from screentest.screening.screen import Screener
from screentest.screening.settings import SELF_HOSTED, AwsSettings, Settings
from screentest.screening.table import VerdictTable
from screentest.screening.tags import PLANNERS
from screentest.screening.telemetry import Telemetry
from screentest.screening.topic import Topic

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")

QUICK: Final = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}
)
"""Patience with AWS while a caller waits: even when it hangs there is time to say so within the function's time-out."""

UNREADABLE_SECRET: Final = "SecretUnreadable"  # noqa: S105 - a code
"""The secret with a key is missing, refused, or cannot be decrypted."""


def s3_config(endpoint_url: str | None) -> Config:
    """SigV4 on regional virtual-hosted addresses; path style where the endpoint is a local one, whose buckets have no
    host names. boto3's default would still be SigV2 on the global host in old regions, and that host in us-east-1."""
    host = urlsplit(endpoint_url or "").hostname
    style = "path" if host and _is_local(host) else "virtual"
    regional: Any = {"addressing_style": style, "us_east_1_regional_endpoint": "regional"}
    return _config(signature_version="s3v4", s3=regional)


def private_hosts(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Host and port of signed addresses where they are private ones, by a local AWS or an endpoint of S3 in one's own
    network: all that the guard of a detector in this process has to let through besides the public Internet."""
    hosts = []
    address = urlsplit(settings.aws_endpoint_url or "")
    if address.hostname:
        hosts.append((address.hostname, address.port or (443 if address.scheme == "https" else 80)))
    if settings.private_bucket_host:
        hosts.append((settings.private_bucket_host, 443))
    return tuple(hosts)


class Aws:
    """Clients over one session, made when first asked for.

    Args:
        patience: time-outs and retries of bucket and table, where not those of the functions that screen.
    """

    def __init__(self, settings: AwsSettings, patience: Config | None = None) -> None:
        make: Any = session_of(settings).create_client
        at = settings.aws_endpoint_url
        own = patience or Config()
        self.s3: Callable[[], S3Client] = once(
            lambda: make("s3", config=s3_config(at).merge(own), endpoint_url=at)
        )
        self.dynamodb: Callable[[], DynamoDBClient] = once(
            lambda: make("dynamodb", config=_config().merge(own), endpoint_url=at)
        )
        self.sns: Callable[[], SNSClient] = once(lambda: make("sns", config=_config(), endpoint_url=at))
        self.sqs: Callable[[], SQSClient] = once(lambda: make("sqs", config=_config(), endpoint_url=at))


def pipeline(
    settings: Settings,
    *,
    detector: Detector | None = None,
    detector_name: str | None = None,
    rules_version: str | None = None,
    aws: Aws | None = None,
    signer: Signer | None = None,
    telemetry: Telemetry | None = None,
) -> Pipeline:
    """The function behind its handler.

    Args:
        detector: in place of the client for the server that the settings name.
        signer: in place of one over S3's client.
    """
    aws = aws or Aws(settings)
    telemetry = telemetry or Telemetry(Logger(level=settings.log_level))
    return Pipeline(
        screener(
            settings,
            aws,
            telemetry,
            detector=detector,
            detector_name=detector_name,
            rules_version=rules_version,
            signer=signer,
        ),
        UploadQueue(aws.sqs, settings.screen_queue_url, settings.dead_letter_queue_url),
        telemetry,
        max_receives=settings.max_receive_count,
        in_hand=InHand(),
        pool=ThreadPoolExecutor(
            INFERENCE_THREADS if settings.detector == SELF_HOSTED else THREADS, thread_name_prefix="screen"
        ),
    )


def screener(
    settings: Settings,
    aws: Aws,
    telemetry: Telemetry,
    *,
    detector: Detector | None = None,
    detector_name: str | None = None,
    rules_version: str | None = None,
    signer: Signer | None = None,
) -> Screener:
    """The use case over real AWS."""
    if detector is None:
        client = remote(settings)
        detector, detector_name = client, client.host
    s3 = aws.s3()
    return Screener(
        detector=detector,
        signer=signer or Signer(s3),
        table=VerdictTable(aws.dynamodb(), settings.verdict_table_name),
        objects=Objects(s3),
        topic=Topic(aws.sns, settings.failure_topic_arn),
        telemetry=telemetry,
        routes=settings.routes,
        allow_object_routes=settings.allow_object_routes,
        notify_on=settings.notify_on,
        region=settings.aws_region,
        detector_name=detector_name or SELF_HOSTED,
        rules_version=rules_version,
        days=settings.retention_days,
        plan=PLANNERS[settings.object_tags],
    )


def self_hosted(
    settings: Settings, application: Callable[..., Any], kernels: str, version: str, rules_version: str
) -> Pipeline:
    """The function with a detector in this process, reached by the client of all the others.

    Args:
        application: the detection API as a WSGI application.
        kernels: what runs its networks; `telemetry.SLOW_KERNELS` is reported to the operators.
        version: of the detection layer; goes into each record.
    """
    import httpx

    telemetry = Telemetry(Logger(level=settings.log_level))
    telemetry.starts(kernels)
    return pipeline(
        settings,
        telemetry=telemetry,
        detector=DetectionClient("http://self-hosted", transport=httpx.WSGITransport(app=application)),
        detector_name=f"{SELF_HOSTED}/{version}",
        rules_version=rules_version,
    )


def remote(settings: Settings) -> DetectionClient:
    """The client for the server that the settings name.

    Raises:
        SettingsError: the detector is self-hosted, and was not handed in.
    """
    if settings.detector == SELF_HOSTED:
        raise SettingsError("DETECTOR: 'self-hosted' needs the detection layer")
    arn = settings.detector_api_key_secret_arn
    return DetectionClient(settings.detector, api_key=secret(arn, settings) if arn else None)


def secret(arn: str, settings: AwsSettings, patience: Config | None = None) -> Callable[[bool], str | None]:
    """The key in Secrets Manager: kept for five minutes, and read anew when a server refuses it.

    Reading it raises `ConfigurationError` where the secret is missing, refused or cannot be decrypted, and
    `StoreUnavailable` where Secrets Manager does not answer.
    """

    @once
    def provider() -> Any:
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        make: Any = session_of(settings).create_client
        config = _config().merge(patience or Config())
        client = make("secretsmanager", config=config, endpoint_url=settings.aws_endpoint_url)
        return SecretsProvider(boto3_client=client)

    def key(refused: bool) -> str | None:
        from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

        try:
            value = provider().get(arn, max_age=300, force_fetch=refused)
        except GetParameterError as error:
            raise _unreadable_secret(error.__context__) from error
        if not isinstance(value, str):
            raise ConfigurationError("the secret of the key holds no text", code=UNREADABLE_SECRET)
        return value.strip() or None

    return key


_SECRET_TRANSIENT: Final = frozenset({"InternalServiceError", "InternalServiceErrorException"})
"""What Secrets Manager answers when it is itself in trouble, besides throttling and whatever comes with a 5xx."""


def _unreadable_secret(cause: BaseException | None) -> ScreeningError:
    # powertools wraps every failure in one class; the answer of Secrets Manager is its context.
    response = getattr(cause, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", type(cause).__name__))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if status >= 500 or "Thrott" in code or "TooManyRequests" in code or code in _SECRET_TRANSIENT:
        return StoreUnavailable(f"Secrets Manager did not answer: {code}")
    return ConfigurationError(f"the secret of the key cannot be read: {code}", code=UNREADABLE_SECRET)


def failing(error: Exception, telemetry: Telemetry | None = None) -> Callable[[Any, Context], dict[str, Any]]:
    """A handler for a function that could not start: it loses nothing. Messages go back to the queue, each time with a
    log line that says why; a direct invocation raises."""
    telemetry = telemetry or Telemetry(Logger())

    def handler(event: Any, context: Context) -> dict[str, Any]:
        telemetry.begin(getattr(context, "aws_request_id", None))
        telemetry.cannot_start(error, events.triggers(event))
        telemetry.flush()
        if events.is_queue_batch(event):
            return {
                "batchItemFailures": [
                    {"itemIdentifier": record.get("messageId")} for record in event["Records"]
                ]
            }
        raise error

    return handler


def once(make: Callable[[], T]) -> Callable[[], T]:
    """The same object each time, made at the first; safe from any thread."""
    lock = threading.Lock()
    made: list[T] = []

    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get


class _JsonFiles(JSONFileLoader):
    """botocore's JSON models read by pydantic's parser, which is there anyway, into plain dictionaries, which keep
    their order as well: 30 ms of a cold start (benchmarks/cold_start.py)."""

    def _load_file(self, full_path: str, open_method: Callable[..., Any]) -> Any:
        try:
            with open_method(full_path, "rb") as file:
                return from_json(file.read())
        except FileNotFoundError:  # which botocore asks for: it tries one ending after the other
            return None


class _ServiceModels(Loader):
    """botocore's own models, without listing the folders of all its four hundred services first to see whether ours are
    among them: 15 ms of a cold start (benchmarks/cold_start.py)."""

    FILE_LOADER_CLASS = _JsonFiles

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        return ["dynamodb", "s3", "secretsmanager", "sns", "sqs"]


def session_of(settings: AwsSettings) -> botocore.session.Session:
    """A session whose clients read their models in the fast way. boto3's own would import what moves whole files:
    12 ms of a cold start (docs/performance.md)."""
    session = botocore.session.get_session()
    session.set_config_variable("region", settings.aws_region)
    session.register_component("data_loader", _ServiceModels())
    return session


def _config(**more: Any) -> Config:
    return Config(
        # A call that hangs must not eat the function's minute.
        connect_timeout=3,
        read_timeout=8,
        # Both are a tenth of each call's processor time: what we send is typed, and the long user agent is never read.
        parameter_validation=False,
        user_agent="screentest",
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=2 * THREADS,
        **more,
    )


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
