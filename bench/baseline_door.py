"""The baseline of the door: FastAPI and one bare INSERT with its commit by asyncpg. Not tuned.

BASELINE_DATABASE=postgresql://… uvicorn bench.baseline_door:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
from fastapi import FastAPI, Request

TABLE = "CREATE TABLE taken (id uuid PRIMARY KEY, body bytea NOT NULL, received_at timestamptz NOT NULL DEFAULT now())"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BASELINE_DATABASE"]) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/take", status_code=202)
async def take(request: Request) -> dict[str, str]:
    await request.app.state.pool.execute("INSERT INTO taken (id, body) VALUES ($1, $2)", uuid4(), await request.body())
    return {"status": "accepted"}
