"""How well the detectors judge labelled portraits, at first sight and on what the rules were made on.

    .venv/bin/python benchmarks/accuracy.py --portraits FOLDER [FOLDER ...] [--first-sight FOLDER ...]
        [--unseen FILE ...] [--errors] [--json FILE]

A folder holds `NAME.jsonl` with one record a picture and the pictures in a folder `NAME`. A verdict labelled `null` is
not scored. `--portraits` is the working part, which rules and networks were made on; `--first-sight` what nobody who
made them had looked at. Both are printed beside each other, and by skin tone: a record's `tone`, or `tones.json`.

Figures of the working part flatter. `--unseen` makes them honest where training wrote such a file: values of
measurements, by picture, from networks that had not seen the picture's repository, which take the place of the shipped
networks' (`{picture: {measurement: value}}`). Thresholds are those that are shipped all the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from screentest.detection.vision.networks import Networks

DETECTORS = {
    "emo_1x1": ("emo-detect-v1", "1:1"),
    "emo_3x4": ("emo-detect-v1", "3:4"),
    "emoji": ("emoji-detect-v1", "1:1"),
    "aa": ("animate-anyone-detect-gen2", "1:1"),
    "liveportrait": ("liveportrait-detect", "1:1"),
    "wan_s2v": ("wan2.2-s2v-detect", "1:1"),
}

# The repositories whose names come first by SHA-256 until they hold a third of the pictures, leaving out the largest
# (vladmandic/human, itself a quarter of the set). What the occlusion network was not trained on.
HELD_OUT = {
    "Wangt-CN/DisCo",
    "levindabhi/cloth-segmentation",
    "danielgatis/rembg",
    "plemeri/transparent-background",
    "OpenTalker/SadTalker",
    "aigc-apps/VideoX-Fun",
    "dusty-nv/jetson-inference",
    "KwaiVGI/LivePortrait",
    "ageitgey/face_recognition",
    "ali-vilab/VACE",
    "chandrikadeb7/Face-Mask-Detection",
    "tensorflow/tfjs-models",
}


RESERVED = frozenset(json.loads(Path(__file__).with_name("reserved.json").read_text())["repositories"])
"""What neither the occlusion network nor rules version 3 was made on; part of the working part since version 4."""

TONES = ("dark", "medium", "light")
PARTS = ("first sight", "working")

OPEN: dict[str, Any] = {"pass": None, "reason": None}
COVERED = {"mask", "face_mask", "sunglasses", "hand_covers_face", "object_covers_face"}


def _roll(record: dict[str, Any]) -> int:
    """The head's tilt that was written down, degrees; 0 where none was."""
    return max(
        (int(tag.removeprefix("roll~")) for tag in record["tags"] if tag.startswith("roll~")), default=0
    )


