"""From what is asked to the cheapest way to read it: an object's partition, the index, or the whole table."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from screentest.aws import AwsError, as_aws_errors
from screentest.backfill.selection import parse_source, stamp, utc
from screentest.screening.models import Verdict
from screentest.screening.records import INDEX, Attribute, Item, Record, code_matches
from screentest.screening.table import decode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PENDING: Final = "pending"
"""Asked for like a verdict: screenings that have none yet. No index knows them."""

PERMISSIONS: Final = "dynamodb:Query and dynamodb:Scan on the table and its index"

Remark = Callable[[str], None]
Found = tuple[Record, Item]
"""A record, and its item exactly as it is stored."""

OF_PICTURE = "InvalidFile."
"""How the codes of a rejection begin; the table leaves it out."""


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

    def matches(self, record: Record) -> bool:
        """Whether a record is asked for."""
        result = record.result
        verdict = result.verdict if result is not None else PENDING
        at = result.screened_at if result is not None else ""
        code = result.code or "" if result is not None else ""
        return (
            record.ref.uri.startswith(self.address)
            and (not self.verdicts or verdict in self.verdicts)
            and (not self.models or not self.models.isdisjoint(_names(record.screening.model)))
            # As the table shows it, or whole.
            and (code_matches(code, self.codes) or code_matches(code.removeprefix(OF_PICTURE), self.codes))
            and (self.since is None or at >= stamp(self.since))
            and (self.until is None or (at != "" and at < stamp(self.until)))
        )


def _names(model: str) -> tuple[str, str]:
    """A model's name, and what stands before `-detect`, as the table shows it."""
    return model, model.partition("-detect")[0]


class VerdictReader:
    """Reads one table.

    Args:
        remark: called with the reason when an answer costs more than it should.
    """

    def __init__(self, client: DynamoDBClient, table: str, remark: Remark) -> None:
        self._client = client
        self._table = table
        self._remark = remark

    def read(self, question: Question, limit: int = 0) -> Iterator[Record]:
        """The records that are asked for, newest first unless the whole table is read without a limit.

        Args:
            limit: at most so many; 0 for all.

        Raises:
            AwsError: the table may not be read, or does not answer.
        """
        return (record for record, _ in self.found(question, limit))

    def found(self, question: Question, limit: int = 0) -> Iterator[Found]:
        """The same, each with its item."""
        found = self._matching(question, limit)
        return islice(found, limit) if limit else found

    def _matching(self, question: Question, limit: int) -> Iterator[Found]:
        if question.address.count("/") > 2 and not question.address.endswith("/"):
            of_object = [found for found in self._of_object(question.address) if question.matches(found[0])]
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
        matching = (found for found in self._all() if question.matches(found[0]))
        # Bounded by the limit, whatever the size of the table.
        yield from heapq.nlargest(limit, matching, key=_time) if limit else matching

    def _has_index(self) -> bool:
        with as_aws_errors(f"describe the table {self._table}", needs="dynamodb:DescribeTable"):
            table = self._client.describe_table(TableName=self._table)["Table"]
        if any(index.get("IndexName") == INDEX for index in table.get("GlobalSecondaryIndexes", [])):
            return True
        self._remark(
            f"the table {self._table} has no index {INDEX}, so all of it is read; deploy the stack's template again "
            "to get the index (make deploy)"
        )
        return False

    def _of_object(self, address: str) -> Iterator[Found]:
        yield from self._pages(
            self._client.query,
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": Attribute.OBJECT},
            ExpressionAttributeValues={":object": {"S": address}},
        )

    def _by_verdict(self, question: Question, verdict: str) -> Iterator[Found]:
        names: dict[str, str] = {"#v": Attribute.VERDICT}
        values = {":v": {"S": verdict}}
        condition = "#v = :v"
        first = stamp(question.since) if question.since else ""
        # Exclusive: nothing sorts between a time and the same time without its last letter.
        last = stamp(question.until)[:-1] if question.until else ""
        if first or last:
            names["#t"] = Attribute.SCREENED_AT
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
        return (each for each in found if question.matches(each[0]))

    def _all(self) -> Iterator[Found]:
        yield from self._pages(self._client.scan)

    def _pages(self, call: Callable[..., Any], **arguments: Any) -> Iterator[Found]:
        while True:
            with as_aws_errors(f"read the table {self._table}", needs=PERMISSIONS):
                answer = call(TableName=self._table, **arguments)
                found = [(Record.from_item(item), item) for item in map(decode, answer["Items"])]
            yield from found
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _time(found: Found) -> str:
    """Sorts what is undecided after every time."""
    result = found[0].result
    return result.screened_at or "~" if result is not None else "~"
