"""The stages of a rebuild, and how they are seen from outside. Adapt this table when a rebuild changes."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from killing.course import Course
from vector_db.layout import CURRENT


@dataclass(slots=True)
class Scene:
    """One rebuild under way. served: the generation before it. notes: what a stage has seen so far."""

    course: Course
    pid: int
    served: str | None
    notes: set[str] = field(default_factory=set)
    left: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.left = {folder.name for folder in self._folders()}

    def _folders(self) -> Iterable[Path]:
        return self.course.target.generations.glob("*.tmp")

    def unfinished(self, part: str = "") -> bool:
        """Whether a new generation is being written and has `part`; what an earlier kill left is none."""
        return any((folder / part).exists() for folder in self._folders() if folder.name not in self.left)

    def parsing(self) -> bool:
        """Whether a parser has its folder."""
        return any(self.course.target.scratch.glob("keben-*"))

    def said(self, words: str) -> bool:
        """Whether the rebuild printed `words`."""
        return words in self.course.log.read_text(encoding="utf-8", errors="replace")

    def locked(self) -> bool:
        """Whether it holds the right to build."""
        try:
            return any(link.readlink().name == "build.lock" for link in Path(f"/proc/{self.pid}/fd").iterdir())
        except OSError:
            return False

    def verifying(self) -> bool:
        """Whether the check of the new generation runs."""
        try:
            return any("vector_db.verify" in child.cmdline() for child in psutil.Process(self.pid).children())
        except psutil.Error:
            return False

    def verified(self) -> bool:
        """Whether that check ran and is over."""
        if self.verifying():
            self.notes.add("verifying")
            return False
        return "verifying" in self.notes

    def switched(self) -> bool:
        """Whether the new generation is the served one."""
        return self.course.target.current_id() != self.served

    def renamed(self) -> bool:
        """Whether the new generation has its final name and nothing points to it yet."""
        finished = self.course.target.finished()
        return not self.switched() and bool(finished) and finished[-1] > (self.served or "")

    def held_before_the_pointer(self) -> bool:
        """As `renamed`: writing to a pipe that nobody reads waits for ever, so it stops just before it switches."""
        if "pipe" not in self.notes and self.unfinished():
            os.mkfifo(self.course.target.folder / f"{CURRENT}.tmp")
            self.notes.add("pipe")
        return "pipe" in self.notes and self.renamed()


@dataclass(frozen=True, slots=True)
class Stage:
    """reached: seen while the rebuild runs, the moment to kill. held: seen after the kill, it was this stage still."""

    name: str
    reached: Callable[[Scene], bool]
    held: Callable[[Scene], bool]


STAGES = (
    Stage("hash", Scene.locked, lambda scene: not scene.parsing() and not scene.unfinished()),
    Stage("parse", Scene.parsing, lambda scene: not scene.unfinished()),
    Stage("embed", lambda scene: scene.said("indexed: "), lambda scene: not scene.unfinished()),
    Stage(
        "write chunks",
        lambda scene: scene.unfinished("chunks.sqlite"),
        lambda scene: scene.unfinished() and not scene.unfinished("lexical"),
    ),
    Stage(
        "keyword index",
        lambda scene: scene.unfinished("lexical"),
        lambda scene: scene.unfinished() and not scene.unfinished("chroma/chroma.sqlite3"),
    ),
    Stage(
        "vector index",
        lambda scene: scene.unfinished("chroma/chroma.sqlite3"),
        lambda scene: scene.unfinished() and not scene.unfinished("manifest.json"),
    ),
    Stage("verify", Scene.verifying, lambda scene: scene.unfinished("manifest.json")),
    Stage("before rename", Scene.verified, lambda scene: scene.unfinished("manifest.json")),
    Stage("rename to pointer", Scene.held_before_the_pointer, Scene.renamed),
    Stage("after pointer", Scene.switched, Scene.switched),
)
