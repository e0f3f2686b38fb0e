"""The routes, by what they are about. What each asks of a key stands in `server/access.py`."""

from fastapi import APIRouter

from server.routes import asking, health, keys, knowledge_bases

router = APIRouter()
for part in (asking, knowledge_bases, keys, health):
    router.include_router(part.router)
