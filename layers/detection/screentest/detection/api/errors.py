"""Requests that get no verdict: HTTP status, code and literal message of each.

Source: the retired service's tables of status codes, each model's own and the common one.
"""

from __future__ import annotations

from enum import StrEnum

from screentest.detection.errors import DetectionError


class Cause(StrEnum):
    """Why a picture could not be fetched."""

    MALFORMED = "malformed"
    NO_HOST = "no-host"
    NOT_PUBLIC = "not-public"
    REFUSED = "refused"
    UNTRUSTED = "untrusted"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    STATUS = "status"
    REDIRECTS = "redirects"
    NO_PICTURE = "no-picture"


class ApiError(DetectionError):
    """Answered instead of a verdict, not billed.

    Attributes:
        status: HTTP status.
        code: the wire's code.
        message: the wire's message.
        headers: further response headers.
        cause: what happened, where the answer does not say it; for the log, never on the wire.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        cause: Cause | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.cause = cause


_URL = (
    "The request URL is invalid, please check the request URL is available and the request image format is one of "
    "the following types: JPEG, JPG, PNG, BMP, and WEBP."
)


def no_such_path() -> ApiError:
    """The path is none of this API's. The contract has no text for it; the code is our own."""
    return ApiError(404, "NotFound", "The requested path does not exist.")


def method_not_supported(method: str, allowed: str) -> ApiError:
    """The contract answers 400, not 405."""
    return ApiError(
        400, "InvalidParameter", f"Request method '{method}' is not supported.", (("Allow", allowed),)
    )


def key_missing() -> ApiError:
    """No bearer key was sent."""
    return ApiError(401, "InvalidApiKey", "No API-key provided.", (("WWW-Authenticate", "Bearer"),))


def key_wrong() -> ApiError:
    """Another bearer key than ours was sent."""
    return ApiError(401, "InvalidApiKey", "Invalid API-key provided.", (("WWW-Authenticate", "Bearer"),))


def another_origin() -> ApiError:
    """A page of another origin sends a picture to a server that needs no key."""
    return ApiError(403, "AccessDenied", "Access denied.")


def asynchronous() -> ApiError:
    """`X-DashScope-Async: enable`: detectors answer synchronously only."""
    return ApiError(403, "AccessDenied", "current user api does not support asynchronous calls")


def body_too_large() -> ApiError:
    """The contract's code for it; status 413 so that HTTP clients understand it too."""
    return ApiError(413, "BadRequest.TooLarge", "Payload Too Large.")


def body_invalid() -> ApiError:
    """Not a JSON object, or not said to be one."""
    return ApiError(400, "InvalidParameter", "Required body invalid, please check the request body format.")


def model_missing() -> ApiError:
    """`model` is absent or empty."""
    return ApiError(400, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.')


def parameter_invalid(name: str) -> ApiError:
    """A parameter of a wrong type."""
    return ApiError(
        400,
        "InvalidParameter",
        f"Required parameter({name}) missing or invalid, please check the request parameters.",
    )


def model_unknown() -> ApiError:
    """None of the detectors, nor an alias of one."""
    return ApiError(404, "ModelNotFound", "Model can not be found.")


def model_on_wrong_path() -> ApiError:
    """The model is not offered on this path."""
    return ApiError(400, "InvalidParameter", "url error, please check url!")


def input_missing() -> ApiError:
    """`input` is absent."""
    return ApiError(400, "BadRequest.EmptyInput", "Required input parameter missing from request.")


def input_invalid() -> ApiError:
    """`input` is no object."""
    return ApiError(400, "BadRequest.IllegalInput", "The input parameter requires json format.")


def image_url_missing(text: str) -> ApiError:
    """`input.image_url` is absent or no string; `text` is the detector's own."""
    return ApiError(400, "InvalidParameter", text)


def ratio_invalid() -> ApiError:
    """`parameters.ratio` is not one that the model offers."""
    return ApiError(
        400,
        "InvalidParameter.Ratio",
        "The request parameter is invalid, please check the request parameter.",
    )


def url_malformed() -> ApiError:
    """Not an absolute http or https URL that this server will ever fetch."""
    return ApiError(
        400,
        "InvalidURL",
        "Required URL is missing or invalid, please check the request URL.",
        cause=Cause.MALFORMED,
    )


def url_invalid(cause: Cause = Cause.NO_PICTURE) -> ApiError:
    """Nothing there, no picture, or an address that is not public. Which of them is not said: a stranger could map
    a private network by the difference."""
    return ApiError(400, "InvalidURL", _URL, cause=cause)


def url_refused(where: str) -> ApiError:
    """The image host refused the connection. `where` carries no path or query: signed URLs stay unspoken."""
    return ApiError(
        400,
        "InvalidURL.ConnectionRefused",
        f"Connection to {where} refused, please provide available URL",
        cause=Cause.REFUSED,
    )


def url_timeout(where: str) -> ApiError:
    """The image host was too slow. `where` carries no path or query."""
    return ApiError(
        400,
        "InvalidURL.Timeout",
        f"Download {where} timeout, please check network connection.",
        cause=Cause.TIMEOUT,
    )


def download_failed(reason: str, cause: Cause = Cause.BROKEN) -> ApiError:
    """The image host failed midway or answered 429 or 5xx: worth another try, so not `InvalidURL`."""
    return ApiError(
        400,
        "BadRequest.InputDownloadFailed",
        f"Failed to download the input file: {reason}.",
        cause=cause,
    )


def picture_too_heavy(megabytes: int) -> ApiError:
    """More bytes than this server takes."""
    return ApiError(
        400,
        "InvalidFile.Size",
        f"Invalid file size, The image file size must be smaller than {megabytes}MB.",
    )


def throttled(seconds: int = 1) -> ApiError:
    """Every place is taken; it is worth coming again after so many seconds."""
    return ApiError(429, "Throttling", "Requests throttling triggered.", (("Retry-After", str(seconds)),))


def inference_failed() -> ApiError:
    """A detector broke on a picture that could be decoded."""
    return ApiError(500, "InternalError.Algo", "inference internal error.")


def internal() -> ApiError:
    """A defect of ours ('occured' is the wire's spelling)."""
    return ApiError(
        500,
        "InternalError",
        "An internal error has occured, try again later or contact service support.",
    )
