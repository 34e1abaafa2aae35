"""Switching on EventBridge for a bucket that is not ours, touching nothing else.

S3 knows no partial change of a bucket's notifications: `PutBucketNotificationConfiguration` replaces them all, and
takes no condition. So they are read, added to, compared with what is there at the last moment, written, and read back.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from screentest.aws import AwsError, as_aws_errors

KINDS = {
    "QueueConfigurations": ("queue", "QueueArn"),
    "TopicConfigurations": ("topic", "TopicArn"),
    "LambdaFunctionConfigurations": ("function", "LambdaFunctionArn"),
}
READ_BACK_WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between looks at what was written: S3 may show the former notifications for a while."""

NEEDS = "s3:GetBucketNotification and s3:PutBucketNotification on the bucket"


@dataclass(frozen=True)
class Plan:
    """What would be written.

    Attributes:
        bucket: its name.
        account: that must own it, so that a name taken over by another account is not written to.
        before: the configuration as it was read.
        after: the same with EventBridge.
    """

    bucket: str
    account: str
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def dropped(self) -> list[dict[str, Any]]:
        """Notifications to a queue of this stack that is gone."""
        kept = self.after.get("QueueConfigurations", [])
        return [entry for entry in self.before.get("QueueConfigurations", []) if entry not in kept]

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
                verb = "drop" if entry in self.dropped else "keep"
                gone = "; a queue of this stack that is gone" if verb == "drop" else ""
                shown.append(f"  {verb}  {kind} {entry[arn].rpartition(':')[2]} ({events}{only}{gone})")
        for name in sorted(set(self.before) - set(KINDS) - {"EventBridgeConfiguration"}):
            shown.append(f"  keep  {name}")
        shown.append(
            "  keep  EventBridge"
            if "EventBridgeConfiguration" in self.before
            else "  add   EventBridge: all events of the bucket"
        )
        return shown


def plan(s3: Any, bucket: str, account: str, *, is_gone: Callable[[str], bool] = lambda _arn: False) -> Plan:
    """Read the bucket's notifications and say what would be written.

    Args:
        is_gone: whether a queue's ARN is that of a queue of this stack, from when it owned the bucket, that does not
            exist any more.

    Raises:
        AwsError: they cannot be read.
    """
    before = _read(s3, bucket, account)
    after = {**copy.deepcopy(before), "EventBridgeConfiguration": {}}
    left = [entry for entry in after.pop("QueueConfigurations", []) if not is_gone(entry["QueueArn"])]
    if left:
        after["QueueConfigurations"] = left
    return Plan(bucket, account, before, after)


def apply(s3: Any, change: Plan, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Write the plan, and read it back until S3 shows it everywhere.

    Raises:
        AwsError: the notifications have changed since the plan was made, or cannot be written, or are not what was
            written; the message says which.
    """
    if _read(s3, change.bucket, change.account) != change.before:
        raise AwsError(
            f"the notifications of {change.bucket} have changed meanwhile: nothing was written; run it again"
        )
    with as_aws_errors(f"write the notifications of {change.bucket}", needs=NEEDS):
        s3.put_bucket_notification_configuration(
            Bucket=change.bucket,
            ExpectedBucketOwner=change.account,
            NotificationConfiguration=change.after,
            # S3 would send a test message to each of their destinations, and refuse everything for one that is gone.
            SkipDestinationValidation=True,
        )
    waits = iter(READ_BACK_WAITS)
    while _read(s3, change.bucket, change.account) != change.after:
        if (wait := next(waits, None)) is not None:
            sleep(wait)
            continue
        raise AwsError(
            f"the notifications of {change.bucket} are not what was written: somebody else changes them too; "
            "look at them with aws s3api get-bucket-notification-configuration"
        )


def _read(s3: Any, bucket: str, account: str) -> dict[str, Any]:
    with as_aws_errors(f"read the notifications of {bucket}", needs=NEEDS):
        answer = s3.get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner=account)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
