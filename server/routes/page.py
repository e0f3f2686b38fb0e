"""The chat page: plain HTML, style sheet and scripts of our own, and the Markdown of answers made HTML for it."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Response

from server.rendering.markdown import html_of
from server.routes.problems import problems
from server.schemas.page import RenderRequest, RenderResponse

_FOLDER = Path(__file__).parent.parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing from another origin, nothing inline: text that passed for markup after all could neither run nor fetch.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
router = APIRouter()


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    tag: str


@cache
def _files() -> dict[str, _File]:
    """The files of the page by name."""
    found: dict[str, _File] = {}
    for path in sorted(path for path in _FOLDER.rglob("*") if path.is_file()):
        content = path.read_bytes()
        name = path.relative_to(_FOLDER).as_posix()
        found[name] = _File(content, _TYPES[path.suffix], f'"{sha256(content).hexdigest()[:32]}"')
    return found


@router.get("/", include_in_schema=False)
def page(if_none_match: Annotated[str, Header()] = "") -> Response:
    """The chat page."""
    return _served("index.html", if_none_match)


@router.get("/page/{name:path}", include_in_schema=False)
def part(name: str, if_none_match: Annotated[str, Header()] = "") -> Response:
    """A part of the page."""
    return _served(name, if_none_match)


def _served(name: str, known: str) -> Response:
    file = _files().get(name)
    if file is None:
        raise HTTPException(404, f"the page has no part '{name}'")
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # A new version of the service is seen at once; what did not change is not sent again.
        "Cache-Control": "no-cache",
        "ETag": file.tag,
    }
    if file.tag in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


@router.post("/render", responses=problems(422), summary="Markdown as HTML")
def render(body: RenderRequest) -> RenderResponse:
    """Markdown of an answer as HTML: formulas as MathML, raw HTML as its source, pictures as their text, links to
    http and https alone."""
    return RenderResponse(html=html_of(body.markdown))
