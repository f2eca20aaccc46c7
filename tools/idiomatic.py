"""The model behind FastAPI as its documentation teaches it: what the usual code costs beside the API and the function.

    PORT=8001 python -m tools.idiomatic
    uvicorn --factory tools.idiomatic:create_app --port 8001

A pydantic body and response, the model loaded in the lifespan and injected with `Depends`, a `def` handler in the
thread pool, uvicorn with its defaults (its access log too). The artifact and its runtime are those of the other two
endpoints (MODEL_DIR, MODEL_RUNTIME), so that only the HTTP layer differs. It differs from their contract where the
idiom does:

- One form of body: the features by name. `features` and `instances` are refused.
- Refusals are FastAPI's: 422 with `{"detail": [...]}`, also for a body that is not JSON, and 400 if it is not
  UTF-8. They repeat no value. Of a field that is given twice, the last counts.
- No limit for the size of a body, no deadline for its arrival.
- No `/metrics`, no JSON log, and no headers `Server-Timing` and `X-Instance-*`: a client cannot tell cold from warm.
"""

import json
import os
import platform
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from api.settings import ListenSettings
from inference.card import CARD_FILE, CardError, CategoryFeature, Feature, ModelCard, parse_card
from inference.contract import answer
from inference.model import Model, load_model
from inference.settings import ServingSettings, SettingsError

SERVICE = "idiomatic-fastapi"
HOST = "127.0.0.1"
PORT = 8001
_DEFAULT_MODEL_DIR = Path(__file__).resolve().parents[1] / "artifacts" / "iris"


class Prediction(BaseModel):
    """The answer of a regressor."""

    prediction: float
    model_version: str


class ClassPrediction(BaseModel):
    """The answer of a classifier."""

    prediction: int
    prediction_label: str
    confidence: float
    probabilities: dict[str, float]
    model_version: str


class Health(BaseModel):
    status: str
    service: str
    model_version: str


class Measurement(BaseModel):
    """The base of the body: no unknown fields, and numbers that are numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def measurement_model(card: ModelCard) -> type[Measurement]:
    """The body for the features of `card`, in its order."""
    # Fields are named by position, because a feature may be called `copy` or `json`, as pydantic's own attributes are.
    fields: dict[str, Any] = {f"feature_{number}": _field(feature) for number, feature in enumerate(card.features)}
    return create_model("Measurement", __base__=Measurement, **fields)


def _field(feature: Feature) -> tuple[Any, Any]:
    """The type of one feature with its limits, and what else its field says."""
    kind: Any
    if isinstance(feature, CategoryFeature):
        kind = Annotated[str, Field(min_length=1)] if feature.accepts_unknown else Literal[feature.categories]
        kind = Annotated[kind, BeforeValidator(feature.read)]  # true and 3 are categories too
    else:
        limits = feature.limits
        bounds: dict[str, Any] = {"gt" if limits.minimum_is_exclusive else "ge": limits.minimum, "le": limits.maximum}
        kind = Annotated[float, Field(**bounds)]
    described = Field(alias=feature.name, title=feature.title, examples=[feature.default])
    return kind | None if feature.accepts_missing else kind, described


def loaded_model(request: Request) -> Model:
    """The dependency: what the lifespan has loaded."""
    model: Model = request.app.state.model
    return model


def create_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The application over the configured artifact. Raises SettingsError, CardError and OSError."""
    settings = ServingSettings.from_env(environ, default_model_dir=_DEFAULT_MODEL_DIR)
    card = parse_card(json.loads((settings.model_dir / CARD_FILE).read_bytes()))
    # Not an annotation of the handler: the type is known only when the card is.
    Body: Any = measurement_model(card)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.model = load_model(settings.model_dir, settings.runtime)
        yield

    app = FastAPI(title=card.title, version=card.version, lifespan=lifespan)
    Loaded = Annotated[Model, Depends(loaded_model)]

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> Response:
        # FastAPI's own handler repeats the input, and answers 500 where that is NaN or half a surrogate pair.
        details = [{key: item[key] for key in ("type", "loc", "msg")} for item in error.errors()]
        return Response(json.dumps({"detail": details}), 422, media_type="application/json")

    @app.post("/predict", response_model=ClassPrediction if card.is_classifier else Prediction)
    def predict(measurement: Body, model: Loaded) -> Any:
        (output,) = model.predict([[value for _, value in measurement]])
        return answer(model.card, output)

    @app.get("/health")
    async def health(model: Loaded) -> Health:
        return Health(status="ok", service=SERVICE, model_version=model.card.version)

    @app.get("/model-info")
    async def model_info(model: Loaded) -> dict[str, Any]:
        return {
            "card": model.card.document,
            "serving": {
                "service": SERVICE,
                "runtime": model.runtime,
                "python": platform.python_version(),
                "libraries": {name: version(name) for name in ("fastapi", "pydantic", "starlette", "uvicorn")},
                "machine": f"{platform.system()} {platform.machine()}",
                "platform": settings.platform,
                "deployment": settings.deployment,
            },
        }

    return app


def main() -> None:
    """Serve on HOST (default 127.0.0.1) and PORT (default 8001). Exits with one line where the card is unusable."""
    try:
        listen = ListenSettings.from_env({"HOST": HOST, "PORT": str(PORT), **os.environ})
        app = create_app()
    except OSError as error:
        sys.exit(f"refusing to start: {error.filename}: {error.strerror}")
    except (SettingsError, CardError, ValueError) as error:
        sys.exit(f"refusing to start: {error}")
    uvicorn.run(app, host=listen.host, port=listen.port)


if __name__ == "__main__":
    main()
