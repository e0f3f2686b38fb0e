"""Which files are textbooks, and what `catalog.toml` says of them."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import SourceError
from core.text import title_line, without_invisible
from core.types import Book, Course, Language
from ingest.readers import SUFFIXES

CATALOG = "catalog.toml"
_LONGEST_TITLE, _LONGEST_PROMPT = 200, 2000
# TOML lets them in as escapes, and a terminal or a chat template may obey them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class CatalogEntry(BaseModel):
    """What a teacher may say of one file; whatever is missing is taken from the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = Field(None, min_length=1)
    subject: str | None = None
    language: Language | None = None
    edition: str = ""


class CourseEntry(BaseModel):
    """What a teacher may say of all the files together. Lengths are in characters."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    title: str = Field("", max_length=_LONGEST_TITLE)
    system_prompt: str = Field("", max_length=_LONGEST_PROMPT)

    @field_validator("title", "system_prompt", mode="after")
    @classmethod
    def _for_people(cls, text: str) -> str:
        if control := _CONTROL.search(text):
            raise ValueError(f"holds the control character U+{ord(control.group()):04X} after {control.start()} others")
        return without_invisible(text)

    @field_validator("title", mode="after")
    @classmethod
    def _one_line(cls, title: str) -> str:
        if "\n" in title:
            raise ValueError("a title is one line")
        return title


class _Catalog(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    course: CourseEntry = CourseEntry()
    books: dict[str, CatalogEntry] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to index. `source`: path below the source folder, with '/' between the parts."""

    path: Path
    source: str
    entry: CatalogEntry

    @property
    def book_id(self) -> str:
        """As `book_id` of its source."""
        return book_id(self.source)

    def describe(self, found_title: str | None, found_language: Language) -> Book:
        """The catalogue entry completed by what the file itself says."""
        title = title_line(self.entry.title or "") or title_line(found_title or "") or self.path.stem
        return Book(
            id=self.book_id,
            source=self.source,
            title=title,
            subject=title_line(self.entry.subject or "") or title,
            language=self.entry.language or found_language,
            edition=title_line(self.entry.edition),
        )


def book_id(source: str) -> str:
    """Stable for a path below the source folder, so that a changed file replaces its own passages."""
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def find_books(folder: Path) -> tuple[list[SourceFile], dict[str, str]]:
    """The textbooks below `folder`, sorted by path, and why other files, by their path, are not among them.

    Names that start with '.', '_' or '~$' (Word's locks) are left alone, folders and files alike, and
    so are links that lead out of the folder. Raises SourceError when the folder or its catalogue cannot be read.
    """
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}", mend="create it, or name another with --source")
    entries = dict(_catalog(folder / CATALOG).books)
    root = folder.resolve()
    books: list[SourceFile] = []
    unknown: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        hidden = any(part.startswith((".", "_", "~$")) for part in below.parts)
        if hidden or not path.is_file() or not path.resolve().is_relative_to(root) or str(below) == CATALOG:
            continue
        if _hides(below.as_posix()):
            unknown[title_line(below.as_posix())] = "its name holds characters that nobody sees: rename it"
        elif path.suffix.lower() in SUFFIXES:
            books.append(SourceFile(path, below.as_posix(), entries.pop(below.as_posix(), CatalogEntry(title=None))))
        else:
            unknown[below.as_posix()] = "no reader for this kind of file"
    # A book that was deleted must go, though the catalogue still names it.
    unknown |= dict.fromkeys(sorted(entries), f"{CATALOG} names it, but it is not there")
    return books, unknown


def _hides(name: str) -> bool:
    """Whether a name is not what it looks like."""
    return without_invisible(name) != name or "\n" in name or "\t" in name


def find_course(folder: Path) -> Course:
    """What the catalogue of `folder` says of its books together; raises SourceError as `find_books`."""
    entry = _catalog(folder / CATALOG).course
    return Course(entry.title, entry.system_prompt)


def _catalog(path: Path) -> _Catalog:
    if not path.exists():
        return _Catalog()
    try:
        return _Catalog.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SourceError(f"{path} cannot be read: {faults}", mend="compare it with knowledge/catalog.toml") from error
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}", mend="compare it with knowledge/catalog.toml") from error
