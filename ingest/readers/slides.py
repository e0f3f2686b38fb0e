"""PPTX through unstructured: one page a slide; titles, text, tables and speaker notes."""

import os
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from core.errors import UnreadableBookError
from core.types import BlockKind, ExtractedBook
from ingest.readers.context import ReaderContext
from ingest.readers.text_builder import TextBuilder

# unstructured reports its use over the network, on import and on every call, unless told not to.
os.environ["DO_NOT_TRACK"] = "true"
os.environ["UNSTRUCTURED_DISABLE_NOTICE"] = "1"


def _offline_sentences() -> None:
    """Give unstructured a rule-based sentence splitter in place of a model it would download."""
    import spacy
    from unstructured.nlp import tokenize

    pipeline = spacy.blank("xx")
    pipeline.add_pipe("sentencizer", config={"punct_chars": list(".!?。！？；…")})
    setattr(tokenize, "_get_nlp", lambda *args, **kwargs: pipeline)  # noqa: B010


def read_slides(path: Path, context: ReaderContext) -> ExtractedBook:
    """Read a PPTX file; raises UnreadableBookError when it is not one."""
    from pptx.exc import PackageNotFoundError
    from unstructured.partition.pptx import partition_pptx

    _offline_sentences()
    try:
        elements = partition_pptx(filename=str(path), include_slide_notes=False, languages=[""])
        notes = _speaker_notes(path)
    except (PackageNotFoundError, SyntaxError, KeyError, ValueError, OSError) as error:
        raise UnreadableBookError(
            f"{path.name} is not a readable pptx file: {error}",
            mend="open it in the program that made it and save it again",
        ) from error
    slides: dict[int, list[Any]] = defaultdict(list)
    for element in elements:
        slides[element.metadata.page_number or 1].append(element)
    builder = TextBuilder()
    for number, said in enumerate(notes, 1):
        builder.start_page(number, str(number))
        for is_list, group in groupby(slides[number], key=lambda element: bool(element.category == "ListItem")):
            if is_list:
                items = (f"{'  ' * (item.metadata.category_depth or 0)}- {item.text}" for item in group)
                builder.add(BlockKind.list, "\n".join(items))
            else:
                _add(builder, group)
        builder.add(BlockKind.paragraph, said)
    return builder.build()


def _speaker_notes(path: Path) -> list[str]:
    """The notes of every slide. Those of unstructured stand before the title, below the slide before."""
    from pptx import Presentation

    frames = [slide.has_notes_slide and slide.notes_slide.notes_text_frame for slide in Presentation(str(path)).slides]
    return [frame.text if frame else "" for frame in frames]


def _add(builder: TextBuilder, elements: Iterable[Any]) -> None:
    for element in elements:
        if element.category == "Table":
            builder.add(BlockKind.table, _pipe_table(element.metadata.text_as_html or "") or element.text)
        elif element.category == "Title" and not element.metadata.category_depth:
            builder.add(BlockKind.heading, " ".join(element.text.split()), level=1)
        elif element.category != "PageBreak":
            builder.add(BlockKind.paragraph, element.text)


def _pipe_table(html: str) -> str:
    from bs4 import BeautifulSoup

    rows = [
        [" ".join(cell.get_text(" ").split()).replace("|", "\\|") for cell in row.find_all(["td", "th"])]
        for row in BeautifulSoup(html, "lxml").find_all("tr")
    ]
    if not rows:
        return ""
    return "\n".join(_pipe_rows(rows))


def _pipe_rows(rows: list[list[str]]) -> Iterable[str]:
    for index, row in enumerate(rows):
        yield "| " + " | ".join(row) + " |"
        if index == 0:
            yield "|" + " --- |" * len(row)
