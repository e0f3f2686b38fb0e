"""Which rows are headings, pure: by the outline where the book has one, else by size."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from ingest.readers.pdf.layout import Row, Run, is_cjk, shown
from ingest.readers.pdf.subsections import subsections

TEXT_RATIO, OCR_RATIO = 1.15, 1.3  # of the body size; heights of recognised lines are noisy
_NUMBERED_RATIO, _NUMBERED_OCR_RATIO = 1.06, 1.18  # enough for a section number at the start, or a usual title
_LEVELS, _DEEPEST = 4, 6
_MOST = 0.3  # of the rows; more headings than that are not headings
_LONGEST = 160  # characters
_RUN = 4  # rows of one size in a row that may be one heading
_NUMBERING = (
    r"(?:第\s*[\d一二三四五六七八九十百零〇]+\s*[章节節讲講课課篇編编部卷回单單元]+|附录\s*\w?|"
    r"(?:chapter|part|section|appendix|lecture|unit)\s+[\divxlc]+|[\da-z](?:\.\d+)*|\d+|[ivxlc]+)[.、:：]?"
)
_LEAD = re.compile(rf"^{_NUMBERING}(?=\s|$|[^\w.])\s*|^\d+(?:\.\d+)*\.?(?=[\u4e00-\u9fff])", re.I)
_SECTION = re.compile(
    r"^(?:\d+(?:\.\d+)*\.?\s+[A-Z\u4e00-\u9fff]|\d+(?:\.\d+)+[\u4e00-\u9fff]|第\s*\S{1,4}\s*[章节節]|[一二三四五六七八九十]{1,3}、"
    r"|(?:Abstract|Acknowledge?ments|Bibliography|Conclusions?|References|Summary|摘\s*要|参考文献|小结|习\s*题)\s*$)"
)
_BULLET = re.compile(r"^[•●○◦▪■□◆◇‣⁃–—\-*·]\s")


@dataclass(frozen=True, slots=True)
class PageRows:
    """Rows of a page in reading order. ocr: recognised, so their sizes are noisy."""

    index: int
    rows: list[Row]
    ocr: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An outline entry that leads to a page. depth: 1 for the top."""

    title: str
    depth: int
    index: int


def body_size(rows: Sequence[Row | Run], *, step: float = 0.25) -> float:
    """The size (points, in `step`s) that most characters have; 10 without text."""
    sizes = Counter[float]()
    for row in rows:
        sizes[round(row.size / step) * step] += shown(row.text)
    return max(sizes, key=lambda size: (sizes[size], size)) if sizes else 10.0


def heading_levels(pages: Sequence[PageRows], outline: Sequence[Entry]) -> dict[tuple[int, int], int]:
    """Level (1 to 6) by (position in `pages`, position in its rows)."""
    marked = _by_outline(pages, outline)
    sized = _by_size(pages)
    if len(marked) < 2:
        told = {**sized, **marked}
        return {**told, **subsections([[] if page.ocr else page.rows for page in pages], told)}
    levels: dict[tuple[int, int], int] = {}
    above = 0
    ranks = sorted({sized[key] for key in sized if key not in marked})
    for key in sorted({*marked, *sized}):
        if key in marked:
            above = levels[key] = marked[key]
        else:
            levels[key] = min(_DEEPEST, above + 1 + ranks.index(sized[key])) if above else 1
    return levels


def _by_outline(pages: Sequence[PageRows], outline: Sequence[Entry]) -> dict[tuple[int, int], int]:
    places = {page.index: place for place, page in enumerate(pages)}
    levels: dict[tuple[int, int], int] = {}
    taken = defaultdict[int, set[int]](set)
    for entry in outline:
        for index in (entry.index, entry.index + 1, entry.index - 1):
            place = places.get(index)
            span = _find(pages[place], entry.title, taken[place]) if place is not None else None
            if place is not None and span:
                levels.update({(place, row): min(entry.depth, _DEEPEST) for row in span})
                taken[place].update(span)
                break
    return levels


