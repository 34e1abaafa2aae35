"""The verdict table in DynamoDB."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from screentest.screening.errors import StoreUnavailable
from screentest.screening.records import (
    PENDING_INDEX,
    UPLOAD_LIFE,
    VERSION,
    Attribute,
    Item,
    Record,
    key,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class VerdictTable:
    """Conditional writes on single items, and nothing else: no two writers can both believe that they won.

    Every method raises `StoreUnavailable` when the table does not answer as it should.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def create(self, record: Record) -> Record | None:
        """Write a record that is not there yet. Returns None, or the record that is there already."""
        item = record.to_item()
        try:
            self._client.put_item(
                TableName=self._name,
                Item=encode(item),
                ConditionExpression="attribute_not_exists(#object)",
                ExpressionAttributeNames={"#object": Attribute.OBJECT},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                seen = _there(error)
                # A repeated request whose first answer was lost finds its own write.
                return None if seen == decode(encode(item)) else Record.from_item(seen)
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return None

    def replace(self, record: Record, seen: Record) -> bool:
        """Write the record over exactly the state that was seen. False when it has changed since."""
        item, before = record.to_item(), seen.to_item()
        names = {f"#{name}": name for name in (Attribute.OBJECT, *VERSION)}
        values: dict[str, Any] = {}
        conditions = ["attribute_exists(#object)"]
        for name in VERSION:
            if name in before:
                values[f":{name}"] = before[name]
                conditions.append(f"#{name} = :{name}")
            else:
                conditions.append(f"attribute_not_exists(#{name})")
        arguments: dict[str, Any] = {"ExpressionAttributeValues": encode(values)} if values else {}
        try:
            self._client.put_item(
                TableName=self._name,
                Item=encode(item),
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **arguments,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return _there(error) == decode(encode(item))
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return True

    def note(self, record: Record, **attributes: str) -> bool:
        """Add to a decided record what became of it. False when it has been decided anew since."""
        assert record.result is not None
        names = [Attribute.SCREENED_AT, Attribute.LEASE_UNTIL, *attributes]
        values = {":screened_at": record.result.screened_at}
        values |= {f":{name}": value for name, value in attributes.items()}
        try:
            self._client.update_item(
                TableName=self._name,
                Key=encode(key(record.ref, record.screening)),
                UpdateExpression="SET " + ", ".join(f"#{n} = :{n}" for n in attributes),
                ConditionExpression="#screened_at = :screened_at AND attribute_not_exists(#lease_until)",
                ExpressionAttributeNames={f"#{name}": name for name in names},
                ExpressionAttributeValues=encode(values),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return True

    def of_object(self, uri: str) -> list[Record]:
        """Every screening of every version of the object at `s3://BUCKET/KEY`, as of now."""
        try:
            pages = self._client.get_paginator("query").paginate(
                TableName=self._name,
                KeyConditionExpression="#object = :object",
                ExpressionAttributeNames={"#object": Attribute.OBJECT},
                ExpressionAttributeValues={":object": {"S": uri}},
                ConsistentRead=True,
            )
            return [Record.from_item(decode(item)) for page in pages for item in page["Items"]]
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error

    def get(self, key: Mapping[str, str]) -> Record | None:
        """The record as of now."""
        try:
            answer = self._client.get_item(TableName=self._name, Key=encode(key), ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error
        return Record.from_item(decode(answer["Item"])) if "Item" in answer else None

    def overdue(self, now: float) -> Iterator[Record]:
        """As `overdue`."""
        try:
            yield from overdue(self._client, self._name, now)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error


def overdue(client: DynamoDBClient, name: str, now: float) -> Iterator[Record]:
    """Every screening that is pending although no message is left to decide it, as far as the index `pending` knows it,
    eventually consistent. Botocore's errors are the caller's."""
    arguments: dict[str, Any] = {}
    while True:
        answer = client.scan(
            TableName=name,
            IndexName=PENDING_INDEX,
            FilterExpression="#lease_until < :before",
            ExpressionAttributeNames={"#lease_until": Attribute.LEASE_UNTIL},
            ExpressionAttributeValues=encode({":before": now - UPLOAD_LIFE}),
            **arguments,
        )
        found = (Record.from_item(decode(item)) for item in answer["Items"])
        yield from (record for record in found if record.is_overdue(now))
        if "LastEvaluatedKey" not in answer:
            return
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def encode(item: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB's form of an item; floats by their shortest decimal.

    Raises:
        TypeError: a value is of a kind that no attribute has.
    """
    return {name: _encoded(value) for name, value in item.items()}


def decode(item: Mapping[str, Any]) -> Item:
    """The item from DynamoDB's form; numbers as int or float. Kinds that are not ours stay as they are."""
    return {name: _decoded(value) for name, value in item.items()}


def _there(error: ClientError) -> Item:
    """The item that a condition failed on.

    Raises:
        StoreUnavailable: it was deleted in this very moment; the next attempt finds it absent.
    """
    item: Any = error.response.get("Item")
    if not item:
        raise StoreUnavailable("the verdict table deleted the record in this very moment") from error
    return decode(item)


def _encoded(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": str(value)}
        case bool():
            return {"BOOL": value}
        case int() | float() if math.isfinite(value):
            return {"N": repr(value)}
        case list() | tuple():
            return {"L": [_encoded(element) for element in value]}
        case dict():
            return {"M": encode(value)}
    raise TypeError(f"no attribute holds {value!r}")


def _decoded(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            number = float(value)
            return (
                int(value) if value.lstrip("-").isdigit() else int(number) if number.is_integer() else number
            )
        case "L":
            return [_decoded(element) for element in value]
        case "M":
            return decode(value)
        case "NULL":
            return None
    return value


def _unavailable(error: ClientError | BotoCoreError) -> StoreUnavailable:
    return StoreUnavailable.of("the verdict table did not answer", error)
