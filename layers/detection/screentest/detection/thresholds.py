"""Every threshold of the detectors, named, with its reason.

Reasons refer to the labelled pictures of `benchmarks/accuracy.py` ("the set"), by layers that had not seen a picture's
source, and to the labelling rules behind them. Where those leave a band open, the threshold lies in it: at the
end that keeps the named reason right when another fault is there too. No number was ever published by the service.
"""

from __future__ import annotations

from typing import NamedTuple

# Resolution, pixels.
PORTRAIT_SIDE_MIN = 400
"""EMO and Emoji, inclusive as the documents' prose says."""
PORTRAIT_SIDE_MAX = 7000
ANIMATE_SIDE_MIN = 225
"""AnimateAnyone's wire text is strict: larger than 224, smaller than 4096."""
ANIMATE_SIDE_MAX = 4095
LIVEPORTRAIT_SIDE_MAX = 4096
"""As documented, inclusive; no shortest side is."""
LIVEPORTRAIT_ASPECT_MAX = 2.0
EMOJI_JUDGED_SIDE_MIN = 64
"""Emoji names the deeper fault of a picture that is too small; below this nothing can be seen."""
ANIMATE_JUDGED_SIDES = (224, 4096)
"""AnimateAnyone's prose takes these two sizes, its wire text does not: the deeper fault is named there too."""

# Looking for faces and bodies. Sizes in parts of the longer side, scores 0 to 1.
FACE_CANDIDATE_MIN = 0.30
"""Doubtful faces are looked at again from near, so the first look may be generous."""
FACE_CANDIDATES = 8
FACE_SCORE_MIN = 0.50
SMALL_FACE = 0.10
"""Below 0.08 the detector's recall falls (88 portraits pasted on a canvas, found at every size from 0.08 up)."""
NEAR_REGION = 5.0
"""Face widths: the face fills a fifth of the second look, where recall is 1."""
FAR_REGION = 1.7
"""Longer sides: a close-up seen so becomes a face of ordinary share."""
SQUARES = 7
LONG_PICTURE = 1.7
"""Aspect from which rows of small faces are looked at square by square."""
HEAD_IN_SHOULDERS = 2.0
HEAD_IN_HEIGHT = 0.35
"""Where a body's head is looked for: so many shoulder widths or body heights wide."""
PRESENCE_MIN = 0.50
"""Of the mesh: faces from the front half read 0.95 and more, backs of heads below 0.02."""
PERSON_SCORE_MIN = 0.20
TURNED_FACE_SCORE_MIN = 0.60
"""Lying faces read 0.75 and more when the picture is turned, textures 0.53."""
UPRIGHT_SCORE_SURE = 0.88
"""Faces on their heads that pass for upright read up to 0.87 (58 portraits turned by half)."""
UPRIGHT_ROLL_MAX = 60.0
UPRIGHT_REGION = 2.5
"""Face widths."""
UPSIDE_DOWN_LEAD = 0.08
"""Of the turned face's score: 0.11 and more for 29 of 30, masked upright faces up to 0.07."""

# A person at all.
PERSON_SCORE_SURE = 0.35
"""With a head: no animal or object of the set reaches 0.25."""
PERSON_SCORE_FAINT = 0.12
RESIDUAL_SURE = 0.38
"""Mean distance of the mesh from the canonical face, cm: animals 0.45 to 0.66, mannequins 0.70, people 0.25 to 0.5."""
RESIDUAL_MAX = 0.60


class NobodyWitnesses(NamedTuple):
    """Weights of log-odds."""

    scene: float
    look: float
    bias: float


NOBODY_WITNESSES = NobodyWitnesses(0.58, 1.57, -2.06)
"""Fitted on pictures that face and body leave open (training/people), on odds that saw none of a picture's
repository."""
NOBODY_MAX = 0.38
"""By weights that had not seen their source, of what face and body leave open: of 308 pictures with people five read
more, of 62 with none one less (at even odds three and three); a close-up of a cat 0.42."""
KEYPOINT_MIN = 0.30
"""MoveNet's usual limit; the heads of bodies without one stay below 0.2."""

# Several persons.
FACE_SCORE_COUNTED = 0.60
OTHER_FACE_SIZE_MIN = 0.35
OTHER_PERSON_SIZE_MIN = 0.35
"""In parts of the main person: smaller ones are people in the background, which the labelling leaves open."""
OTHER_HEAD_SCORE_MIN = 0.20
OTHER_PERSON_SCORE_MIN = 0.13
"""A second body with a head of its own: single persons of the set never show one above 0.10."""

HEADS_APART = 0.8
"""Face widths."""


class SeveralWitnesses(NamedTuple):
    """Weights of log-odds."""

    scene: float
    second: float
    counted: float
    bias: float


