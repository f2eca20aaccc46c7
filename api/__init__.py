"""The Cloud Run service: FastAPI on uvicorn around the shared core."""
