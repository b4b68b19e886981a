"""A FastAPI application with one route."""

from __future__ import annotations

from fastapi import FastAPI  # type: ignore[import-not-found,unused-ignore]

app = FastAPI()


@app.get("/shops/{shop}/orders")  # type: ignore[misc,untyped-decorator,unused-ignore]
async def orders(shop: int, page: int = 1) -> dict[str, int]:
    return {"shop": shop, "page": page}