SEVERAL_WITNESSES = SeveralWitnesses(0.79, 3.01, 0.74, -1.08)
"""Fitted on the labelled pictures (training/scene), on scene odds that saw none of the picture's repository."""
SEVERAL_MAX = 0.36
"""By weights that had not seen their source, where nothing else is wrong: single persons of 1,330 good pictures up to
0.33 but for four with a screen, photographs or paintings about them (0.51 to 0.98), two people 0.39 and more but for
four of 161."""
SECOND_PERSON_PLAIN = 0.5
"""Score of a face or body: by a scene layer that had not seen their source the labels agree on several people in 127 of
143 pictures where the second one reads more, else in 24 of 50; the others show people in the background, and often
another fault."""
BACK_SURE = 0.7
"""Of the scene, where no face is seen: backs 0.53 to 1.00, other hidden faces up to 0.57."""

# Face size, longer side of the face box in shorter sides of the picture. Open: 0.07 to 0.13 (3:4: 0.05 to 0.08) and
# 0.72 to 0.84; the box itself varies by a tenth.
FACE_SHARE_MIN = 0.068
FACE_SHARE_MIN_HALF_BODY = 0.052
FACE_SHARE_MAX = 0.84
"""Where the labelling begins to fail it; the largest good one reads 0.83."""

# Light and sharpness of the face.
BRIGHTNESS_MIN = 42.0
"""Mean luma: labelled dark 5 to 22, silhouettes that the eye calls dark 39 to 51; dim faces, 27 to 43, are left open;
the darkest good ones, of dark-skinned people, 55 and 57."""
BLUR_MAX = 1.6
"""% of the face's width, by networks that had not seen the picture's source: labelled blurred 1.75 and more, good faces
up to 1.44 and but for three up to 1.03, whatever their size."""
BLUR_WIPES_OUT = 5.0
"""Where the mesh sees no face: backs of heads read up to 2.7, faces that blur has wiped out 7."""

# Head pose, degrees as measured: the mesh shows a turn smaller than it is (a true 50 reads about 38).


class YawWitnesses(NamedTuple):
    """Degrees: of the mesh's pose; of the nose off the middle, in parts of the face; of the ears, in distances of the
    eyes."""

    pose: float
    nose: float
    ears: float


YAW_WITNESSES = YawWitnesses(0.6, 24.0, 3.0)
"""Between the ratios that logistic regressions of heads turned by more than 50 (1 : 136 : 8.5) and by more than 35
(1 : 33 : 2.1) give, and such that heads turned by 20 to 35 read what the mesh's pose alone reads."""
YAW_POSE_MAX = 90.0
YAW_NOSE_MAX = 1.2
YAW_EARS_MAX = 3.0
"""Beyond which a witness says no more."""
YAW_MAX = 40.0
"""Good pictures read up to 39.4 but for one of 963 (44); of 82 heads turned by more than 50 all but seven read more."""
YAW_DOUBTFUL = 25.0
"""Small heads turned by 45 to 58 read 22 to 27."""
NOSE_SHIFT_MAX = 0.46
"""Eye distances from the middle of the eyes to the nose, which stands for `YAW_MAX`: heads turned by more than 50 read
0.48 to 1.3, good pictures up to 0.36, the band that is left open up to 0.45."""
YAW_IN_DOUBT = (14.0, 34.0)
"""Where it is asked how the face looks: good pictures read less but for 48 of 662, heads turned by more than 35 mostly
more."""
TURNED_LOOK_UNASKED = 3.0
"""Log-odds outside of it."""


class TurnedWitnesses(NamedTuple):
    """Weights of degrees and of log-odds."""

    yaw: float
    look: float
    bias: float


TURNED_WITNESSES = TurnedWitnesses(0.237, 0.36, -7.01)
NOT_FRONTAL_MAX = 0.25
"""By weights that had not seen their source, where nothing else is wrong: good pictures up to 0.22 but for three of
921, heads turned by more than 35 degrees 0.28 and more but for three of 177."""
ROLL_MAX = 25.0
"""Labelled open from 15 to 25. Good ones read up to 24.9, those labelled more 25.5 and above but for one."""
ROLL_MAX_EMOJI = 17.0
"""Labelled open from 12 to 20."""
ROLL_MAX_LYING = 45.0
"""Where documents ask for a frontal face and say nothing of a tilt: nearer to lying than to upright."""
PITCH_NEUTRAL = 4.0
"""What ordinary pictures read in the median."""
PITCH_MAX = 28.0
"""The labelling never fails a pitch; Emoji's good pictures read up to 18."""
PITCH_MAX_EMO = 36.0
"""Three good pictures, half figures, read 28 to 31; no unusable one of the set passes for it that 28 would reject."""

