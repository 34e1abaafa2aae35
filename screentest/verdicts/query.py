"""From what is asked to the cheapest way to read it: an object's partition, the index, or the whole table."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from screentest.aws import AwsError, translated
from screentest.backfill.selection import parse_source, stamp, utc
from screentest.screening.models import Verdict
from screentest.screening.table import decode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX: Final = "by-verdict"
"""Partition key `verdict`, sort key `screened_at`, all attributes."""

PENDING: Final = "pending"
"""Asked for like a verdict: screenings that have none yet. No index knows them."""

PERMISSIONS: Final = "dynamodb:Query and dynamodb:Scan on the table and its index"

Item = dict[str, Any]
Remark = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """Which verdicts; every part narrows, empty parts do not.

    Attributes:
        address: `s3://BUCKET/KEY` of an object, or the beginning of some.
        codes: whole codes, or beginnings that end with a full stop.
        since: inclusive; until: exclusive; of the decision.
    """

    address: str = ""
    verdicts: frozenset[str] = frozenset()
    codes: tuple[str, ...] = ()
    models: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(
        cls,
        *,
        source: str | None,
        verdicts: Iterable[str],
        codes: Iterable[str],
        models: Iterable[str],
        since: datetime | None,
        until: datetime | None,
    ) -> Question:
        """As the command line has it.

        Raises:
            AwsError: it contradicts itself, or is malformed.
        """
        if source:
            parse_source(source)
        asked = cls(
            address=source or "",
            verdicts=frozenset(map(str, verdicts)),
            codes=tuple(codes),
            models=frozenset(models),
            since=utc(since),
            until=utc(until),
        )
        if asked.since and asked.until and asked.since >= asked.until:
            raise AwsError("--since is not before --until: nothing can lie between them")
        if asked.codes and asked.verdicts and not {Verdict.REJECT, Verdict.ERROR} & asked.verdicts:
            raise AwsError("only rejections and errors have a code: leave --code or --verdict out")
        return asked

    @property
    def decided(self) -> list[str]:
        """The verdicts to look for by the index; codes are of rejections and errors only."""
        possible = [v.value for v in Verdict if not (self.codes and v is Verdict.PASS)]
        return [v for v in possible if not self.verdicts or v in self.verdicts]

    @property
    def is_narrow(self) -> bool:
        """Whether the index narrows the reading at all."""
        return bool(self.verdicts or self.codes or self.since or self.until)

    def matches(self, item: Item) -> bool:
        """Whether an item is asked for."""
        verdict = item.get("verdict", PENDING)
        at = item.get("screened_at", "")
        code = item.get("code", "")
        return (
            str(item.get("object", "")).startswith(self.address)
            and (not self.verdicts or verdict in self.verdicts)
            and (not self.models or item.get("model") in self.models)
            and (
                not self.codes
                or any(code == c or (c.endswith(".") and code.startswith(c)) for c in self.codes)
            )
            and (self.since is None or at >= stamp(self.since))
            and (self.until is None or (at != "" and at < stamp(self.until)))
        )


class VerdictReader:
    """Reads one table.

    Args:
        remark: told whenever the answer costs more than it should, and why.
    """

    def __init__(self, client: DynamoDBClient, table: str, remark: Remark) -> None:
        self._client = client
        self._table = table
        self._remark = remark

    def read(self, question: Question, limit: int = 0) -> Iterator[Item]:
        """The verdicts that are asked for, newest first unless the whole table is read without a limit.

        Args:
            limit: at most so many; 0 for all.

        Raises:
            AwsError: the table may not be read, or does not answer.
        """
        found = self._found(question, limit)
        return islice(found, limit) if limit else found

    def _found(self, question: Question, limit: int) -> Iterator[Item]:
        if question.address.count("/") > 2 and not question.address.endswith("/"):
            of_object = [item for item in self._of_object(question.address) if question.matches(item)]
            if of_object:
                yield from sorted(of_object, key=_time, reverse=True)
                return
        pending = PENDING in question.verdicts
        by_index = (question.is_narrow or not question.address) and not pending
        if by_index and self._has_index():
            yield from heapq.merge(
                *(self._by_verdict(question, v) for v in question.decided), key=_time, reverse=True
            )
            return
        if not by_index:
            why = (
                "screenings without a verdict are in no index"
                if pending
                else "no index knows addresses; --verdict, --code or --since would read less"
            )
            self._remark(f"{why}: reading the whole table {self._table}")
        matching = (item for item in self._all() if question.matches(item))
        # Bounded by the limit, whatever the size of the table.
        yield from heapq.nlargest(limit, matching, key=_time) if limit else matching

    def _has_index(self) -> bool:
        with translated(f"describe the table {self._table}", needs="dynamodb:DescribeTable"):
            table = self._client.describe_table(TableName=self._table)["Table"]
        if any(index.get("IndexName") == INDEX for index in table.get("GlobalSecondaryIndexes", [])):
            return True
        self._remark(
            f"the table {self._table} has no index {INDEX}, so all of it is read; deploy the stack's template again "
            "to get the index (make deploy)"
        )
        return False

    def _of_object(self, address: str) -> Iterator[Item]:
        yield from self._pages(
            self._client.query,
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": "object"},
            ExpressionAttributeValues={":object": {"S": address}},
        )

    def _by_verdict(self, question: Question, verdict: str) -> Iterator[Item]:
        names = {"#v": "verdict"}
        values = {":v": {"S": verdict}}
        condition = "#v = :v"
        first = stamp(question.since) if question.since else ""
        # Exclusive: nothing sorts between a time and the same time without its last letter.
        last = stamp(question.until)[:-1] if question.until else ""
        if first or last:
            names["#t"] = "screened_at"
        if first and last:
            condition += " AND #t BETWEEN :first AND :last"
            values |= {":first": {"S": first}, ":last": {"S": last}}
        elif first:
            condition += " AND #t >= :first"
            values[":first"] = {"S": first}
        elif last:
            condition += " AND #t < :last"
            values[":last"] = {"S": last}
        found = self._pages(
            self._client.query,
            IndexName=INDEX,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
        )
        return (item for item in found if question.matches(item))

    def _all(self) -> Iterator[Item]:
        yield from self._pages(self._client.scan)

    def _pages(self, call: Callable[..., Any], **arguments: Any) -> Iterator[Item]:
        while True:
            with translated(f"read the table {self._table}", needs=PERMISSIONS):
                answer = call(TableName=self._table, **arguments)
            yield from map(decode, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _time(item: Item) -> str:
    """Sorts what is undecided after every time."""
    return str(item.get("screened_at", "~"))
