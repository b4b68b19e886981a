"""The Flask application as a function of AWS's runtime."""

from __future__ import annotations

from apig_wsgi import make_lambda_handler  # type: ignore[import-not-found,unused-ignore]
from flask_app import app  # type: ignore[import-not-found,unused-ignore]

handler = make_lambda_handler(app)
