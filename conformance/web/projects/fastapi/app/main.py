from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse, StreamingResponse

from .routers import items


@asynccontextmanager
async def lifespan(app: FastAPI):
    yield {"warehouse": "north"}


app = FastAPI(title="Warehouse", lifespan=lifespan)
app.include_router(items.router)


@app.get("/", include_in_schema=False)
async def root():
    return RedirectResponse("/items/")


@app.post("/queue")
async def process_queue(event: dict[str, list[items.Message]]):
    return {"batchItemFailures": []}


@app.get("/countdown")
async def countdown():
    return StreamingResponse(items.count_down(), media_type="text/plain")
