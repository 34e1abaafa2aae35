"""Every threshold of the detectors, named, with its reason. Units are in the names or beside them."""

from __future__ import annotations

# Resolution, pixels. EMO and Emoji: the documents' prose is inclusive; AnimateAnyone: its wire text is strict.
PORTRAIT_SIDE_MIN = 400
PORTRAIT_SIDE_MAX = 7000
ANIMATE_SIDE_MIN = 225
ANIMATE_SIDE_MAX = 4095

# Persons.
PERSON_SCORE_MIN = 0.20
FACE_SCORE_MIN = 0.50
FACE_SCORE_COUNTED = 0.60
OTHER_FACE_SIZE_MIN = 0.35
OTHER_PERSON_SIZE_MIN = 0.35
WEAK_PERSON_SCORE = 0.35
PRESENCE_MIN = 0.50
PRESENCE_OF_WEAK_PERSON = 0.30

# Face size, longer side of the face box in shorter sides of the picture; middles of the bands that are left open.
FACE_SHARE_MIN = 0.10
FACE_SHARE_MIN_HALF_BODY = 0.065
FACE_SHARE_MAX = 0.78

# Light and sharpness on the face.
FACE_LUMA_MIN = 35.0
FACE_LUMA_P95_MIN = 90.0
SHARPNESS_MIN = 6.0

# Head pose, degrees.
YAW_MAX = 42.0
YAW_MAX_EMOJI = 27.0
ROLL_MAX = 20.0
ROLL_MAX_EMOJI = 16.0
PITCH_NEUTRAL = 4.0
PITCH_MAX = 45.0

OCCLUSION_MAX = 0.5
HAND_PRESENCE_MIN = 0.75
PALM_SCORE_MIN = 0.30
EXPRESSION_MAX = 0.5

FOREHEAD_ROOM_MIN = 0.05
KEYPOINT_MIN = 0.30
VISIBILITY_MIN = 0.50
BODY_YAW_BACK_MIN = 105.0
BODY_YAW_MAX = 60.0
TORSO_THIGH_MIN = 130.0
KNEE_MIN = 100.0
