"""The failure topic in SNS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from screentest.screening.errors import StoreUnavailable
from screentest.screening.notices import Notice

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class Topic:
    """Publishes notices.

    Args:
        client: asked for at the first failure: most pictures pass, and a client costs a tenth of a cold start.
    """

    def __init__(self, client: Callable[[], SNSClient], arn: str) -> None:
        self._client = client
        self._arn = arn

    def publish(self, notice: Notice) -> None:
        """Tell the topic.

        Raises:
            StoreUnavailable: SNS did not take the message.
        """
        try:
            self._client().publish(
                TopicArn=self._arn,
                Subject=notice.subject,
                Message=json.dumps({"default": notice.default, "email": notice.email}, ensure_ascii=False),
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in notice.attributes.items()
                },
            )
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable.of("the failure topic did not take the message", error) from error
