"""The routes, by what they are about. What each asks of a key stands in `server/access.py`."""

from fastapi import APIRouter

from server.routes import (
    asking,
    books,
    courses,
    feedback,
    health,
    jobs,
    keys,
    knowledge_bases,
    openai,
    page,
    pages,
    places,
)

router = APIRouter()
for part in (asking, openai, knowledge_bases, places, books, jobs, courses, pages, feedback, keys, health, page):
    router.include_router(part.router)
