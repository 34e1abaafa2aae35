"""Switching on EventBridge for a bucket that is not ours, touching nothing else.

S3 knows no partial change of a bucket's notifications: `PutBucketNotificationConfiguration` replaces them all, and
takes no condition. So they are read, added to, compared with what is there at the last moment, written, and read back.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from screentest.aws import AwsError, translated

KINDS = {
    "QueueConfigurations": ("queue", "QueueArn"),
    "TopicConfigurations": ("topic", "TopicArn"),
    "LambdaFunctionConfigurations": ("function", "LambdaFunctionArn"),
}
NEEDS = "s3:GetBucketNotification and s3:PutBucketNotification on the bucket"


@dataclass(frozen=True)
class Plan:
    """What would be written.

    Attributes:
        bucket: its name.
        account: that must own it, so that a name taken over by somebody else is not written to.
        before: the configuration as it was read.
        after: the same with EventBridge.
    """

    bucket: str
    account: str
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def needed(self) -> bool:
        """Whether there is anything to change."""
        return self.before != self.after

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        shown = [f"Notifications of {self.bucket}:"]
        for name, (kind, arn) in KINDS.items():
            for entry in self.before.get(name, []):
                events = ", ".join(entry["Events"])
                rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                only = "".join(f", {rule['Name'].lower()} {rule['Value']}" for rule in rules)
                shown.append(f"  keep  {kind} {entry[arn].rpartition(':')[2]} ({events}{only})")
        for name in sorted(set(self.before) - set(KINDS) - {"EventBridgeConfiguration"}):
            shown.append(f"  keep  {name}")
        shown.append(
            "  add   EventBridge: all events of the bucket" if self.needed else "  keep  EventBridge"
        )
        return shown


def plan(s3: Any, bucket: str, account: str) -> Plan:
    """Read the bucket's notifications and say what would be written.

    Raises:
        AwsError: they cannot be read.
    """
    before = _read(s3, bucket, account)
    return Plan(bucket, account, before, {**copy.deepcopy(before), "EventBridgeConfiguration": {}})


def apply(s3: Any, change: Plan) -> None:
    """Write the plan.

    Raises:
        AwsError: the notifications have changed since the plan was made, or cannot be written, or are not what was
            written; the message says which.
    """
    if _read(s3, change.bucket, change.account) != change.before:
        raise AwsError(
            f"the notifications of {change.bucket} have changed meanwhile: nothing was written; run it again"
        )
    with translated(f"write the notifications of {change.bucket}", needs=NEEDS):
        s3.put_bucket_notification_configuration(
            Bucket=change.bucket, ExpectedBucketOwner=change.account, NotificationConfiguration=change.after
        )
    if _read(s3, change.bucket, change.account) != change.after:
        raise AwsError(
            f"the notifications of {change.bucket} are not what was written: somebody else changes them too; "
            "look at them with aws s3api get-bucket-notification-configuration"
        )


def _read(s3: Any, bucket: str, account: str) -> dict[str, Any]:
    with translated(f"read the notifications of {bucket}", needs=NEEDS):
        answer = s3.get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner=account)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
