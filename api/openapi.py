"""The OpenAPI 3.1 description of the API, made from the model card: a pure function, card in, document out.

Written directly as JSON Schema: bounds, names and classes come from the card at run time, and the hot path has its own
validation, so pydantic models would only be a detour to the same dictionaries.
"""

from collections.abc import Mapping
from typing import Any

from inference.card import CategoryFeature, Feature, ModelCard
from inference.contract import MAX_BODY_BYTES, MAX_DETAILS, MAX_INSTANCES, TEST_TRAFFIC, TRAFFIC_HEADER, answer

Schema = dict[str, Any]

_ERRORS = {
    400: ("malformed_json", "The body is not JSON."),
    413: ("too_large", f"The body is larger than {MAX_BODY_BYTES} bytes."),
    415: ("unsupported_media_type", "Send JSON in UTF-8 with the header Content-Type: application/json."),
    422: ("invalid_input", "The input is not valid."),
    500: ("internal", "The request could not be answered. It is not your input; try again."),
}

_HEADERS = {
    "Server-Timing": ("string", "Durations in ms: `parse`, `model` and `total`."),
    "X-Instance-Id": ("string", "Which process answered."),
    "X-Instance-Age-Ms": ("integer", "How long that process has been running."),
    "X-Request-Count": (
        "integer",
        "Prediction requests that it has had, this one included. 1 and young: a cold start.",
    ),
}

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}


def describe(card: ModelCard) -> dict[str, Any]:
    """The whole document: every route, with an example of each accepted body and of each answer."""
    predict = _predict(card)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": card.title,
            "version": card.version,
            "description": f"{card.target_label} by {card.model_type}.",
        },
        "paths": {
            "/predict": {"post": {**predict, "operationId": "predict"}},
            "/": {
                "get": _get("root", "What this is", "Root"),
                "post": {**predict, "operationId": "predict_at_root", "summary": "Predict, as a function's URL does"},
            },
            "/health": {"get": _get("health", "200 only with a verified, self-tested model in memory", "Health")},
            "/model-info": {"get": _get("model_info", "The model card and the serving facts", "ModelInfo")},
        },
        "components": {"schemas": _schemas(card)},
    }


def _predict(card: ModelCard) -> dict[str, Any]:
    inputs = [list(preset.values) for preset in card.presets] or [list(card.defaults)]
    named = dict(zip(card.feature_names, inputs[0], strict=True))
    return {
        "summary": "Predict",
        "tags": ["prediction"],
        "description": f"Measurements in, answer out. A batch holds 1 to {MAX_INSTANCES} instances.",
        "parameters": [
            {
                "name": TRAFFIC_HEADER.title(),
                "in": "header",
                "required": False,
                "schema": _TEXT,
                "description": f"`{TEST_TRAFFIC}`: this request measures or audits. It is answered as any other, and "
                "`/metrics` counts it apart.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_ref("Measurement"), _ref("Features"), _ref("Instances")]},
                    "examples": {
                        "named": {"summary": "Features by name", "value": named},
                        "features": {"summary": "Features as a list", "value": {"features": inputs[0]}},
                        "instances": {"summary": "A batch", "value": {"instances": inputs}},
                    },
                }
            },
        },
        "responses": {
            "200": _json(
                "The answer.",
                {"oneOf": [_ref("Prediction"), _ref("Predictions")]},
                example=answer(card, card.known_answers[0].outputs),
            ),
            **{
                str(status): _json(message, _ref("Error"), example={"error": {"code": code, "message": message}})
                for status, (code, message) in _ERRORS.items()
            },
        },
    }