# What covers the face.
MASK_MAX = 0.5
"""Real masks of the set 0.91 to 1.00, bare faces up to 0.18."""
NETWORK_ODDS_MAX = 8.0
"""Log-odds of our own network beyond which it is not surer, where witnesses are weighed."""
SUNGLASSES_HINT = 0.12
"""Of the network, below which nobody else is asked: 164 of 167 with sunglasses read more, and one good picture in
fifteen."""


class SunglassesWitnesses(NamedTuple):
    """Weights of log-odds."""

    network: float
    appearance: float
    bias: float


SUNGLASSES_WITNESSES = SunglassesWitnesses(0.39, 0.95, -1.35)
SUNGLASSES_MAX = 0.65
"""By weights that had not seen their source: of 98 portraits with sunglasses and a hint of them 88 read more, of 282
others with a hint three; 0.6 to 0.7 does the same within two pictures."""
OBJECT_MAX = 0.5
"""A bar over the eyes 0.92; faces with a microphone or cut by the frame up to 0.46, others up to 0.31."""
FEATURE_CONTRAST_MIN = 0.10
"""Bars of any colour over eyes or mouth read up to 0.06, opaque sunglasses up to 0.11, good pictures 0.23 and more."""
AROUND_FACE = 1.6
"""Sides of the face's region: chin, neck, hair and hands beside them."""
COVERED_HINT = -0.5
"""Log-odds of the layer that costs nothing, below which the other is not asked: one good picture in seventeen reads
more, and 135 of 141 with something before the face."""
COVERED_RARE = -3.0
"""What makes its odds, at even chances, those of an ordinary picture."""
COVERED_MAX = 0.5
"""By weights that had not seen their source: no good picture reads more, one more than 0.45; of 103
portraits with something before the face, or that cut it, 80."""
HAND_REGION = 2.6
"""Face sizes."""
PALM_SCORE_MIN = 0.20
"""Whether it is a hand is decided by the look from near: two hands of 24 that were missed are palms of 0.2 to 0.3."""
PALMS = 3
HAND_PRESENCE_MIN = 0.75
"""Hands at heads read 0.85 to 1.00, collars and hair below 0.5."""
HAND_HINT = -1.5
"""Log-odds of the layer that costs nothing, below which nobody looks for hands at the head."""
HAND_UNLIKELY = -2.5
"""Log-odds of the look, below which palms are not looked for."""
HAND_LOOK_UNASKED = -4.0
HAND_ODDS_MAX = 6.0
HAND_AT_HEAD = 0.84
"""Face sizes from the face's centre: hands at the head up to 0.72; raised beside it, which is open, 0.53 to 0.84."""
NO_HAND_DISTANCE = 9.0


class HandWitnesses(NamedTuple):
    """Weights of log-odds, and of whether a hand or a wrist is near."""

    look: float
    surest: float
    near: float
    bias: float


HAND_WITNESSES = HandWitnesses(0.68, 0.25, 1.88, -0.56)
HAND_NEAR_FACE_MAX = 0.3
"""By weights that had not seen their source: of 662 good pictures three read more, seven more than 0.2; of 192 with a
hand at the head 165."""
EXPRESSION_MAX = 0.5
"""Half of what makes one of the next five signs exaggerated."""
# Each sign's limit on a calm face and in a full smile. Smiles: 215 faces that another data set calls happy; laughter
# passes, and each limit lies where 3 % of them do, or above.
SMILE_FULL = 0.5
"""Of the blendshapes, mean of both sides."""
MOUTH_OPEN = (0.32, 0.42)
"""Height of the open mouth in its widths: good pictures up to 0.21, shouts 0.38 and more; laughs 0.31 (a tenth of
them), shouts that smile 0.43 and more."""
JAW_OPEN = (0.25, 0.37)
"""Blendshapes from here on: good pictures up to 0.19, shouts 0.26 and more; laughs 0.33."""
LIP_DOWN = (0.40, 0.85)
"""In a smile teeth show, and the lower lip goes down: 0.77."""
MOUTH_STRETCHED = (0.40, 0.70)
"""Laughs 0.66."""
EYES_SHUT = (0.45, 0.58)
"""Mean of both eyes: good pictures up to 0.38, screwed up 0.48 and more; laughs 0.55; closed and winking eyes are left
open."""

# Frame.
FOREHEAD_ROOM = 0.13
"""Face heights above the mesh, so that a cut forehead counts and a cut crown (left open) does not."""
HEAD_MARGIN_MIN = -0.04
"""Whole faces of the set 0.04 and more, cut ones -0.05 and less. Portraits cut on purpose read what is cut: by a tenth
of the face at a side -0.05 to -0.13, at its edge -0.01 to 0.02, by a twentieth at the chin -0.02 to -0.05, half a face
-0.4 and less."""
SHOULDER_ROOM_MIN = 0.20
"""Face sizes below the face box."""
HIPS_FAINT = 0.20
HIPS_GUESSED = 0.12
"""Where the frame reaches far enough for hips: chest crops above a wall or a table read up to 0.10, hips 0.13 and more
but for one of 395."""
HIPS_DEPTH_MIN = 2.35
"""Face sizes below the face: chest crops up to 2.2, hips inside from 2.44."""
CHEST_DEPTH_MIN = 1.6
"""Face sizes below the face."""

