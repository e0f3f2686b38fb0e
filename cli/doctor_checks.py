"""What `keben doctor` looks at: each check says what it found, and what to do where something is wrong."""

import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from core.errors import KebenError
from core.settings import PROJECT, Settings

Status = Literal["ok", "warning", "fault"]
_LEAST_MB, _FEW_MB = 200, 2000
_LEAST_MEMORY_MB = 1024
_SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. what: for people, with the value. mend: empty where all is well."""

    name: str
    status: Status
    what: str
    mend: str = ""


def check_all(load: Callable[[], Settings]) -> Iterator[Finding]:
    """All findings, one check after the other. A check that cannot be made is a fault with its reason.

    load: gives the settings; without them nothing else is looked at.
    """
    try:
        settings = load()
    except KebenError as error:
        yield Finding("settings", "fault", error.message, error.mend)
        return
    yield Finding("settings", "ok", "they are as they may be")
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python, _packages, _folder, _memory, _embedder, _knowledge_bases, _reranker, _model, _readers, _keys, _port,
        _finetuning,
    )  # fmt: skip
    for check in checks:
        try:
            yield from check(settings)
        except KebenError as error:
            yield Finding(check.__name__.strip("_").replace("_", " "), "fault", error.message, error.mend)


def _python(settings: Settings) -> Iterator[Finding]:
    yield Finding("Python", "ok", f"version {'.'.join(map(str, sys.version_info[:3]))}")


def _packages(settings: Settings) -> Iterator[Finding]:
    lock = PROJECT / "requirements.lock"
    if not lock.exists():
        yield Finding("packages", "ok", "there is no requirements.lock here to compare with")
        return
    missing, other, count = list[str](), list[str](), 0
    for line in lock.read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.partition("==")
        if not wanted or line.startswith("#"):
            continue
        count += 1
        try:
            found = version(name).split("+")[0]
        except PackageNotFoundError:
            missing.append(name)
            continue
        if found != wanted:
            other.append(f"{name} {found} instead of {wanted}")
    if missing:
        yield Finding("packages", "warning", f"not installed: {', '.join(missing)}", "run `make setup` again")
    if other:
        yield Finding(
            "packages", "warning", f"other versions than tested: {', '.join(other)}", "run `make setup` again"
        )
    if not missing and not other:
        yield Finding("packages", "ok", f"{count} as in requirements.lock")


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        mend = "let this user write there, or set KEBEN_DATA_DIR"
        yield Finding("data folder", "fault", f"{existing} cannot be written: {error.strerror}", mend)
        return
    free = shutil.disk_usage(existing).free // 2**20
    status: Status = "fault" if free < _LEAST_MB else "warning" if free < _FEW_MB else "ok"
    mend = "" if status == "ok" else "free space, or set KEBEN_DATA_DIR to another disk"
    yield Finding("data folder", status, f"{folder} can be written, {free:,} MiB are free", mend)


def _memory(settings: Settings) -> Iterator[Finding]:
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (ValueError, OSError):
        return
    enough = free >= _LEAST_MEMORY_MB
    mend = "" if enough else "end other programs: a server takes about 400 MiB, a page read by OCR 600"
    yield Finding("memory", "ok" if enough else "warning", f"{free:,} MiB are free", mend)


def _embedder(settings: Settings) -> Iterator[Finding]:
    from vector_db.embedder import open_embedder

    dimension = open_embedder(settings.embedding).encode_queries(["预热 warm up"]).shape[1]
    yield Finding("embedder", "ok", f"{settings.embedding.model} gives vectors of {dimension} numbers")


def _knowledge_bases(settings: Settings) -> Iterator[Finding]:
    from vector_db.layout import KnowledgeBaseFolder, knowledge_bases
    from vector_db.library import open_knowledge_base

    names = knowledge_bases(settings.data_dir)
    if settings.kb not in names:
        yield Finding("knowledge base", "warning", f"there is no '{settings.kb}' yet", "run `keben rebuild`")
    for name in names:
        label = f"knowledge base '{name}'"
        try:
            with closing(open_knowledge_base(settings, name)) as base, base.generation() as generation:
                manifest = generation.manifest
                if base.fault:
                    yield Finding(
                        label, "fault", f"an older generation is served: {base.fault.message}", base.fault.mend
                    )
        except KebenError as error:
            yield Finding(label, "fault", error.message, error.mend)
            continue
        said = f"{len(manifest.books)} books, {manifest.chunks:,} passages, built {manifest.created_at[:10]}"
        yield Finding(label, "ok", said)
        bad = [book.source for book in manifest.books if book.status == "stale"]
        bad += [failure.source for failure in manifest.failures if not failure.harmless]
        if bad:
            mend = f"`keben report --kb {name}` says why"
            yield Finding(label, "warning", f"could not be read: {', '.join(bad)}", mend)
        if (KnowledgeBaseFolder(settings.data_dir, name).folder / "unfinished.sqlite").exists():
            mend = f"`keben rebuild --kb {name}` goes on where it stopped"
            yield Finding(label, "warning", "a rebuild was cut off, or is under way", mend)


def _reranker(settings: Settings) -> Iterator[Finding]:
    if settings.retrieval.reranker is not None:
        from rag.build import build_reranker

        build_reranker(settings)
        yield Finding("reranker", "ok", f"{settings.retrieval.reranker} is loaded")


def _model(settings: Settings) -> Iterator[Finding]:
    llm = settings.llm
    if llm.urls:
        from rag.remote import served_name

        yield Finding("language model", "ok", f"{served_name(llm)} at {', '.join(llm.urls)}")
    elif llm.model:
        from rag.engine.folder import inspect_folder

        inspect_folder(llm.model, llm)
        yield Finding("language model", "ok", f"{llm.model} can be loaded")
    else:
        yield Finding("language model", "ok", "none: sentences of the books are the answers")


def _readers(settings: Settings) -> Iterator[Finding]:
    engine = settings.ingest.ocr_engine
    there = shutil.which("tesseract") if engine == "tesseract" else importlib.util.find_spec("rapidocr")
    if there:
        yield Finding("OCR", "ok", f"{engine} reads pages without text")
    else:
        mend = "install it, or set KEBEN_INGEST__OCR_ENGINE to the other one"
        yield Finding("OCR", "fault", f"{engine} is not installed: scanned pages cannot be read", mend)
    if shutil.which("soffice") or shutil.which("libreoffice"):
        yield Finding("LibreOffice", "ok", "DOC, PPT and XLS can be read")
    else:
        mend = "Debian: apt-get install libreoffice-writer-nogui libreoffice-impress-nogui libreoffice-calc-nogui"
        yield Finding("LibreOffice", "warning", "it is not installed: DOC, PPT and XLS cannot be read", mend)


def _keys(settings: Settings) -> Iterator[Finding]:
    from server.keys import KeyStore
    from server.serve import require_keys

    store, now = KeyStore(settings.state_dir), datetime.now(UTC)
    require_keys(settings, store)
    records = store.records()
    if settings.server.insecure:
        mend = "unset KEBEN_SERVER__INSECURE, and make keys: `keben keys create`"
        yield Finding("API keys", "warning", "everybody may do everything: the server is set to insecure", mend)
    elif not records:
        yield Finding("API keys", "ok", f"none: {settings.server.host} serves this machine alone")
    else:
        valid = sum(record.state(now) == "valid" for record in records)
        yield Finding("API keys", "ok", f"{valid} of {len(records)} are valid")
    for record in records:
        if record.state(now) == "valid" and record.expires_at and record.expires_at - now < _SOON:
            said = f"{record.id} ({record.name}) expires {record.expires_at:%Y-%m-%d %H:%M} UTC"
            yield Finding("API keys", "warning", said, "make a new one: `keben keys create`")


def _port(settings: Settings) -> Iterator[Finding]:
    host, port = settings.server.host, settings.server.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            mend = "a server of yours may be running; else choose another with KEBEN_SERVER__PORT"
            yield Finding("port", "warning", f"{host}:{port} cannot be had: {error.strerror}", mend)
        else:
            yield Finding("port", "ok", f"{host}:{port} is free")


def _finetuning(settings: Settings) -> Iterator[Finding]:
    from finetune.training.environment import is_whole

    there = is_whole(PROJECT / ".venv-xtuner")
    yield Finding("fine-tuning", "ok", "XTuner is installed" if there else "not set up; `keben finetune setup` does")
