"""Batches of SQS messages as the functions receive them."""

from __future__ import annotations

import json
from typing import Any


def queued(*bodies: str | dict[str, Any], receives: int = 1) -> dict[str, Any]:
    """A batch: each body as it is, or a record of S3's made the only one of a notification."""
    return {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "messageId": f"m{number}",
                "receiptHandle": f"receipt-{number}",
                "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "0"},
                "body": body if isinstance(body, str) else json.dumps({"Records": [body]}),
            }
            for number, body in enumerate(bodies)
        ]
    }
