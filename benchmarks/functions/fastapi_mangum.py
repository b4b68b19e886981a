"""The FastAPI application as a function of AWS's runtime."""

from __future__ import annotations

from fastapi_app import app  # type: ignore[import-not-found,unused-ignore]
from mangum import Mangum  # type: ignore[import-not-found,unused-ignore]

handler = Mangum(app)
