"""All knowledge bases that a process serves."""

import threading
from collections.abc import Callable

from core.errors import KebenError, KnowledgeBaseMissing
from core.settings import Settings
from vector_db.embedder import model_revision
from vector_db.layout import KnowledgeBaseFolder, knowledge_bases
from vector_db.manifest import Manifest
from vector_db.reader import LiveKnowledgeBase


def embedding_check(settings: Settings) -> Callable[[Manifest], None]:
    """A check that a generation was built with the embedder that the settings name."""
    return lambda manifest: manifest.require_embedder(settings.embedding.model, model_revision(settings.embedding))


def open_knowledge_base(settings: Settings, kb: str) -> LiveKnowledgeBase:
    """The served generation of `kb`; raises KnowledgeBaseError."""
    return LiveKnowledgeBase(KnowledgeBaseFolder(settings.data_dir, kb), embedding_check(settings))


class Library:
    """Opens every published knowledge base, and follows what is published later."""

    def __init__(self, settings: Settings) -> None:
        """Open all that can be opened. Raises KnowledgeBaseError when the default one is there but cannot be."""
        self._settings = settings
        self._guard = threading.Lock()
        # Held while it looks: two at a time would both open what is new, and one of the two would stay open.
        self._looking = threading.Lock()
        self._is_closed = False
        self._bases: dict[str, LiveKnowledgeBase] = {}
        self._errors: dict[str, KebenError] = {}
        self.refresh()
        if settings.kb in self._errors:
            error = self._errors[settings.kb]
            self.close()
            raise error

    def names(self) -> list[str]:
        """Names of the open knowledge bases, sorted."""
        with self._guard:
            return sorted(self._bases)

    def get(self, name: str) -> LiveKnowledgeBase:
        """An open knowledge base; raises KnowledgeBaseMissing naming those that exist."""
        with self._guard:
            base = self._bases.get(name)
        if base is None:
            raise KnowledgeBaseMissing(
                f"there is no knowledge base '{name}'", mend=f"use one of {', '.join(self.names())}, or build it"
            )
        return base

    def refresh(self) -> None:
        """Swap in newer generations, open new knowledge bases, close deleted ones; `faults` tells what failed.

        Nothing once it is closed.
        """
        with self._looking:
            if not self._is_closed:
                self._refresh()

    def _refresh(self) -> None:
        present = knowledge_bases(self._settings.data_dir)
        with self._guard:
            deleted = [self._bases.pop(name) for name in set(self._bases) - set(present)]
        for old in deleted:
            old.close()
        for name in set(self._errors) - set(present):
            del self._errors[name]
        for name in present:
            try:
                with self._guard:
                    base = self._bases.get(name)
                if base is None:
                    base = open_knowledge_base(self._settings, name)
                    with self._guard:
                        self._bases[name] = base
                else:
                    base.refresh()
                self._errors.pop(name, None)
            except KebenError as error:
                self._errors[name] = error

    def faults(self) -> dict[str, KebenError]:
        """Knowledge bases of which not the newest generation is served, and why."""
        with self._guard:
            served = {name: base.fault for name, base in self._bases.items() if base.fault}
        return {**self._errors, **served}

    def close(self) -> None:
        """Let go of all generations, for good."""
        with self._looking:
            self._is_closed = True
            for name in self.names():
                self._bases[name].close()