def _schemas(card: ModelCard) -> dict[str, Schema]:
    count = len(card.features)
    listed = {
        "type": "array",
        "prefixItems": [_feature(feature) for feature in card.features],
        "items": False,
        "minItems": count,
        "maxItems": count,
    }
    order = ", ".join(card.feature_names)
    return {
        "Measurement": {
            **_object({feature.name: _feature(feature) for feature in card.features}),
            "description": "The features by name.",
        },
        "Features": {
            **_object({"features": {**listed, "examples": [list(card.defaults)]}}),
            "description": f"The features as a list, in this order: {order}.",
        },
        "Instances": {
            **_object(
                {
                    "instances": {
                        "type": "array",
                        "items": {"oneOf": [_ref("Measurement"), _ref("Features"), listed]},
                        "minItems": 1,
                        "maxItems": MAX_INSTANCES,
                    }
                }
            ),
            "description": "A batch; one bad instance refuses it whole and is named by its index.",
        },
        "Prediction": _prediction(card),
        "Predictions": _object({"predictions": _array(_ref("Prediction")), "model_version": _TEXT}),
        "Error": _object({"error": _error()}),
        "Health": _object({"status": {"const": "ok"}, "service": _TEXT, "model_version": _TEXT}),
        "Root": _object(
            {
                "service": _TEXT,
                "status": {"const": "healthy"},
                "model_loaded": {"const": True},
                "model": _TEXT,
                "model_version": _TEXT,
                "links": _map(_TEXT),
            }
        ),
        "ModelInfo": _object(
            {
                "model_type": _TEXT,
                "model_version": _TEXT,
                "input_features": _COUNT,
                "output_classes": {**_COUNT, "description": "0 for a regressor."},
                "class_names": _array(_TEXT),
                "feature_names": _array(_TEXT),
                "card": {"type": "object", "description": "The model card, whole."},
                "serving": _serving(),
            }
        ),
    }


def _feature(feature: Feature) -> Schema:
    if isinstance(feature, CategoryFeature):
        return _category(feature)
    limits = feature.limits
    return {
        "type": ["number", "null"] if feature.accepts_missing else "number",
        "title": feature.title,
        "exclusiveMinimum" if limits.minimum_is_exclusive else "minimum": limits.minimum,
        "maximum": limits.maximum,
        "examples": [feature.default],
    }


def _category(feature: CategoryFeature) -> Schema:
    about = {"title": feature.title, "examples": [feature.default]}
    null = [None] if feature.accepts_missing else []
    if feature.accepts_unknown:
        description = "The model ignores texts other than those it was trained on."
        return {"type": ["string", "null"] if null else "string", **about, "minLength": 1, "description": description}
    # Booleans and whole numbers may be written as JSON writes them.
    in_json: list[Any] = []
    if feature.type == "boolean":
        in_json = [name == "true" for name in feature.categories]
    elif feature.type == "integer":
        in_json = [int(name) for name in feature.categories]
    return {"enum": [*feature.categories, *in_json, *null], **about}


def _prediction(card: ModelCard) -> Schema:
    if not card.is_classifier:
        label = f"{card.target_label} ({card.target_unit})" if card.target_unit else card.target_label
        return _object({"prediction": {**_NUMBER, "description": label}, "model_version": _TEXT})
    return _object(
        {
            "prediction": {**_COUNT, "maximum": len(card.classes) - 1, "description": "Index of the class."},
            "prediction_label": {"enum": list(card.classes)},
            "confidence": {**_PROBABILITY, "description": "Probability of the predicted class."},
            "probabilities": _object(dict.fromkeys(card.classes, _PROBABILITY)),
            "model_version": _TEXT,
        }
    )


def _error() -> Schema:
    details = {
        **_array(_object({"field": _TEXT, "message": _TEXT})),
        "maxItems": MAX_DETAILS,
        "description": "What is wrong, field by field.",
    }
    return _object(
        {
            "code": {**_TEXT, "description": "What kind of refusal; stable, for programs."},
            "message": {**_TEXT, "description": "The refusal in words; never repeats the input."},
            "details": details,
        },
        optional=("details",),
    )


def _serving() -> Schema:
    """The process that answered, and its deployment."""
    return _object(
        {
            "service": _TEXT,
            "runtime": {"enum": ["linear", "onnx", "sklearn"]},
            "python": _TEXT,
            "libraries": _map(_TEXT),
            "machine": _TEXT,
            "platform": _map({"type": ["string", "null"]}),
            "deployment": _map({"type": ["string", "null"]}),
            "cgroup": _map({"type": ["number", "null"]}),
            "instance_id": _TEXT,
            "instance_age_ms": _COUNT,
            "requests_served": _COUNT,
            "startup_ms": _map({"type": ["number", "null"]}),
        }
    )


def _object(properties: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: Schema, **more: Any) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {
            name: {"schema": {"type": kind}, "description": meaning} for name, (kind, meaning) in _HEADERS.items()
        },
        "content": {"application/json": {"schema": schema, **more}},
    }


def _get(operation: str, summary: str, schema: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["about"],
        "responses": {"200": _json("OK", _ref(schema))},
    }
