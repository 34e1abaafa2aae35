"""Codes and literal wire messages of the detection API.

Source: the retired service's tables of codes. Texts that one detector alone answers are in its module.
The texts are what the service sent, spelling included; clients may compare them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Code(StrEnum):
    """Why a picture was rejected."""

    NO_HUMAN = "InvalidFile.NoHuman"
    MULTI_HUMAN = "InvalidFile.MultiHuman"
    BODY_PROPORTION = "InvalidFile.BodyProportion"
    RESOLUTION = "InvalidFile.Resolution"
    VALUE = "InvalidFile.Value"
    FRONT_BODY = "InvalidFile.FrontBody"
    FULL_FACE = "InvalidFile.FullFace"
    FACE_POSE = "InvalidFile.FacePose"
    FULL_BODY = "InvalidFile.FullBody"
    CONTENT = "InvalidFile.Content"
    BODY_POSE = "InvalidFile.BodyPose"
    ASPECT_RATIO = "InvalidFile.AspectRatio"


PORTRAIT: Mapping[str, str] = {
    Code.NO_HUMAN: "The input image has no human body. Please upload other image with single person.",
    Code.MULTI_HUMAN: "The input image has multi human bodies. Please upload other image with single person.",
    Code.BODY_PROPORTION: (
        "The proportion of the detected person in the picture is too large or too small, please upload other image."
    ),
    Code.RESOLUTION: (
        "The image resolution is invalid, please make sure that the largest length of image is smaller than 7000, "
        "and the smallest length of image is larger than 400."
    ),
    Code.VALUE: "The value of the image is invalid, please upload other clearer image.",
    Code.FRONT_BODY: (
        "The pose of the detected person is invalid, please upload other image with the front view."
    ),
    Code.FULL_FACE: "The pose of the detected face is invalid, please upload other image with whole face.",
    Code.FACE_POSE: (
        "The pose of the detected face is invalid, please upload other image with the expected oriention."
    ),
    Code.FULL_BODY: (
        "The pose of the detected person is invalid, please upload other image with whole body, "
        "or change the ratio parameter to 1:1."
    ),
}
"""The literal message for each code of EMO and Emoji."""

IMAGE_URL_MISSING = (
    "The request is missing required parameters or in a wrong format, please check the parameters "
    "that you send."
)
"""What EMO and Emoji answer to a request without a picture's URL."""
