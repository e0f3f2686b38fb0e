"""The routes, by what they are about. What each asks of a key stands in `server/access.py`."""

from fastapi import APIRouter

from server.routes import asking, books, feedback, health, jobs, keys, knowledge_bases, openai, pages

router = APIRouter()
for part in (asking, openai, knowledge_bases, books, jobs, pages, feedback, keys, health):
    router.include_router(part.router)
