"""The models that the settings name. A language model is looked through, not loaded; nothing is downloaded."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cli.checks.finding import Finding
from core.errors import ModelError
from core.settings import Settings

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def embedder(settings: Settings) -> Iterator[Finding]:
    """Whether it loads and makes vectors."""
    _forbid_downloads()
    from vector_db.embedder import model_folder, open_embedder, require_vectors

    name = settings.embedding.model
    try:
        folder = model_folder(settings.embedding)
    except ModelError as error:
        yield _absent("embedder", name, error)
        return
    opened = open_embedder(settings.embedding)
    require_vectors(opened, folder)
    yield Finding("embedder", "ok", f"{name} ({opened.dimension} dimensions, revision {opened.revision})")


def reranker(settings: Settings) -> Iterator[Finding]:
    """Whether it loads, where one is set."""
    name = settings.retrieval.reranker
    if name is None:
        return
    _forbid_downloads()
    from rag.build import build_reranker

    try:
        build_reranker(settings)
        yield Finding("reranker", "ok", name)
    except ModelError as error:
        yield _absent("reranker", name, error)


def language_model(settings: Settings) -> Iterator[Finding]:
    """The folder without loading it, or the servers; nothing where sentences of the books answer."""
    llm = settings.llm
    if llm.model:
        from rag.engine.folder import inspect_folder

        found = inspect_folder(llm.model, llm)
        what = f"{llm.model}: {found.architecture}, {found.parameters / 1e9:.2f} billion parameters, {found.dtype}"
        yield Finding("language model", "ok", what)
    elif llm.urls:
        yield from _servers(settings)
    else:
        yield Finding("language model", "ok", "none: sentences of the books answer")


def _servers(settings: Settings) -> Iterator[Finding]:
    from rag.remote import served_name

    def ask(url: str) -> str | ModelError:
        try:
            return served_name(settings.llm.model_copy(update={"urls": (url,)}))
        except ModelError as error:
            return error

    with ThreadPoolExecutor(len(settings.llm.urls)) as pool:
        said = dict(zip(settings.llm.urls, pool.map(ask, settings.llm.urls), strict=True))
    dead = all(isinstance(answer, ModelError) for answer in said.values())
    for url, answer in said.items():
        if isinstance(answer, ModelError):
            yield Finding("language model", "fault" if dead else "warning", answer.message, answer.mend)
        else:
            yield Finding("language model", "ok", f"{url} has {answer}")


def _absent(check: str, name: str, error: ModelError) -> Finding:
    """A model of the hub that is not here yet is no fault: it is downloaded when it is needed."""
    elsewhere = bool(_HUB_NAME.fullmatch(name)) and not Path(name).expanduser().exists()
    if elsewhere:
        return Finding(check, "warning", f"{name} is not on this machine", f"run `hf download {name}`")
    return Finding(check, "fault", error.message, error.mend)


def _forbid_downloads() -> None:
    # Read by the hub's library when it is imported.
    os.environ["HF_HUB_OFFLINE"] = "1"
