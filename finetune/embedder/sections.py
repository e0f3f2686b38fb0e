"""Documents cut into sections, sections into passages and sentences. Pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARKDOWN = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_TEX_LEVELS = ("chapter", "section", "subsection", "subsubsection")
_TEX = re.compile(rf"\\({'|'.join(_TEX_LEVELS)})\*?\{{(.+)\}}")
# reStructuredText underlines a heading with one sign, which tells its level.
_UNDERLINES = "=-~^"
_UNDERLINE = re.compile(r"([=\-~^])\1{3,}")
_IN_HEADING = re.compile(r"[*`]|\[|\]\(.*?\)|:label:.*")
_DIRECTIVE = re.compile(r":(label|numref|eqref|cite|begin_tab|end_tab):`?[\w\-:]*`?")
_STOP = re.compile(r"(?<=[。！？；])|(?<=[.!?])\s+(?=[A-Z\\`$])|\n{2,}|\n(?=[-*\d])")


@dataclass(frozen=True, slots=True)
class Section:
    """The text under one heading, up to the next. path: the headings over it, outermost first."""

    path: tuple[str, ...]
    body: str


def sections(text: str) -> Iterator[Section]:
    """The sections of a Markdown, LaTeX or reStructuredText document that have text, in order."""
    lines = text.split("\n")
    path: list[tuple[int, str]] = []
    body: list[str] = []
    fenced, place = False, 0
    while place < len(lines):
        line = lines[place]
        fenced ^= line.startswith("```")
        level, heading, used = (0, "", 1) if fenced else _heading(line, lines[place + 1 : place + 2])
        if level:
            yield from _section(path, body)
            body = []
            path = [outer for outer in path if outer[0] < level]
            path.append((level, _IN_HEADING.sub("", heading).strip()))
        else:
            body.append(_DIRECTIVE.sub("", line))
        place += used
    yield from _section(path, body)


def _section(path: list[tuple[int, str]], body: list[str]) -> Iterator[Section]:
    if text := "\n".join(body).strip():
        yield Section(tuple(heading for _, heading in path), text)


def _heading(line: str, following: list[str]) -> tuple[int, str, int]:
    """Level (0 for none), words and number of lines of the heading that `line` begins."""
    if match := _MARKDOWN.match(line):
        return len(match[1]), match[2], 1
    if match := _TEX.search(line):
        return _TEX_LEVELS.index(match[1]) + 1, match[2], 1
    under = following[0].strip() if following else ""
    if line.strip() and _UNDERLINE.fullmatch(under) and len(under) >= len(line.strip()) * 0.8:
        return _UNDERLINES.index(under[0]) + 1, line.strip(), 2
    return 0, "", 1


def passages(body: str, size: int) -> list[str]:
    """Paragraphs packed to about `size` characters; a longer one stays whole."""
    packed: list[str] = []
    for paragraph in filter(str.strip, re.split(r"\n{2,}", body)):
        if packed and len(packed[-1]) + len(paragraph) <= size:
            packed[-1] += f"\n\n{paragraph}"
        else:
            packed.append(paragraph)
    return packed


def sentences(text: str, shortest: int, longest: int) -> list[str]:
    """Sentences and list items of `text` with a length in characters of `shortest` to `longest`."""
    stripped = (part.strip() for part in _STOP.split(text) if part)
    return [part for part in stripped if shortest <= len(part) <= longest]
