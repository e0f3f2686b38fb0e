"""Readers that follow what is published, while questions are being answered."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_books import has_reader, publish_books, small_book, unit_vectors

from core.errors import GenerationCorrupt, IndexMismatch, KnowledgeBaseMissing
from vector_db.files import CHUNKS
from vector_db.layout import CURRENT, KnowledgeBaseFolder
from vector_db.manifest import MANIFEST, Manifest
from vector_db.reader import Generation, LiveKnowledgeBase

OLD = small_book("old", ["deadlock needs four conditions", "mutual exclusion"])
NEW = small_book("new", ["a transaction is atomic", "durable", "isolated"])


def accept(manifest: Manifest) -> None:
    """Any embedder will do."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBaseFolder:
    """Two generations: of the old book, and the served one, of the new book."""
    target = KnowledgeBaseFolder(tmp_path_factory.mktemp("data"), "default")
    publish_books(target, OLD)
    publish_books(target, NEW)
    return target


@pytest.fixture
def target(published: KnowledgeBaseFolder, tmp_path: Path) -> KnowledgeBaseFolder:
    """A copy of both in which the old one is served."""
    shutil.copytree(published.folder, tmp_path / "default")
    copy = KnowledgeBaseFolder(tmp_path, "default")
    serve(copy, copy.finished()[0])
    return copy


@pytest.fixture
def live(target: KnowledgeBaseFolder) -> Iterator[LiveKnowledgeBase]:
    live = LiveKnowledgeBase(target, accept)
    yield live
    live.close()


def serve(target: KnowledgeBaseFolder, name: str) -> None:
    pointer = target.folder / f"{CURRENT}.new"
    pointer.write_text(name, encoding="ascii")
    pointer.replace(target.folder / CURRENT)


def folders(target: KnowledgeBaseFolder) -> tuple[Path, Path]:
    old, new = target.finished()
    return target.generations / old, target.generations / new


def books_in(generation: Generation) -> set[str]:
    """The books that each part of the generation names; all parts must agree."""
    (nearest, _), *_ = generation.dense.nearest(unit_vectors(1)[0], 1)
    keyword = generation.ids[int(generation.lexical.scores(["deadlock", "transact"]).argmax())]
    by_parts = {chunk.book_id for chunk in generation.store.get([nearest, keyword])}
    assert by_parts == set(generation.books)
    return by_parts


def test_a_generation_opens_with_all_its_parts(live: LiveKnowledgeBase) -> None:
    assert live.name == "default" and live.has_vectors
    with live.generation() as generation:
        assert books_in(generation) == {"old"}
        assert generation.row_of == {"old-1": 0, "old-2": 1}
        assert generation.books["old"] == OLD.record.book()


def test_without_a_new_generation_nothing_is_swapped(live: LiveKnowledgeBase) -> None:
    assert live.refresh() is False
    with live.generation() as generation:
        assert books_in(generation) == {"old"}


def test_refresh_swaps_while_the_old_generation_answers_on(
    live: LiveKnowledgeBase, target: KnowledgeBaseFolder
) -> None:
    old, new = folders(target)
    with live.generation() as first_user, live.generation() as second_user:
        serve(target, new.name)
        assert live.refresh() is True and live.refresh() is False
        with live.generation() as later:
            assert books_in(later) == {"new"}
        assert books_in(first_user) == books_in(second_user) == {"old"}
        assert has_reader(old) and has_reader(new)
    assert not has_reader(old) and has_reader(new)


def test_the_old_generation_stays_open_for_the_last_of_its_users(
    live: LiveKnowledgeBase, target: KnowledgeBaseFolder
) -> None:
    old, new = folders(target)
    long_answer = live.generation()
    user = long_answer.__enter__()
    with live.generation():
        serve(target, new.name)
        live.refresh()
    assert has_reader(old) and books_in(user) == {"old"}
    long_answer.__exit__(None, None, None)
    assert not has_reader(old)


def test_an_old_generation_without_users_is_closed_at_once(
    live: LiveKnowledgeBase, target: KnowledgeBaseFolder
) -> None:
    old, new = folders(target)
    serve(target, new.name)
    live.refresh()
    assert not has_reader(old)


