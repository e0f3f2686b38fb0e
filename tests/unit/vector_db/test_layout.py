"""Names, the pointer to the served generation, the right to build, what is deleted when."""

import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import BuilderBusy, ConfigError, KnowledgeBaseMissing
from core.settings import PROJECT
from vector_db.layout import CURRENT, IN_USE, KnowledgeBaseFolder, knowledge_bases

HOLD_THE_RIGHT_TO_BUILD = """
import sys
from pathlib import Path
from vector_db.layout import KnowledgeBaseFolder
with KnowledgeBaseFolder(Path(sys.argv[1]), "default").building():
    print("building", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def target(tmp_path: Path) -> KnowledgeBaseFolder:
    return KnowledgeBaseFolder(tmp_path, "default")


def publish(target: KnowledgeBaseFolder) -> Path:
    """Publish a generation that holds nothing but its lock file."""
    with target.building():
        unfinished = target.new_folder()
        (unfinished / IN_USE).touch()
        return target.publish(unfinished)


@contextmanager
def reading(generation: Path) -> Iterator[None]:
    with (generation / IN_USE).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "Upper", "课本", "a b", "a.b", "-a", "_a", "a\n", "a\x00", "a" * 64],
)
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KnowledgeBaseFolder(tmp_path, name)
    assert repr(name) in caught.value.message and "a-z" in caught.value.mend
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "0", "default", "os_2024-spring", "a" * 63])
def test_ordinary_names_are_taken_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    assert KnowledgeBaseFolder(tmp_path, name).folder == tmp_path / name
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_build_nothing_is_served(target: KnowledgeBaseFolder) -> None:
    assert target.current_id() is None and target.finished() == []
    with pytest.raises(KnowledgeBaseMissing, match="'default'") as caught:
        target.current()
    assert caught.value.mend == "build it: `keben rebuild`"


def test_the_mend_for_another_name_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseMissing) as caught:
        KnowledgeBaseFolder(tmp_path, "physics").current()
    assert "keben rebuild --kb physics --source" in caught.value.mend


def test_a_generation_is_served_only_once_published(target: KnowledgeBaseFolder) -> None:
    with target.building():
        unfinished = target.new_folder()
        assert unfinished.is_dir() and unfinished.name.endswith(".tmp")
        assert target.current_id() is None and target.finished() == []
        final = target.publish(unfinished)
    assert not unfinished.exists()
    assert target.current() == final and target.finished() == [final.name]


def test_the_next_generation_takes_over(target: KnowledgeBaseFolder) -> None:
    first, second = publish(target), publish(target)
    assert target.current() == second and first.name < second.name
    assert target.finished() == [first.name, second.name]


def test_the_pointer_is_replaced_and_never_written_in_place(target: KnowledgeBaseFolder) -> None:
    first = publish(target)
    with (target.folder / CURRENT).open(encoding="ascii") as old_pointer:
        second = publish(target)
        assert old_pointer.read() == f"{first.name}\n"
    assert (target.folder / CURRENT).read_text(encoding="ascii") == f"{second.name}\n"
    assert not (target.folder / f"{CURRENT}.tmp").exists()


def test_whoever_reads_the_pointer_always_finds_a_whole_generation(target: KnowledgeBaseFolder) -> None:
    publish(target)
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            name = target.current_id()
            if name is None or not (target.generations / name / IN_USE).is_file():
                faults.append(str(name))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(40):
            publish(target)
    finally:
        done.set()
        reader.join()
    assert faults == []


def test_what_an_interrupted_build_left_is_removed_by_the_next_one(target: KnowledgeBaseFolder) -> None:
    published = publish(target)
    with target.building():
        left = target.new_folder()
    (left / "chroma").mkdir()
    (left / "chroma" / "chroma.sqlite3").write_bytes(b"half")
    (target.folder / f"{CURRENT}.tmp").write_text("half", encoding="ascii")
    with target.building():
        assert not left.exists()
    assert sorted(path.name for path in target.folder.rglob("*.tmp")) == []
    assert target.current() == published


def test_a_second_builder_is_told_that_one_is_at_work(tmp_path: Path, target: KnowledgeBaseFolder) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_RIGHT_TO_BUILD, str(tmp_path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None and other.stdout.readline() == "building\n"
        left = target.generations / "being-built.tmp"
        left.mkdir()
        with pytest.raises(BuilderBusy, match="'default'") as caught, target.building():
            pass
        assert "wait" in caught.value.mend
        assert left.exists(), "what the other builder writes is not a leftover"
        with KnowledgeBaseFolder(tmp_path, "other").building():
            pass
        other.kill()
    with target.building():
        assert not left.exists()


def test_the_right_to_build_is_given_back_after_an_error(target: KnowledgeBaseFolder) -> None:
    with pytest.raises(ZeroDivisionError), target.building():
        raise ZeroDivisionError
    publish(target)


def test_only_the_served_generation_and_those_to_keep_are_kept(target: KnowledgeBaseFolder) -> None:
    names = [publish(target).name for _ in range(4)]
    target.remove_old(names[1], None)
    assert target.finished() == [names[1], names[3]]


def test_a_generation_that_is_read_is_kept_until_it_is_let_go(target: KnowledgeBaseFolder) -> None:
    names = [publish(target).name for _ in range(3)]
    with reading(target.generations / names[0]):
        target.remove_old()
        assert target.finished() == [names[0], names[2]]
    target.remove_old()
    assert target.finished() == [names[2]]


def test_the_served_generation_is_kept_after_a_switch_back(target: KnowledgeBaseFolder) -> None:
    names = [publish(target).name for _ in range(3)]
    with target.building():
        target.switch(names[0])
    target.remove_old(names[2])
    assert target.current().name == names[0] and target.finished() == [names[0], names[2]]


def test_a_half_deleted_generation_is_deleted_the_next_time(target: KnowledgeBaseFolder) -> None:
    names = [publish(target).name for _ in range(3)]
    (target.generations / names[0] / IN_USE).unlink()
    target.remove_old(names[1])
    assert target.finished() == names[1:]


def test_only_published_knowledge_bases_are_listed(tmp_path: Path) -> None:
    assert knowledge_bases(tmp_path / "nowhere") == []
    for name in ("physics", "default"):
        publish(KnowledgeBaseFolder(tmp_path, name))
    with KnowledgeBaseFolder(tmp_path, "never-finished").building():
        pass
    (tmp_path / "Not A Name").mkdir()
    (tmp_path / "Not A Name" / CURRENT).write_text("x", encoding="ascii")
    assert knowledge_bases(tmp_path) == ["default", "physics"]
