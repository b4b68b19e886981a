import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import BaseModel, Json

router = APIRouter(prefix="/items", tags=["items"])
stock = {"plumbus": 7}


class Item(BaseModel):
    name: str
    price: float


class Message(BaseModel):
    messageId: str
    body: Json


@router.get("/")
async def read_items(request: Request):
    return {"warehouse": request.state.warehouse, "stock": stock}


@router.get("/{name}")
async def read_item(name: str, user_agent: Annotated[str | None, Header()] = None):
    if name not in stock:
        raise HTTPException(status_code=404, detail="Item not found")
    return {"name": name, "count": stock[name], "for": user_agent}


@router.post("/", status_code=201)
async def create_item(item: Item):
    return {"name": item.name, "price_with_tax": item.price * 1.25}


async def count_down():
    yield "ready\n"
    await asyncio.sleep(0.2)
    yield "go\n"
