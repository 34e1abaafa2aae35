"""Detectors as a library: answers, wire form, errors, threads, what costs nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from screentest import detection
from screentest.demo import pictures
from screentest.detection import Code, Detector, DetectorPool, models
from screentest.detection.errors import InvalidRatio, UnknownModel, UnreadablePicture, WeightsMissing
from screentest.detection.vision import runtime


def test_emo_passes_with_boxes(detector: Detector) -> None:
    answer = detector.detect(pictures.data("waist_up"), "emo-detect-v1")
    assert answer.passed
    output = answer.output()
    assert output["check_pass"] is True
    assert output["humanoid"] is True
    assert set(output) == {"check_pass", "humanoid", "face_bbox", "ext_bbox"}
    x1, y1, x2, y2 = output["face_bbox"]
    assert x2 - x1 == y2 - y1
    assert 350 < (x1 + x2) / 2 < 620
    assert answer.explanation.decided_by is None
    assert len(answer.explanation.landmarks["face"]) == 468


def test_emo_half_body(detector: Detector) -> None:
    answer = detector.detect(pictures.data("waist_up"), "emo-detect-v1", "3:4")
    assert answer.ext_bbox
    x1, y1, x2, y2 = answer.ext_bbox
    assert (x2 - x1) * 4 == (y2 - y1) * 3


def test_emoji_has_its_own_wire_form(detector: Detector) -> None:
    good = detector.detect(pictures.data("astronaut"), "emoji-detect-v1").output()
    assert set(good) == {"bbox_face", "ext_bbox_face"}
    bad = detector.detect(pictures.data("tilted"), "emoji-detect-v1").output()
    assert bad == {
        "code": "InvalidFile.FacePose",
        "message": models.EMOJI.messages[Code.FACE_POSE],
    }


def test_animate_anyone_has_its_own_wire_form(detector: Detector) -> None:
    good = detector.detect(pictures.data("waist_up"), "animate-anyone-detect-gen2").output()
    assert good == {"check_pass": True, "bodystyle": "half"}
    bad = detector.detect(pictures.data("two_people"), "animate-anyone-detect-gen2").output()
    assert bad == {
        "check_pass": False,
        "reason": models.ANIMATE_ANYONE.messages[Code.CONTENT],
        "bodystyle": "",
    }


def test_a_rejection_explains_itself(detector: Detector) -> None:
    answer = detector.detect(pictures.data("too_dark"), "emo-detect-v1")
    assert answer.code is Code.VALUE
    assert answer.explanation.decided_by == "too dark"
    last = answer.explanation.checks[-1]
    assert last.failed
    assert last.value is not None
    assert last.value < 29
    assert answer.explanation.as_dict()["decided_by"] == "too dark"


@pytest.mark.parametrize(
    ("model", "size", "passes"),
    [
        ("emo-detect-v1", (399, 600), False),
        ("emo-detect-v1", (400, 600), True),
        ("emo-detect-v1", (400, 7001), False),
        ("emoji-detect-v1", (400, 7001), False),
        ("emoji-detect-v1", (399, 498), False),
        ("animate-anyone-detect-gen2", (223, 600), False),
        ("animate-anyone-detect-gen2", (225, 600), True),
        ("animate-anyone-detect-gen2", (600, 4097), False),
        ("animate-anyone-detect-gen2", (600, 4095), True),
        ("liveportrait-detect", (300, 398), True),
        ("liveportrait-detect", (2048, 4096), True),
        ("liveportrait-detect", (2049, 4097), False),
        ("wan2.2-s2v-detect", (399, 600), False),
        ("wan2.2-s2v-detect", (400, 600), True),
    ],
)
def test_resolution_limits(detector: Detector, model: str, size: tuple[int, int], passes: bool) -> None:
    picture = pictures.waist_up().resize(size)
    answer = detector.detect(pictures.jpeg(picture), model)
    assert (answer.code is Code.RESOLUTION) is not passes


@pytest.mark.parametrize(("size", "code"), [((500, 1000), None), ((500, 1005), Code.ASPECT_RATIO)])
def test_liveportrait_takes_pictures_twice_as_long_as_wide(
    detector: Detector, size: tuple[int, int], code: str | None
) -> None:
    picture = Image.new("RGB", size, "grey")
    picture.paste(pictures.calm_face().resize((500, 500)))
    assert detector.detect(pictures.jpeg(picture), "liveportrait-detect").code == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("astronaut", None),
        ("waist_up", None),
        ("standing", None),
        ("two_people", Code.MULTI_HUMAN),
        ("cat", Code.NO_HUMAN),
        ("masked", Code.FULL_FACE),
        ("too_dark", Code.VALUE),
    ],
)
def test_wan_s2v_takes_one_person_in_any_framing(detector: Detector, name: str, code: str | None) -> None:
    answer = detector.detect(pictures.data(name), "wan2.2-s2v-detect")
    assert answer.code == code
    assert answer.output()["humanoid"] is (name != "cat")


@pytest.mark.parametrize("name", ["cat", "far_away", "masked"])
def test_liveportrait_says_one_sentence_whatever_hides_the_face(detector: Detector, name: str) -> None:
    output = detector.detect(pictures.data(name), "liveportrait-detect").output()
    assert output == {"pass": False, "message": "No human face detected."}


def test_a_wrong_size_costs_a_header_and_no_network() -> None:
    fresh = Detector()
    answer = fresh.detect(pictures.data("too_small"), "emo-detect-v1")
    assert answer.code is Code.RESOLUTION
    assert not vars(fresh._networks)


def test_emoji_names_a_deeper_fault_than_a_small_picture(detector: Detector) -> None:
    small = pictures.two_people().resize((500, 331))
    assert detector.detect(pictures.jpeg(small), "emoji-detect-v1").code is Code.MULTI_HUMAN
    assert detector.detect(pictures.jpeg(small), "emo-detect-v1").code is Code.RESOLUTION


@pytest.mark.parametrize(
    ("make", "long", "code"),
    [
        (pictures.two_people, 4096, Code.CONTENT),
        (pictures.two_people, 4097, Code.RESOLUTION),
        (pictures.waist_up, 4096, Code.RESOLUTION),
        (pictures.waist_up, 4095, None),
    ],
)
def test_animate_anyone_names_a_deeper_fault_at_a_size_that_its_documents_leave_open(
    detector: Detector, make: Callable[[], Image.Image], long: int, code: str | None
) -> None:
    picture = make()
    scale = long / max(picture.size)
    large = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    assert detector.detect(pictures.jpeg(large), "animate-anyone-detect-gen2").code == code


def test_errors(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="emo-detect-v1"):
        detector.detect(b"", "emo-detect-v2")
    with pytest.raises(InvalidRatio, match="1:1"):
        detector.detect(b"", "emoji-detect-v1", "3:4")
    for data in (b"", pictures.data("not_a_picture"), pictures.data("waist_up")[:5000]):
        with pytest.raises(UnreadablePicture):
            detector.detect(data, "emo-detect-v1")
    with pytest.raises(FileNotFoundError):
        detection.detect(tmp_path / "none.jpg", "emo-detect-v1")


def test_missing_weights_name_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime, "WEIGHTS", tmp_path)
    with pytest.raises(WeightsMissing, match="make weights"):
        Detector().detect(pictures.data("waist_up"), "emo-detect-v1")


def test_a_path_and_bytes_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(pictures.data("shoulders_up"))
    assert detection.detect(path, models.EMO) == detection.detect(path.read_bytes(), models.EMO)


def test_a_pool_serves_more_threads_than_it_has_detectors() -> None:
    pool = DetectorPool(2)
    with ThreadPoolExecutor(6) as threads:
        names = ["waist_up", "cat", "two_people"] * 4
        codes_seen = list(threads.map(lambda n: pool.detect(pictures.data(n), "emo-detect-v1").code, names))
    assert codes_seen == [None, Code.NO_HUMAN, Code.MULTI_HUMAN] * 4


def test_the_library_needs_no_aws_and_no_server() -> None:
    program = (
        "import sys; from screentest import detection; "
        "bad = {'boto3', 'botocore', 'httpx', 'pydantic', 'uvicorn'} & set(sys.modules); "
        "bad |= {name for name in sys.modules if name.startswith(('screentest.screening', 'screentest.cli'))}; "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
