"""`python -m api`: the API exactly as it is deployed, configured by its environment alone."""

import gc

gc.disable()  # importing allocates a lot and frees little: collecting meanwhile only delays the first answer

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from api.settings import ListenSettings  # noqa: E402
from inference.request_log import log_failures_as_json  # noqa: E402
from inference.settings import SettingsError  # noqa: E402
from inference.start import load_app, require_port, settle_memory  # noqa: E402

DEFAULT_MODEL_DIR = Path(__file__).resolve().parents[1] / "artifacts" / "iris"


def main() -> None:
    """Load the model, then open the port; exits with one line and status 1 if either fails."""
    try:
        listen = ListenSettings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"refusing to start: {error}")
    log_failures_as_json(("faceoff", "uvicorn"))
    require_port(listen.host, listen.port)
    service_app = load_app(
        "faceoff-api", default_model_dir=DEFAULT_MODEL_DIR, frameworks=("fastapi", "starlette", "uvicorn")
    )

    import uvicorn

    from api.app import Api
    from inference.guard import guarded

    app = Api(service_app)
    settle_memory()
    uvicorn.run(
        app,
        interface="asgi3",
        host=listen.host,
        port=listen.port,
        loop="uvloop",
        http=guarded(service_app),
        ws="none",
        lifespan="off",
        workers=1,  # one process an instance, whatever WEB_CONCURRENCY says: the platform scales by instances
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        timeout_graceful_shutdown=8,  # Cloud Run kills 10 s after SIGTERM
    )


if __name__ == "__main__":
    main()
