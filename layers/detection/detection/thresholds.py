"""Every threshold of the detectors, named, with its reason. Units are in the names or beside them."""

from __future__ import annotations

# Resolution, pixels. EMO and Emoji: the documents' prose is inclusive; AnimateAnyone: its wire text is strict.
PORTRAIT_SIDE_MIN = 400
PORTRAIT_SIDE_MAX = 7000
EMOJI_JUDGED_SIDE_MIN = 64
ANIMATE_SIDE_MIN = 225
ANIMATE_SIDE_MAX = 4095

# Looking for faces and bodies.
FACE_CANDIDATE_MIN = 0.30
FACE_CANDIDATES = 8
FACE_SCORE_MIN = 0.50
SMALL_FACE = 0.10
NEAR_REGION = 5.0
FAR_REGION = 1.7
LONG_PICTURE = 1.7
HEAD_IN_SHOULDERS = 2.0
HEAD_IN_HEIGHT = 0.35
PRESENCE_MIN = 0.50
PERSON_SCORE_MIN = 0.20

# Somebody at all.
PERSON_SCORE_SURE = 0.35
FACE_SCORE_SURE = 0.70
RESIDUAL_SURE = 0.45
RESIDUAL_MAX = 0.60
BODY_SCORE_MIN = 0.40
BODY_SCORE_SURE = 0.50

# Several.
FACE_SCORE_COUNTED = 0.60
OTHER_FACE_SIZE_MIN = 0.35
OTHER_PERSON_SIZE_MIN = 0.35

# Face size, longer side of the face box in shorter sides of the picture.
FACE_SHARE_MIN = 0.068
FACE_SHARE_MIN_HALF_BODY = 0.052
FACE_SHARE_MAX = 0.80

# Light and sharpness on the face.
FACE_LUMA_MIN = 29.0
SHARPNESS_MIN = 27.0
SHARPNESS_WIPED_OUT = 12.0

# Head pose, degrees as measured; the mesh shows a turn smaller than it is.
YAW_MAX = 38.0
YAW_MAX_EMOJI = 21.0
ROLL_MAX = 22.5
ROLL_MAX_EMOJI = 17.0
PITCH_NEUTRAL = 4.0
PITCH_MAX = 45.0

OCCLUSION_MAX = 0.5
HAND_PRESENCE_MIN = 0.75
HAND_REACH = 0.78
WRIST_REACH = 0.75
WRIST_WEIGHT = 2.5
PALM_SCORE_MIN = 0.30
EXPRESSION_MAX = 0.5

FOREHEAD_ROOM = 0.13
HEAD_MARGIN_MIN = -0.08
KEYPOINT_MIN = 0.30
VISIBILITY_MIN = 0.50
BODY_YAW_MAX = 55.0
TORSO_THIGH_MIN = 130.0
TORSO_SHARE_MIN = 0.50
SHIN_SHARE_MIN = 0.90