def _label(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """The label of one picture for one detector.

    The set has none for LivePortrait and Wan: they follow from what was seen for EMO 1:1, whose documents ask for most
    of the same, and from the annotation. Where those documents are silent, the label is open.
    """
    if name == "liveportrait":
        return _liveportrait(record)
    if name == "wan_s2v":
        return _wan_s2v(record)
    label: dict[str, Any] = record[name]
    return label


def _liveportrait(record: dict[str, Any]) -> dict[str, Any]:
    """No face, too small, in profile, covered: fails. Silent, so open: several people, dark, unsharp, cut by the frame
    or very large faces, tilts of 25 to 45 degrees, and whatever is open for EMO. The size limits are its own."""
    emo, tags = record["emo_1x1"], set(record["tags"])
    reasons = set(emo["reason"] or ())
    short, long = sorted((record["width"], record["height"]))
    if long > 4096 or long > 2 * short:
        return {"pass": False, "reason": ["InvalidFile.Resolution", "InvalidFile.AspectRatio", *reasons]}
    if record["people"] > 1 or emo["pass"] is None:
        return OPEN
    if emo["pass"]:
        return {"pass": True, "reason": None}
    faceless = record["people"] == 0 or tags & {"profile", "back_view", "head_out_of_frame", *COVERED}
    small = record["face_ratio"] is not None and record["face_ratio"] < 0.07
    if faceless or small or _roll(record) > 45:
        return {"pass": False, "reason": sorted(reasons - {"InvalidFile.Resolution"})}
    return OPEN


def _wan_s2v(record: dict[str, Any]) -> dict[str, Any]:
    """Nobody, several people, unsharp or dark, in profile or from behind, and EMO's limits on the size: fails. Any
    framing passes, so whole figures that pass for AnimateAnyone do, whose small faces are open for EMO. Silent, so
    open: covered, cut and very small faces, tilts of 25 to 45 degrees, and whatever else is open for EMO."""
    emo, tags = record["emo_1x1"], set(record["tags"])
    reasons = sorted(emo["reason"] or ())
    if "InvalidFile.Resolution" in reasons:
        return {"pass": False, "reason": reasons}
    if emo["pass"] is None:
        return {"pass": True, "reason": None} if record["aa"]["pass"] else OPEN
    if emo["pass"]:
        return {"pass": True, "reason": None}
    plain = record["people"] != 1 or "InvalidFile.Value" in reasons or tags & {"profile", "back_view"}
    return {"pass": False, "reason": reasons} if plain or _roll(record) > 45 else OPEN


@dataclass(frozen=True)
class Task:
    """A labelled picture: of which part, its file and record, and values that take the place of measurements."""

    part: str
    path: Path
    record: dict[str, Any]
    tone: str
    unseen: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """One picture under one detector."""

    part: str
    picture: str
    repo: str
    tone: str
    detector: str
    label: bool
    reasons: tuple[str, ...]
    style: str | None
    passed: bool
    code: str
    body_style: str
    rule: str
    note: str


@cache
def networks() -> Networks:
    """One set for each process."""
    from screentest.detection.vision.networks import Networks

    return Networks()


def judge(task: Task) -> list[Outcome]:
    """All answers to one labelled picture, from the same evidence."""
    from screentest.detection import errors, pictures
    from screentest.detection.detector import judge as judged
    from screentest.detection.evidence import Evidence

    data, record = task.path.read_bytes(), task.record

    @cache
    def evidence() -> Evidence:
        found = Evidence(pictures.decode(data, header), networks())
        for name, value in task.unseen.items():
            found.assume(name, value)
        return found

    outcomes = []
    for name, (model, ratio) in DETECTORS.items():
        label = _label(name, record)
        if label["pass"] is None:
            continue
        passed, code, style, rule, note = False, "InvalidURL", "", "unreadable", ""
        try:
            header = pictures.probe(data)
            answer = judged(header, evidence, model, ratio)
        except errors.UnreadablePicture as error:
            note = str(error)
        else:
            last = answer.explanation.checks[-1]
            shown = "" if last.value is None else f"{last.value:.3g} (limit {last.limit})"
            passed, code, style = answer.passed, str(answer.code or ""), answer.body_style
            rule, note = answer.explanation.decided_by or "", "" if answer.passed else shown
        outcomes.append(
            Outcome(
                part=task.part,
                picture=record["id"],
                repo=record["repo"],
                tone=task.tone,
                detector=name,
                label=label["pass"],
                reasons=tuple(label["reason"] or ()),
                style=label.get("bodystyle"),
                passed=passed,
                code=code,
                body_style=style,
                rule=rule,
                note=note,
            )
        )
    return outcomes


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share, after Wilson."""
    if not count:
        return 0.0, 1.0
    z, p = 1.96, hits / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Share:
    """`hits` of `count`."""

    hits: int
    count: int

    @property
    def value(self) -> float:
        """The share; 1 of nothing."""
        return self.hits / self.count if self.count else 1.0

    def __str__(self) -> str:
        low, high = wilson(self.hits, self.count)
        return f"{self.value:.3f} ({self.hits}/{self.count}; {low:.2f}-{high:.2f})"


def score(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The four figures of one detector."""
    rows = list(outcomes)
    good, bad = [o for o in rows if o.label], [o for o in rows if not o.label]
    passes = Share(sum(o.passed for o in good), len(good))
    rejects = Share(sum(not o.passed for o in bad), len(bad))
    rejected = [o for o in bad if not o.passed]
    styled = [o for o in good if o.passed and o.style]
    return {
        "balanced": (passes.value + rejects.value) / 2,
        "good passed": passes,
        "false passes": Share(len(bad) - rejects.hits, len(bad)),
        "right reason": Share(sum(o.code in o.reasons for o in rejected), len(rejected)),
        "body style": Share(sum(o.body_style == o.style for o in styled), len(styled)),
    }


def table(outcomes: list[Outcome]) -> str:
    """Both parts beside each other, each detector, as Markdown."""
    lines = ["| detector | part | balanced | good passed | false passes | right reason | body style |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name in DETECTORS:
        for part in PARTS:
            rows = [o for o in outcomes if o.detector == name and o.part == part]
            if not rows:
                continue
            s = score(rows)
            style = str(s["body style"]) if name == "aa" else "-"
            lines.append(
                f"| {name} | {part} | {s['balanced']:.3f} | {s['good passed']} | {s['false passes']} "
                f"| {s['right reason']} | {style} |"
            )
    return "\n".join(lines)


def tone_table(outcomes: list[Outcome]) -> str:
    """Good pictures refused and unusable ones passed, by part and skin tone, as Markdown."""
    names = [name for name in DETECTORS if any(o.detector == name for o in outcomes)]
    lines = ["| part | | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]
    for part in PARTS:
        for said, label in (("good refused", True), ("unusable passed", False)):
            for tone in TONES:
                chosen = [o for o in outcomes if o.part == part and o.label is label and o.tone == tone]
                if not chosen:
                    continue
                cells = []
                for name in names:
                    rows = [o for o in chosen if o.detector == name]
                    cells.append(str(Share(sum(o.passed is not label for o in rows), len(rows))))
                lines.append(f"| {part} | {said}, {tone} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def wrong(o: Outcome) -> bool:
    """Whether verdict, reason or body style differs from the label."""
    if o.label != o.passed:
        return True
    return bool(o.style and o.body_style != o.style) if o.label else o.code not in o.reasons


def tones() -> dict[str, str]:
    """Perceived skin tone by picture, of those that `tones.json` names."""
    named: dict[str, list[str]] = json.loads(Path(__file__).with_name("tones.json").read_text())["tones"]
    return {picture: tone for tone, pictures in named.items() for picture in pictures}


def run(folders: dict[str, list[Path]], unseen: dict[str, dict[str, float]], workers: int) -> list[Outcome]:
    """Every scored answer over the labelled pictures in `folders`, by part."""
    named, tasks = tones(), []
    for part, places in folders.items():
        for place in places:
            indices = sorted(place.glob("*.jsonl"))
            if not indices:
                sys.exit(f"no labelled pictures in {place}: it needs NAME.jsonl and a folder NAME")
            for index in indices:
                for line in index.read_text().splitlines():
                    record = json.loads(line)
                    tone = record.get("tone") or named.get(record["id"], "unclear")
                    path = place / index.stem / record["file"]
                    tasks.append(Task(part, path, record, tone, unseen.get(record["id"], {})))
    with ProcessPoolExecutor(workers) as pool:
        return [o for outcomes in pool.map(judge, tasks, chunksize=8) for o in outcomes]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = os.environ.get("SCREENTEST_PORTRAITS")
    parser.add_argument("--portraits", type=Path, nargs="+", default=[Path(known)] if known else [])
    parser.add_argument("--first-sight", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--unseen", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--errors", action="store_true", help="list what differs from the labels")
    parser.add_argument("--json", type=Path, help="write every outcome")
    options = parser.parse_args()
    if not options.portraits and not options.first_sight:
        print("skipped: no labelled pictures; give --portraits FOLDER or set SCREENTEST_PORTRAITS")
        return
    unseen: dict[str, dict[str, float]] = {}
    for file in options.unseen:
        for picture, values in json.loads(file.read_text()).items():
            unseen.setdefault(picture, {}).update(values)
    outcomes = run(
        {"first sight": options.first_sight, "working": options.portraits}, unseen, options.workers
    )
    print(table(outcomes))
    print()
    print(tone_table(outcomes))
    if options.errors:
        for o in sorted(filter(wrong, outcomes), key=lambda o: (o.detector, o.label, o.picture)):
            said = (
                "pass " + o.body_style
                if o.passed
                else f"{o.code.removeprefix('InvalidFile.')} [{o.rule} {o.note}]"
            )
            wanted = "/".join(reason.removeprefix("InvalidFile.") for reason in o.reasons)
            meant = "pass " + (o.style or "") if o.label else wanted
            print(f"{o.detector:12} {o.picture} {o.part:11} label {meant:35} said {said}")
    if options.json:
        options.json.write_text("".join(json.dumps(vars(o)) + "\n" for o in outcomes))


if __name__ == "__main__":
    main()
