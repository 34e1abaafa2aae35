"""Every rule, with its usual threshold and code. Detectors list those that they apply, in their order."""

from __future__ import annotations

from screentest.detection import thresholds as t
from screentest.detection.codes import Code
from screentest.detection.rules.rule import FACE_VISIBLE, FROM_FRONT, PERSON, Rule

_FACE_SIZES_OPEN = (
    "open between 0.07 and 0.13 (3:4: 0.05 and 0.08); at the low end, because the box varies by a tenth and other "
    "faults should name themselves"
)
NOBODY = Rule(
    "nobody",
    "a person is in the picture",
    "person_count",
    Code.NO_HUMAN,
    "where face and body leave it open, the scene and how the picture looks decide: by weights that had not seen their "
    "source of 308 people five are missed, of 62 things, animals and rooms one counts",
    at_least=1,
)
OTHERS = Rule(
    "another person",
    "nobody else is in plain view",
    "people_in_view",
    Code.MULTI_HUMAN,
    "with a second face or body that is sure (0.5); where it is not, plainer faults name themselves first",
    at_most=1,
)
SEVERAL = Rule(
    "several people",
    "nobody else is in the picture",
    "person_count",
    Code.MULTI_HUMAN,
    "by weights that had not seen their source single persons of good pictures up to 0.33 but for four of 1,330, two "
    "people 0.39 and more but for four of 161; people in the background do not count",
    at_most=1,
)
NOT_ONE = Rule(
    "nobody or several",
    "exactly one person is in the picture",
    "person_count",
    Code.CONTENT,
    "as for `nobody` and `several people`",
    at_least=1,
    at_most=1,
)
SMALL = Rule(
    "face too small",
    "the face is large enough",
    "face_share",
    Code.BODY_PROPORTION,
    _FACE_SIZES_OPEN,
    at_least=t.FACE_SHARE_MIN,
    applies=FROM_FRONT,
)
LARGE = Rule(
    "face too large",
    "the face leaves room around it",
    "face_share",
    Code.BODY_PROPORTION,
    "open between 0.72 and 0.84; good faces up to 0.83",
    at_most=t.FACE_SHARE_MAX,
    applies=PERSON,
)
DARK = Rule(
    "too dark",
    "the face is lit",
    "brightness",
    Code.VALUE,
    "labelled dark up to 22, silhouettes 39 to 51; darkest good face 55",
    at_least=t.BRIGHTNESS_MIN,
    applies=PERSON,
)
SOFT = Rule(
    "too soft",
    "the face is sharp enough to see the eyes",
    "blur",
    Code.VALUE,
    "labelled blurred 1.75 and more, good faces of any size up to 1.44, nearly all below 1",
    at_most=t.BLUR_MAX,
    applies=FROM_FRONT,
)
BACK = Rule(
    "facing away",
    "the person faces the camera",
    "facing_away",
    Code.FRONT_BODY,
    "0 or 1: no face, and shoulders swapped or a back by the scene (0.7)",
    at_most=0.5,
    applies=PERSON,
)
HIDDEN = Rule(
    "face hidden",
    "the face can be seen",
    "face_presence",
    Code.FULL_FACE,
    "faces 0.95 and more, backs of heads below 0.02",
    at_least=t.PRESENCE_MIN,
    applies=FROM_FRONT,
)
MASK = Rule(
    "mask",
    "no mask or cloth covers mouth and nose",
    "mask",
    Code.FULL_FACE,
    "real masks 0.91 and more, bare faces up to 0.18",
    at_most=t.MASK_MAX,
    applies=FACE_VISIBLE,
)
SUNGLASSES = Rule(
    "sunglasses",
    "the eyes are not behind dark glasses",
    "sunglasses",
    Code.FULL_FACE,
    "by weights that had not seen their source 88 of 98 with sunglasses read more, 3 of 282 hinted at without",
    at_most=t.SUNGLASSES_MAX,
    applies=FACE_VISIBLE,
)
OBJECT = Rule(
    "object over face",
    "nothing is held or hangs before the face",
    "object_over_face",
    Code.FULL_FACE,
    "covering things 0.9, microphones up to 0.46; bars of one colour have up to 0.06 of the contrast, good pictures "
    "0.23 and more",
    at_most=t.OBJECT_MAX,
    applies=FACE_VISIBLE,
)
COVERED = Rule(
    "face covered",
    "nothing covers a part of the face",
    "covered",
    Code.FULL_FACE,
    "by weights that had not seen their source no good picture reads more, 80 of 103 covered or cut faces do",
    at_most=t.COVERED_MAX,
    applies=FACE_VISIBLE,
)
HAND_NEAR_FACE = Rule(
    "hand near face",
    "no hand is at the head",
    "hand_near_face",
    Code.FULL_FACE,
    "by weights that had not seen their source three of 662 good pictures read more, and 165 of 192 with a hand at the "
    "head; raised beside it is left open",
    at_most=t.HAND_NEAR_FACE_MAX,
    applies=FACE_VISIBLE,
)
TURNED = Rule(
    "head turned",
    "the face looks towards the camera",
    "yaw",
    Code.FACE_POSE,
    "as measured, which is less than it is: open 35 to 50 reads 22 to 37, profiles 45 and more",
    at_most=t.YAW_MAX,
    applies=FACE_VISIBLE,
)
NOT_FRONTAL = Rule(
    "head not frontal",
    "the face looks straight towards the camera",
    "not_frontal",
    Code.FACE_POSE,
    "by weights that had not seen their source three of 921 good pictures read more, and all but three of 177 heads "
    "turned by more than 35 degrees with nothing else wrong",
    at_most=t.NOT_FRONTAL_MAX,
    applies=FACE_VISIBLE,
)
TILTED = Rule(
    "head tilted",
    "the head is upright",
    "roll",
    Code.FACE_POSE,
    "EMO, AnimateAnyone: open 15 to 25; Emoji: open 12 to 20",
    at_most=t.ROLL_MAX,
    applies=FACE_VISIBLE,
)
LYING = Rule(
    "head lying",
    "the head is nearer to upright than to lying",
    "roll",
    Code.FACE_POSE,
    "a frontal view is asked for and nothing is said of a tilt: beyond 45 the head lies or stands on itself",
    at_most=t.ROLL_MAX_LYING,
    applies=FACE_VISIBLE,
)
NODDING = Rule(
    "head nodding",
    "the head is neither thrown back nor hanging",
    "pitch",
    Code.FACE_POSE,
    "the labels never fail a pitch. EMO: good pictures up to 31. Emoji: up to 18",
    at_most=t.PITCH_MAX,
    applies=FACE_VISIBLE,
)
CUT = Rule(
    "head cut",
    "the whole face is inside the frame",
    "head_margin",
    Code.FULL_BODY,
    "cut faces -0.05 and less, whole ones 0.04 and more; a cut crown is left open",
    at_least=t.HEAD_MARGIN_MIN,
    applies=FACE_VISIBLE,
)
EXPRESSION = Rule(
    "exaggerated expression",
    "the expression is natural",
    "expression",
    Code.FACE_POSE,
    "good pictures up to 0.4, shouts, tongues and screwed-up eyes 0.52 and more",
    at_most=t.EXPRESSION_MAX,
    applies=FACE_VISIBLE,
)
SHOULDERS = Rule(
    "shoulders outside",
    "the head is in the frame with shoulders",
    "room_below_face",
    Code.FULL_BODY,
    "close-ups of the labelled pictures up to 0.18, three of four head-and-shoulders crops 0.24 and more",
    at_least=t.SHOULDER_ROOM_MIN,
    applies=FACE_VISIBLE,
)
FEET = Rule(
    "feet outside",
    "the figure is in the frame down to the feet",
    "whole",
    Code.BODY_POSE,
    "0 or 1: of the labelled frontal figures 1 for all 88 whole ones and for 1 of 391 others",
    at_least=0.5,
    applies=PERSON,
)
HIPS = Rule(
    "hips outside",
    "the body is in the frame down to the hips",
    "hips_depth",
    Code.FULL_BODY,
    "chest crops up to 2.2, hips inside from 2.44",
    at_least=t.HIPS_DEPTH_MIN,
    applies=FACE_VISIBLE,
)
CHEST = Rule(
    "chest crop",
    "the body is in the frame down to below the chest",
    "room_below_face",
    Code.FULL_BODY,
    "half of the chest crops read 0.9 to 1.5, hips inside 2.2 and more; waists, which are open, mostly 1.9 and more",
    at_least=t.CHEST_DEPTH_MIN,
    applies=FACE_VISIBLE,
)
SIDE_ON = Rule(
    "body side-on",
    "the body is roughly frontal",
    "side_on",
    Code.BODY_POSE,
    "by weights that had not seen their source good pictures up to 0.65 but for two of 332; most side views turn the "
    "head as well",
    at_most=t.SIDE_MAX,
    applies=PERSON,
)
SEATED = Rule(
    "seated",
    "the person stands",
    "seated",
    Code.BODY_POSE,
    "by weights that had not seen their source good pictures up to 0.69 but for two of 332, sitting 0.71 and more but "
    "for five of 64",
    at_most=t.SEATED_MAX,
    applies=PERSON,
)
LEGS_CUT = Rule(
    "legs cut",
    "legs are in the frame down to the ankles, or not below the knees",
    "shin_share",
    Code.BODY_POSE,
    "half-way down the shins 0.38 and more but for one, good pictures up to 0.16",
    at_most=t.SHIN_SHARE_MAX,
    applies=PERSON,
)
BODY_CUT = Rule(
    "body cut",
    "the body is in the frame down to the waist",
    "torso_share",
    Code.BODY_POSE,
    "waist 0.75 and more, chest is left open, close-ups 0",
    at_least=t.TORSO_SHARE_MIN,
    applies=PERSON,
)
HELD = Rule(
    "large thing held",
    "nothing large is held",
    "held",
    Code.BODY_POSE,
    "by weights that had not seen their source two of 332 good pictures read more, and 20 of 23 with something large "
    "that nothing else rejects",
    at_most=t.HELD_MAX,
    applies=PERSON,
)

RULES: dict[str, Rule] = {rule.name: rule for rule in list(globals().values()) if isinstance(rule, Rule)}
"""By name."""