# Body (AnimateAnyone).
POSE_PRESENCE_MIN = 0.5
"""BlazePose's own word that a body is where MoveNet and the face say: what its detector was asked for before."""
VISIBILITY_MIN = 0.50
"""Of BlazePose's points. Knees of sitters that MoveNet does not see read 0.54 and more, invented ones up to 0.47."""


class SideWitnesses(NamedTuple):
    """Weights of log-odds; yaw in tens of degrees."""

    scene: float
    yaw: float
    bias: float


SIDE_WITNESSES = SideWitnesses(0.78, 0.31, -0.13)
SIDE_YAW = (10.0, 90.0)
SIDE_YAW_UNKNOWN = 25.0
SIDE_MAX = 0.69
"""By weights that had not seen their source: good pictures up to 0.65 but for two of 332 (0.71 and 0.83); most side
views are turned heads as well, and those are told by the head: the others 0.71 and more but for two."""
HIPS_APART_MAX = 0.45
"""Face sizes that BlazePose's hips may lie above MoveNet's: invented bodies 0.5 and more, real sitters below 0.35."""


class SeatedWitnesses(NamedTuple):
    """Weights of log-odds; bent in tens of degrees from `STANDING_ANGLE`, 0 where the angle is not known."""

    scene: float
    bent: float
    bias: float


SEATED_WITNESSES = SeatedWitnesses(1.05, 0.68, 0.65)
STANDING_ANGLE = 140.0
"""Degrees between torso and thigh: standing 144 and more, sitting and squatting 35 to 134."""
SEATED_BENT = (-2.0, 4.0)
SEATED_MAX = 0.70
"""By weights that had not seen their source: good pictures up to 0.69 but for two of 332 (0.90 and 0.95); sitting with
the hips in the frame, in pictures that nothing else rejects, 0.71 and more but for five of 64 (0.15 to 0.62)."""
KNEES_SEEN = 0.35
"""Of MoveNet's."""
KNEES_DOUBTFUL = 0.20
KNEES_TOO_HIGH = 0.12
"""Thigh lengths by which BlazePose's knees lie above MoveNet's."""
SHIN_SHARE_MAX = 0.20
"""Thigh lengths: cut half-way down the shins 0.38 and more but for one (0.23), good ones up to 0.16; at the knees (left
open) nearly all up to 0.29."""
ANKLE_SURE = 0.80
"""Visibility: real ankles 0.82 and more, ankles invented at the edge of a frame that ends above them 0.50 to 0.79."""
FOOT_ROOM = 0.12
"""Thigh lengths below a doubtful ankle: for the foot."""
WHOLE_SHINS = 1.15
"""From here a whole shin is in the frame although its ankle is not seen: a hem or shoes hide it."""
FIGURE_DEPTH = 8.5
"""Face sizes below the face: 17 whole figures whose ankles are not seen, mostly under long dresses, 8.8 and more, good
ones to the knees at most up to 6.8."""
TORSO_DEPTH = 3.2
TORSO_SHARE_MIN = 0.50
"""Waist crops 0.75 and more; crops between chest and shoulders are left open; close-ups 0."""

# What a person's appearance is read from, and what it says (training/held).
KEYPOINT_FAINT = 0.20
PERSON_REGION = 1.12
"""Longer sides of the box about face and body."""
TORSO_REGION = 5.0
TORSO_BELOW = 1.6
"""Face sizes: the region's side, and its middle below the face; from the chin to the hips of a standing person."""
TORSO_SHOWN = 0.35
"""Of the region's side, that the frame shows below its middle at least."""
TORSO_IN_PERSON = 0.6
"""Without a face, in parts of the person's region."""
WRIST_FAINT = 0.15
HAND_BEYOND_WRIST = 0.35
"""Forearms."""
HANDS_ROOM = 1.8
HANDS_REGION = (2.4, 5.0)
"""Face sizes: what is seen about the hands beside the way from one to the other, and the least and the most of both."""
HANDS_IN_TORSO = 0.6
"""Where no wrist is seen, in parts of the torso's region."""
HELD_UNLIKELY = -0.7
"""Log-odds by the hands alone, below which the person is not looked at: three of four good pictures; the lowest with
something large held that nothing else rejects reads -0.37."""
HELD_MAX = 0.78
"""By weights that had not seen their source: of 332 good pictures two read more (0.79 and 0.76 to 0.84 by division), of
23 with something large held that nothing else rejects 20."""
