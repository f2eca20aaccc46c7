"""`python -m dashboard`: serve the pages. The environment is the only configuration."""

import os
import sys
from pathlib import Path

from benchmark.endpoints.configured import ConfigurationError
from benchmark.monitor.sampler import When
from dashboard.memory import give_memory_back
from dashboard.settings import Settings


def main() -> None:
    """Check the settings, then serve. An invalid variable ends the program with one line and status 1."""
    try:
        settings = Settings.from_env(os.environ)
    except ConfigurationError as error:
        sys.exit(f"refusing to start: {error}")

    give_memory_back()
    from starlette.middleware import Middleware
    from streamlit.starlette import App

    from dashboard.frontend import FrontEnd

    app = App(Path(__file__).with_name("app.py"), middleware=[Middleware(FrontEnd)])
    if settings.monitor is When.ALWAYS:
        from dashboard import resources

        resources.sampler()  # reads from now on, even if no page is open
    app.run(config={"server.address": settings.host, "server.port": settings.port})


if __name__ == "__main__":
    main()
