"""The OpenAPI document of the detection API, served at `/openapi.json` and fuzzed from in the tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from screentest import detection
from screentest.detection.api.paths import HEALTH, OPENAPI, PICTURES
from screentest.detection.models import BUILT_IN, ModelSpec

_Json = dict[str, Any]

_ERRORS = {
    "400": "The request cannot be answered: a parameter, the URL or the picture file is invalid. "
    "With `--verdict-status 400`, rejections too.",
    "401": "No key, or a wrong one.",
    "403": "`X-DashScope-Async: enable` was sent; detectors answer synchronously only.",
    "404": "No such model.",
    "413": "The request body is larger than 64 KiB.",
    "429": "Every place is taken; try again later.",
    "431": "The headers are larger than 64 KiB; the connection is closed.",
    "500": "A defect of the server.",
    "501": "The body has a transfer coding other than `chunked`; the connection is closed.",
}

_SENT_ERRORS = {status: text for status, text in _ERRORS.items() if status != "413"} | {
    "403": "A page of another origin sent it to a server that needs no key.",
}


def document(models: Iterable[ModelSpec] = BUILT_IN) -> _Json:
    """The document of a server that offers `models`, OpenAPI 3.1."""
    models = tuple(models)
    by_path: dict[str, list[ModelSpec]] = {}
    for model in models:
        for path in model.paths:
            by_path.setdefault(path, []).append(model)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Screentest detection API",
            "version": detection.VERSION,
            "description": "Judges whether a portrait can drive a talking-head or dancing-figure video.",
        },
        "paths": {
            **{path: {"post": _operation(path, offered)} for path, offered in sorted(by_path.items())},
            PICTURES: {"post": _pictures(models)},
            HEALTH: {"get": _health()},
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
            "schemas": {**_schemas(), **_verdicts(models)},
        },
    }


def _operation(path: str, models: list[ModelSpec]) -> _Json:
    first, *rest = path.rpartition("/")[2].split("-")
    request = {
        "allOf": [
            {"$ref": "#/components/schemas/Request"},
            {"properties": {"model": {"enum": [model.name for model in models]}}},
        ]
    }
    return {
        "operationId": first + "".join(word.title() for word in rest),
        "summary": f"Judge one picture with {' or '.join(model.name for model in models)}.",
        "security": [{"key": []}, {}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": _answer("The verdict: passed or rejected.", "Verdict"),
            **{status: _answer(text, "Failure") for status, text in _ERRORS.items()},
        },
    }


def _pictures(models: tuple[ModelSpec, ...]) -> _Json:
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": ["picture"], "properties": {"picture": binary}}
    return {
        "operationId": "judgePicture",
        "summary": "Judge a picture that comes with the request. Not of the retired service.",
        "security": [{"key": []}, {}],
        "parameters": [
            {
                "name": "model",
                "in": "query",
                "required": True,
                "description": "A name as on the other paths, or a short one of the command line.",
                "schema": {"enum": [name for model in models for name in dict.fromkeys(_names(model))]},
            },
            {"name": "ratio", "in": "query", "schema": {"enum": ["1:1", "3:4"]}},
        ],
        "requestBody": {
            "required": True,
            "content": {"image/*": {"schema": binary}, "multipart/form-data": {"schema": form}},
        },
        "responses": {
            "200": _answer("The verdict: passed or rejected.", "Verdict"),
            **{status: _answer(text, "Failure") for status, text in _SENT_ERRORS.items()},
        },
    }


def _names(model: ModelSpec) -> tuple[str, str]:
    return model.name, model.short


def _plain(name: str, summary: str, schema: str | None) -> _Json:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _answer(summary, schema), "400": _answer("Not a GET.", "Failure")},
    }


def _health() -> _Json:
    operation = _plain("health", "Whether the server is up.", "Health")
    operation["responses"]["503"] = _answer("A detector cannot be replaced; `status` says why.", "Sick")
    return operation


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
                            "description": "Framing, of the detectors that take one; each offers the first or both.",
                        }
                    },
                },
            },
        ),
        "Failure": _object(
            ["code", "message", "request_id"],
            {"code": text, "message": text, "request_id": text},
            additionalProperties=False,
        ),
        "Health": _object(
            ["status", "version", "rules"], {"status": {"const": "ok"}, "version": text, "rules": text}
        ),
        "Sick": _object(["status", "version", "rules"], {"status": text, "version": text, "rules": text}),
    }


def _verdicts(models: tuple[ModelSpec, ...]) -> _Json:
    """The verdict, and each wire form's pass and rejection."""
    explain = {"explain": {"type": "object", "description": "With `--explain`: what was measured."}}
    forms: _Json = {}
    for model in models:
        for kind, parts in (("Pass", model.wire.passed), ("Reject", model.wire.rejected)):
            schema = {name: part.schema for name, part in parts.items()}
            forms[model.wire.name + kind] = _object(
                list(schema), {**schema, **explain}, additionalProperties=False
            )
    verdict = _object(
        ["output", "usage", "request_id"],
        {
            "output": {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in forms]},
            "usage": _object(["image_count"], {"image_count": {"const": 1}}),
            "request_id": {"type": "string"},
        },
        additionalProperties=False,
    )
    return {"Verdict": verdict, **forms}
