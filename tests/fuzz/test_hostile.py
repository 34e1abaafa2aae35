"""Every hostile picture that is to be refused by its structure is, before a decoder sees it. What they cost,
all of them through the API with the real detectors, is bounded in `fuzz_pictures`, which judges them first."""

from __future__ import annotations

import pytest
from fuzz.mutations import cases
from support.hostile import KINDS, LARGEST, Hostile

from screentest.detection.errors import UnreadablePicture
from screentest.detection.pictures import sniff
from screentest.detection.structure import essence


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_structure(kind: Hostile) -> None:
    data = kind.make()
    assert len(data) <= LARGEST  # else the API would not have taken it in the first place
    if kind.refused:
        with pytest.raises(UnreadablePicture):
            essence(data, sniff(data))
    else:
        assert len(essence(data, sniff(data)).data) <= len(data)


def test_all_of_them_are_judged_first() -> None:
    assert [case.name for case in cases(len(KINDS), seed=1)] == [kind.name for kind in KINDS]
