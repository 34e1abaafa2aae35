"""The OpenAPI document of the detection API, served at `/openapi.json` and fuzzed from in the tests."""

from __future__ import annotations

from typing import Any

from screentest import detection
from screentest.detection.api.service import AA_DETECT, FACE_DETECT, HEALTH, OPENAPI
from screentest.detection.codes import Model

_Json = dict[str, Any]

_ERRORS = {
    "400": "The request cannot be answered: a parameter, the URL or the picture file is invalid. "
    "With `--verdict-status 400`, rejections too.",
    "401": "No key, or a wrong one.",
    "403": "`X-DashScope-Async: enable` was sent; detectors answer synchronously only.",
    "404": "No such model.",
    "413": "The request body is larger than 1 MiB.",
    "429": "Every place is taken; try again later.",
    "500": "A defect of the server.",
}


def document() -> _Json:
    """The document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Screentest detection API",
            "version": detection.VERSION,
            "description": "Judges whether a portrait can drive a talking-head or dancing-figure video, "
            "as emo-detect-v1, emoji-detect-v1 and animate-anyone-detect-gen2 did.",
        },
        "paths": {
            FACE_DETECT: {"post": _operation("faceDetect", list(Model))},
            AA_DETECT: {"post": _operation("aaDetect", [Model.ANIMATE_ANYONE])},
            HEALTH: {"get": _plain("health", "Whether the server is up.", "Health")},
            OPENAPI: {"get": _plain("openapi", "This document.", None)},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": {
                "request-id": {"description": "As `request_id`.", "schema": {"type": "string"}},
                "version": {"description": "Version of the server.", "schema": {"type": "string"}},
                "rules": {
                    "description": "Version of rules, thresholds and networks.",
                    "schema": {"type": "string"},
                },
            },
            "schemas": _schemas(),
        },
    }


def _operation(name: str, models: list[Model]) -> _Json:
    request = {
        "allOf": [
            {"$ref": "#/components/schemas/Request"},
            {"properties": {"model": {"enum": [str(model) for model in models]}}},
        ]
    }
    return {
        "operationId": name,
        "summary": f"Judge one picture with {' or '.join(models)}.",
        "security": [{"key": []}, {}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": _answer("The verdict: passed or rejected.", "Verdict"),
            **{status: _answer(text, "Failure") for status, text in _ERRORS.items()},
        },
    }


def _plain(name: str, summary: str, schema: str | None) -> _Json:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _answer(summary, schema), "400": _answer("Not a GET.", "Failure")},
    }


def _answer(text: str, schema: str | None) -> _Json:
    return {
        "description": text,
        "headers": {
            "x-request-id": {"$ref": "#/components/headers/request-id"},
            "x-screentest-version": {"$ref": "#/components/headers/version"},
            "x-screentest-rules": {"$ref": "#/components/headers/rules"},
        },
        "content": {
            "application/json": {
                "schema": {"type": "object"} if schema is None else {"$ref": f"#/components/schemas/{schema}"}
            }
        },
    }


def _object(required: list[str], properties: _Json, **more: Any) -> _Json:
    return {"type": "object", "required": required, "properties": properties, **more}


def _schemas() -> _Json:
    text: _Json = {"type": "string"}
    box = {
        "type": "array",
        "items": {"type": "integer", "minimum": 0},
        "minItems": 4,
        "maxItems": 4,
        "description": "x1, y1, x2, y2 in pixels of the upright picture.",
    }
    explain = {"explain": {"type": "object", "description": "With `--explain`: what was measured."}}
    reject = {"code": text, "message": text, **explain}
    return {
        "Request": _object(
            ["model", "input"],
            {
                "model": text,
                "input": _object(
                    ["image_url"],
                    {"image_url": {"type": "string", "format": "uri", "description": "http or https."}},
                ),
                "parameters": {
                    "type": "object",
                    "properties": {
                        "ratio": {
                            "type": "string",
                            "enum": ["1:1", "3:4"],
                            "default": "1:1",
                            "description": "Head or half body; 3:4 for emo-detect-v1 alone.",
                        }
                    },
                },
            },
        ),
        "Verdict": _object(
            ["output", "usage", "request_id"],
            {
                "output": {
                    "oneOf": [
                        {"$ref": f"#/components/schemas/{name}"}
                        for name in ("EmoPass", "EmoReject", "EmojiPass", "EmojiReject", "AaPass", "AaReject")
                    ]
                },
                "usage": _object(["image_count"], {"image_count": {"const": 1}}),
                "request_id": text,
            },
            additionalProperties=False,
        ),
        "EmoPass": _object(
            ["check_pass", "humanoid", "face_bbox", "ext_bbox"],
            {
                "check_pass": {"const": True},
                "humanoid": {"type": "boolean"},
                "face_bbox": box,
                "ext_bbox": box,
                **explain,
            },
            additionalProperties=False,
        ),
        "EmoReject": _object(
            ["check_pass", "humanoid", "code", "message"],
            {"check_pass": {"const": False}, "humanoid": {"type": "boolean"}, **reject},
            additionalProperties=False,
        ),
        "EmojiPass": _object(
            ["bbox_face", "ext_bbox_face"],
            {"bbox_face": box, "ext_bbox_face": box, **explain},
            additionalProperties=False,
        ),
        "EmojiReject": _object(["code", "message"], reject, additionalProperties=False),
        "AaPass": _object(
            ["check_pass", "bodystyle"],
            {"check_pass": {"const": True}, "bodystyle": {"enum": ["full", "half"]}, **explain},
            additionalProperties=False,
        ),
        "AaReject": _object(
            ["check_pass", "reason", "bodystyle"],
            {"check_pass": {"const": False}, "reason": text, "bodystyle": {"const": ""}, **explain},
            additionalProperties=False,
        ),
        "Failure": _object(
            ["code", "message", "request_id"],
            {"code": text, "message": text, "request_id": text},
            additionalProperties=False,
        ),
        "Health": _object(
            ["status", "version", "rules"], {"status": {"const": "ok"}, "version": text, "rules": text}
        ),
    }