def test_an_error_while_answering_gives_the_generation_back(
    live: LiveKnowledgeBase, target: KnowledgeBaseFolder
) -> None:
    with pytest.raises(ZeroDivisionError), live.generation():
        raise ZeroDivisionError
    old, new = folders(target)
    serve(target, new.name)
    live.refresh()
    assert not has_reader(old)


def test_closing_waits_for_the_last_user(live: LiveKnowledgeBase, target: KnowledgeBaseFolder) -> None:
    old, _ = folders(target)
    with live.generation() as user:
        live.close()
        assert books_in(user) == {"old"} and has_reader(old)
    assert not has_reader(old)


@pytest.mark.parametrize("missing", [MANIFEST, CHUNKS, "lexical", "chroma", "in-use.lock"])
def test_a_damaged_new_generation_is_refused_and_the_old_one_served_on(
    live: LiveKnowledgeBase, target: KnowledgeBaseFolder, missing: str
) -> None:
    _, new = folders(target)
    whole = target.folder / "whole"
    shutil.copytree(new, whole)
    path = new / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    serve(target, new.name)
    for _ in range(2):
        assert live.refresh() is False and isinstance(live.fault, GenerationCorrupt)
    with live.generation() as generation:
        assert books_in(generation) == {"old"}
    if missing != "in-use.lock":
        assert not has_reader(new), f"a generation that was refused is not held open: {live.fault}"
    shutil.rmtree(new)
    whole.rename(new)
    serve(target, new.name)
    assert live.refresh() is True and live.fault is None
    with live.generation() as generation:
        assert books_in(generation) == {"new"}


def test_a_new_generation_of_another_embedder_is_refused_and_let_go(target: KnowledgeBaseFolder) -> None:
    def only_old_books(manifest: Manifest) -> None:
        if manifest.books[0].id != "old":
            raise IndexMismatch("another embedder", mend="keben rebuild")

    live = LiveKnowledgeBase(target, only_old_books)
    _, new = folders(target)
    serve(target, new.name)
    assert live.refresh() is False and isinstance(live.fault, IndexMismatch)
    assert not has_reader(new)
    with live.generation() as generation:
        assert books_in(generation) == {"old"}
    live.close()


def test_a_pointer_to_nothing_is_an_error_and_the_old_generation_is_served_on(
    live: LiveKnowledgeBase, target: KnowledgeBaseFolder
) -> None:
    serve(target, "no-such-generation")
    assert live.refresh() is False and isinstance(live.fault, KnowledgeBaseMissing)
    (target.folder / CURRENT).unlink()
    assert live.refresh() is False
    with live.generation() as generation:
        assert books_in(generation) == {"old"}


def test_where_the_current_generation_is_damaged_the_one_before_is_opened(target: KnowledgeBaseFolder) -> None:
    old, new = folders(target)
    serve(target, new.name)
    (new / CHUNKS).write_bytes(b"nothing")
    live = LiveKnowledgeBase(target, accept)
    with live.generation() as generation:
        assert books_in(generation) == {"old"}
    assert live.fault is not None and CHUNKS in live.fault.message and live.refresh() is False
    live.close()
    (old / CHUNKS).unlink()
    with pytest.raises(GenerationCorrupt):
        LiveKnowledgeBase(target, accept)


def test_opening_what_was_never_published_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseMissing):
        LiveKnowledgeBase(KnowledgeBaseFolder(tmp_path, "default"), accept)


def test_questions_from_many_threads_each_see_one_whole_generation(
    live: LiveKnowledgeBase, target: KnowledgeBaseFolder
) -> None:
    old, new = folders(target)
    seen: list[set[str]] = []
    faults: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                with live.generation() as generation:
                    seen.append(books_in(generation))
        except BaseException as error:
            faults.append(error)
            raise

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            serve(target, (new, old)[number % 2].name)
            assert live.refresh() is True
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert {"old"} in seen and {"new"} in seen
    live.close()
    assert not has_reader(old) and not has_reader(new)
