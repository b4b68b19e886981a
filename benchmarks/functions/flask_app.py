"""A Flask application with one route."""

from __future__ import annotations

from flask import Flask, request  # type: ignore[import-not-found,unused-ignore]

app = Flask(__name__)


@app.get("/shops/<int:shop>/orders")  # type: ignore[misc,untyped-decorator,unused-ignore]
def orders(shop: int) -> dict[str, int]:
    return {"shop": shop, "page": request.args.get("page", 1, int)}
