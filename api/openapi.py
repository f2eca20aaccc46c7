"""The OpenAPI description of the API, made from the model card."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import models_json_schema

from inference.card import Feature, ModelCard
from inference.contract import MAX_BODY_BYTES, MAX_INSTANCES, answer

_REFERENCE = "#/components/schemas/{model}"

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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorDetail(_Strict):
    """One thing wrong with the request, and where."""

    field: str
    message: str


class Error(_Strict):
    code: str = Field(description="What kind of refusal; stable, for programs.")
    message: str = Field(description="The refusal in words; never repeats the input.")
    details: list[ErrorDetail] = Field(default=[], description="What is wrong, field by field; at most 20.")


class ErrorReply(_Strict):
    error: Error


class Health(_Strict):
    status: str
    service: str
    model_version: str


class Root(_Strict):
    service: str
    status: str
    model_loaded: bool
    model: str
    model_version: str
    links: dict[str, str]


class Serving(_Strict):
    """The process that answered, and what it was told of its deployment."""

    service: str
    runtime: str
    python: str
    libraries: dict[str, str]
    machine: str
    platform: dict[str, str | None]
    deployment: dict[str, str | None]
    cgroup: dict[str, float | None]
    instance_id: str
    instance_age_ms: int
    requests_served: int


class ModelInfo(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_type: str
    model_version: str
    input_features: int
    output_classes: int = Field(description="0 for a regressor.")
    class_names: list[str]
    feature_names: list[str]
    card: dict[str, Any] = Field(description="The model card, whole.")
    serving: Serving


def describe(card: ModelCard) -> dict[str, Any]:
    """OpenAPI 3.1 for every route of the API, with an example of each accepted body and its answer's shape."""
    measurement, features, instances = _request_models(card)
    prediction, predictions = _reply_models(card)
    models = (measurement, features, instances, prediction, predictions, ErrorReply, Health, Root, ModelInfo)
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    predict = {
        "summary": "Predict",
        "tags": ["prediction"],
        "description": f"Measurements in, answer out. A batch holds 1 to {MAX_INSTANCES} instances.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_ref(measurement), _ref(features), _ref(instances)]},
                    "examples": _examples(card),
                }
            },
        },
        "responses": {
            "200": _json(
                "The answer.",
                {"oneOf": [_ref(prediction), _ref(predictions)]},
                example=answer(card, card.known_answers[0].outputs),
            ),
            **{str(status): _error(*error) for status, error in _ERRORS.items()},
        },
    }
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
                "get": _get("root", "What this is", _ref(Root)),
                "post": {**predict, "operationId": "predict_at_root", "summary": "Predict, as a function's URL does"},
            },
            "/health": {"get": _get("health", "200 only with a verified, self-tested model in memory", _ref(Health))},
            "/model-info": {"get": _get("model_info", "The model card and the serving facts", _ref(ModelInfo))},
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _request_models(card: ModelCard) -> tuple[type[BaseModel], type[BaseModel], type[BaseModel]]:
    fields: dict[str, Any] = {feature.name: (float, _field(feature)) for feature in card.features}
    measurement = create_model("Measurement", __base__=_Strict, __doc__="Features by name.", **fields)
    count = len(card.features)
    listed = list[float]
    features = create_model(
        "Features",
        __base__=_Strict,
        __doc__=f"Features as a list, in this order: {', '.join(card.feature_names)}.",
        features=(listed, Field(min_length=count, max_length=count, examples=[list(card.defaults)])),
    )
    instance = measurement | features | listed
    instances = create_model(
        "Instances",
        __base__=_Strict,
        __doc__="A batch; one bad instance refuses it whole and is named by its index.",
        instances=(list[instance], Field(min_length=1, max_length=MAX_INSTANCES)),  # type: ignore[valid-type]
    )
    return measurement, features, instances


def _field(feature: Feature) -> Any:
    limits = feature.limits
    lower = {"gt": limits.minimum} if limits.minimum_is_exclusive else {"ge": limits.minimum}
    return Field(
        **lower,
        le=limits.maximum,
        title=feature.title,
        examples=[feature.default],
        json_schema_extra={"unit": feature.unit},
    )


def _reply_models(card: ModelCard) -> tuple[type[BaseModel], type[BaseModel]]:
    fields: dict[str, Any] = {"model_version": (str, ...)}
    if card.is_classifier:
        probability = Field(ge=0, le=1)
        fields |= {
            "prediction": (int, Field(ge=0, lt=len(card.classes), description="Index of the class.")),
            "prediction_label": (str, Field(json_schema_extra={"enum": list(card.classes)})),
            "confidence": (float, Field(ge=0, le=1, description="Probability of the predicted class.")),
            "probabilities": (
                create_model(
                    "Probabilities", __base__=_Strict, **{name: (float, probability) for name in card.classes}
                ),  # type: ignore[call-overload]
                ...,
            ),
        }
    else:
        fields["prediction"] = (float, Field(description=f"{card.target_label} {card.target_unit}".strip()))
    prediction = create_model("Prediction", __base__=_Strict, **fields)
    predictions = create_model(
        "Predictions",
        __base__=_Strict,
        predictions=(list[prediction], ...),
        model_version=(str, ...),  # type: ignore[valid-type]
    )
    return prediction, predictions


def _examples(card: ModelCard) -> dict[str, Any]:
    inputs = [list(preset.values) for preset in card.presets] or [list(card.defaults)]
    named = dict(zip(card.feature_names, inputs[0], strict=True))
    return {
        "named": {"summary": "Features by name", "value": named},
        "features": {"summary": "Features as a list", "value": {"features": inputs[0]}},
        "instances": {"summary": "A batch", "value": {"instances": inputs}},
    }


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _json(description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {
            name: {"schema": {"type": kind}, "description": meaning} for name, (kind, meaning) in _HEADERS.items()
        },
        "content": {"application/json": {"schema": schema, **more}},
    }


def _error(code: str, message: str) -> dict[str, Any]:
    return _json(message, _ref(ErrorReply), example={"error": {"code": code, "message": message}})


def _get(operation: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["about"],
        "responses": {"200": _json("OK", schema)},
    }
