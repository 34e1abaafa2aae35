"""Verdicts onto objects: one way for buckets with versions, one for those without.

S3 replaces the tags of an object as a whole and without a condition. With versions a write can only land on the version
that was judged. Without them it may land on a later upload, after that one's own tags: each write is checked
afterwards, and whatever is there then gets the tags that table and bucket say it deserves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from screentest.screening import records, tags
from screentest.screening.errors import ObjectGone, ScreeningError
from screentest.screening.judging import unchanged
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.objects import TagsConflict
from screentest.screening.ports import Objects, Table
from screentest.screening.progress import (
    Failed,
    Found,
    Judged,
    Progress,
    Stored,
    Superseded,
    failure_of,
    result_of,
)
from screentest.screening.records import Record

TAG_TRIES: Final = 3
"""Reads and writes of one tag set while S3 reports another write under way."""

Store = Callable[[Judged, str], Progress]
"""Writes a verdict to the table, with what became of its tags."""


@dataclass(frozen=True, slots=True)
class Tagging:
    """Tags one object. This is the way with versions."""

    objects: Objects
    table: Table
    plan: tags.Planner

    @staticmethod
    def of(ref: ObjectRef, objects: Objects, table: Table, plan: tags.Planner) -> Tagging:
        """The way for the bucket that an object is in."""
        return (Tagging if ref.version_id else UnversionedTagging)(objects, table, plan)

    def confirm(self, ref: ObjectRef) -> ObjectRef:
        """The object that was judged, as it is to be recorded.

        Raises:
            ObjectGone: it was overwritten meanwhile.
        """
        return ref

    def write(
        self,
        ref: ObjectRef,
        new: Mapping[str, str],
        screenings: Sequence[Screening],  # noqa: ARG002 - the other way needs it
        *,
        fresh: bool,  # noqa: ARG002 - likewise
    ) -> None:
        """Replace all tags.

        Args:
            screenings: those of the object.
            fresh: whether this delivery decided one of them, so that the object was just confirmed.
        """
        self.objects.write_tags(ref, new)

    def apply(
        self, ref: ObjectRef, steps: Sequence[Progress], store: Store, gone: Callable[[Progress], Progress]
    ) -> tuple[list[Progress], ScreeningError | None]:
        """Read, merge, store what is judged, write.

        The tags are read before a verdict is stored, so that its record can say in the same write what will become of
        them; they are written after it, so that what they announce can be read.

        Args:
            gone: what becomes of a verdict whose object turns out to be gone.

        Returns:
            The steps, and why the tags are not as they should be.
        """
        found = self._stored_first(steps, store)
        for was, step in zip(steps, found, strict=True):
            if isinstance(was, Judged) and isinstance(step, Superseded | Failed):
                return found, failure_of(step)
        status = ""
        try:
            for tries in range(1, TAG_TRIES + 1):
                plan = self.plan(self.objects.tags(ref), [(s.screening, result_of(s)) for s in found])
                status = plan.status
                before, found = found, [store(s, status) if isinstance(s, Judged) else s for s in found]
                for was, step in zip(before, found, strict=True):
                    if isinstance(was, Judged) and not isinstance(step, Stored):
                        # The delivery that owns the record, or the next one, writes the tags.
                        return found, failure_of(step)
                if not plan.changed:
                    break
                try:
                    fresh = any(isinstance(step, Stored) for step in found)
                    self.write(ref, plan.tags, [step.screening for step in found], fresh=fresh)
                except TagsConflict:
                    if tries == TAG_TRIES:
                        raise
                    continue
                break
        except ObjectGone:
            return [gone(step) for step in found], None
        except ScreeningError as error:
            found = [store(step, "failed") if isinstance(step, Judged) else step for step in found]
            return [self._noted(step, "failed") for step in found], error
        return [self._noted(step, status) for step in found], None

    def _stored_first(self, steps: Sequence[Progress], store: Store) -> list[Progress]:  # noqa: ARG002 - not here
        """What is to be stored before the tags are read."""
        return list(steps)

    def clear_foreign_gate(self, ref: ObjectRef, steps: Sequence[Progress]) -> None:
        """Remove tags that look like verdicts while nothing is decided: they were copied or forged."""
        if all(isinstance(s, Failed) and s.claim is not None and s.claim.result is None for s in steps):
            self._clear(ref, steps)

    def _clear(self, ref: ObjectRef, steps: Sequence[Progress]) -> bool:
        plan = self.plan(self.objects.tags(ref), [(step.screening, None) for step in steps])
        if plan.changed:
            self.objects.write_tags(ref, plan.tags)
        return plan.changed

    def reconcile(self, ref: ObjectRef, screenings: Iterable[Screening]) -> None:
        """Give whatever is there now under the key the tags that it deserves by the table.

        Raises:
            TagsConflict: other writers kept changing the same object.
        """
        asked = list(screenings)
        try:
            for _ in range(TAG_TRIES):
                there = self.objects.head(ref)
                stored = [(screening, self.table.get(records.key(ref, screening))) for screening in asked]
                decided = [
                    (screening, record.result if record and _is_of(record, there.etag) else None)
                    for screening, record in stored
                ]
                plan = self.plan(self.objects.tags(ref), decided)
                if not plan.changed:
                    return
                self.objects.write_tags(ref, plan.tags)
        except ObjectGone:
            return
        raise TagsConflict("other writers kept changing the same object")

    def _noted(self, step: Progress, status: str) -> Progress:
        """With what became of its tags, where its record does not say so yet."""
        result = result_of(step)
        if not isinstance(step, Stored | Found) or result is None or result.tags == status:
            return step
        try:
            self.table.note(step.record, tags=status)
        except ScreeningError as error:
            return replace(step, failure=error)
        return replace(step, record=step.record.noted(tags=status))


class UnversionedTagging(Tagging):
    """The way without versions."""

    __slots__ = ()

    def confirm(self, ref: ObjectRef) -> ObjectRef:
        there = self.objects.head(ref)
        unchanged(ref, there.etag)
        return replace(ref, last_modified=there.last_modified)

    def write(
        self, ref: ObjectRef, new: Mapping[str, str], screenings: Sequence[Screening], *, fresh: bool
    ) -> None:
        if fresh or not self._overwritten(ref):
            self.objects.write_tags(ref, new)
            if not self._overwritten(ref):
                return
        self.reconcile(ref, screenings)

    def _stored_first(self, steps: Sequence[Progress], store: Store) -> list[Progress]:
        # Nothing comes between reading and writing the tags: those of an upload in that moment would be lost. What
        # becomes of them is nearly always this; else the record is corrected.
        return [store(step, "written") if isinstance(step, Judged) else step for step in steps]

    def clear_foreign_gate(self, ref: ObjectRef, steps: Sequence[Progress]) -> None:
        # Even of the same content: a later upload of it may be decided already.
        if self._clear(ref, steps):
            self.reconcile(ref, [step.screening for step in steps])

    def _overwritten(self, ref: ObjectRef) -> bool:
        try:
            unchanged(ref, self.objects.head(ref).etag)
        except ObjectGone:
            return True
        return False


def _is_of(record: Record, etag: str) -> bool:
    return record.is_decided and record.ref.etag == etag
