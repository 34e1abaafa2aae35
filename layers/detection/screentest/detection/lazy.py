"""Values that are computed when first read, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Lazy(Generic[T]):
    """A read-only attribute, computed by its function when first read; for objects that one thread holds at a time.

    `functools.cached_property` of Python 3.11 computes under a lock that all objects of a class share: detectors on
    several threads would wait for each other.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value = self._compute(instance)
        # Found there by the next reading, before this descriptor is asked.
        vars(instance)[self.name] = value
        return value


lazy = Lazy