def _find(page: PageRows, title: str, taken: set[int]) -> range | None:
    """The rows (one to three in sequence) that are the title; the largest where it stands twice."""
    wanted, bare = _key(title), _key(_LEAD.sub("", title))
    found: list[tuple[float, int, range]] = []
    for start, row in enumerate(page.rows):
        if start in taken or row.mono or row.table:
            continue
        text = ""
        for stop in range(start + 1, min(start + 4, len(page.rows) + 1)):
            text += page.rows[stop - 1].text + " "
            if _matches(text, wanted, bare, fuzzy=page.ocr):
                found.append((round(row.size, 1), -start, range(start, stop)))
                break
    return max(found, key=lambda each: each[:2])[2] if found else None


def _matches(text: str, wanted: str, bare: str, *, fuzzy: bool) -> bool:
    found, plain = _key(text), _key(_LEAD.sub("", text.strip()))
    if not found or not wanted:
        return False
    if found == wanted or (len(bare) > 1 and plain == bare):
        return True
    return fuzzy and abs(len(found) - len(wanted)) < 4 and SequenceMatcher(None, found, wanted).ratio() > 0.8


@lru_cache(maxsize=4096)
def _key(text: str) -> str:
    """For comparison only: compatibility forms folded, no spaces, no punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum())


def _by_size(pages: Sequence[PageRows]) -> dict[tuple[int, int], int]:
    ratios: dict[tuple[int, int], float] = {}
    for ocr, least in ((False, TEXT_RATIO), (True, OCR_RATIO)):
        kind = [(place, page) for place, page in enumerate(pages) if page.ocr == ocr]
        rows = [row for _, page in kind for row in page.rows]
        body = body_size([row for row in rows if not row.mono] or rows, step=1.0 if ocr else 0.25)
        for place, page in kind:
            ratios.update(
                {
                    (place, number): row.size / body
                    for number, row in enumerate(page.rows)
                    if row.size >= (_least(row, least) - 0.005) * body and _may_be_heading(row)
                }
            )
    if len(ratios) > _MOST * sum(len(page.rows) for page in pages):
        return {}
    ratios = _without_prose(pages, ratios)
    ranks = _ranks(ratios.values(), 0.85 if any(page.ocr for page in pages) else 0.94)
    return {key: ranks[ratio] for key, ratio in ratios.items()}


def _least(row: Row, usual: float) -> float:
    if not _SECTION.match(row.text) or len(row.text) > 80:
        return usual
    return _NUMBERED_RATIO if usual == TEXT_RATIO else _NUMBERED_OCR_RATIO


def _may_be_heading(row: Row) -> bool:
    text = row.text.strip()
    letters = sum(char.isalpha() for char in text)
    visible = shown(text)
    lone_number = bool(re.fullmatch(r"\d{1,2}|[IVXLC]{1,5}", text))
    wordy = letters >= 2 and letters >= 0.4 * visible and (letters >= 3 or any(map(is_cjk, text)))
    if text.endswith(("。", "；", "，", "、", ",", ";")):
        return False
    plain = not row.mono and not row.table and not _BULLET.match(text) and len(row.cells) <= 2
    return (wordy or lone_number) and plain and len(text) <= _LONGEST


def _without_prose(pages: Sequence[PageRows], ratios: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """Drops long stretches of one large size: a preface in large type, not a heading of many lines."""
    kept: dict[tuple[int, int], float] = {}
    stretch: list[tuple[int, int]] = []
    for key in [*sorted(ratios), (-1, -1)]:
        last = stretch[-1] if stretch else None
        follows = last and key == (last[0], last[1] + 1)
        if last and not (follows and abs(ratios[key] - ratios[last]) < 0.03 * ratios[last]):
            if len(stretch) <= _RUN:
                kept.update({each: ratios[each] for each in stretch})
            stretch = []
        stretch.append(key)
    return kept


def _ranks(sizes: Iterable[float], same: float) -> dict[float, int]:
    """Level by size: sizes within the factor `same` of a level's largest share it."""
    ranks: dict[float, int] = {}
    top, level = 0.0, 0
    for size in sorted(set(sizes), reverse=True):
        if not top or size < same * top:
            top, level = size, min(level + 1, _LEVELS)
        ranks[size] = level
    return ranks
