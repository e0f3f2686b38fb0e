"""Rebuilds are killed under a server that answers: `python benchmarks/kill.py [--rounds N] [--only STAGE …]`.

A real server answers questions over HTTP without pause while `keben rebuild` takes in one edition of the books after
the other, and is killed (SIGKILL, its whole group) at each stage and at random times. Every sentence of the books
says its edition. An answer is wrong when it lacks the words that it must hold, or comes from an older edition than
the one before; mixed when it holds two editions, or one generation answers from two; failed without status 200.
After every kill the served generation must pass its full check; after each row a rebuild must complete, leave nothing
over and be served. Then come full disks (root only) and generations damaged after they were published.

`in stage` counts the kills after which the disk still showed that stage. About an hour; progress on stderr, the table
on stdout as Markdown. Loopback only. Exit code 1 when anything was wrong.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from killing.client import Counts
from killing.course import Course, kill
from killing.faults import DAMAGES, MARGINS, publish_damaged, rebuild_on_full_disk, small_disk
from killing.stages import STAGES, Scene, Stage

from core.errors import KebenError
from vector_db.verify import verify_generation

RANDOM, FULL, DAMAGED = "random times", "full disk", "damaged generation"
LONGEST_STAGE = 180.0
COLUMNS = (
    "stage",
    "kills",
    "in stage",
    "answers",
    "wrong",
    "mixed",
    "failed",
    "slowest answer ms",
    "check",
    "rerun ok",
)


@dataclass(slots=True)
class Row:
    """What came of one stage. faults: everything that must not be."""

    name: str
    kills: int = 0
    held: int = 0
    rerun: bool = False
    counts: Counts = field(default_factory=Counts)
    faults: list[str] = field(default_factory=list)
    check: str = "ok"

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        bad = self.counts.wrong + self.counts.mixed + self.counts.failed
        return not bad and not self.faults and self.rerun and self.check == "ok" and self.kills > 0

    def cells(self) -> list[object]:
        """In the order of COLUMNS."""
        seen, rerun = self.counts, "yes" if self.rerun else "no"
        numbers = (seen.answers, seen.wrong, seen.mixed, seen.failed, round(seen.slowest))
        return [self.name, self.kills, self.held, *numbers, self.check, rerun]


def main() -> int:
    """Run and print; the exit code."""
    names = [*(stage.name for stage in STAGES), RANDOM, FULL, DAMAGED]
    parser = argparse.ArgumentParser(description="Rebuilds are killed under a server that answers.")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="kills at each stage (10)")
    parser.add_argument("--random", type=int, default=50, metavar="N", help="kills at random times (50)")
    parser.add_argument("--seed", type=int, default=20260101, metavar="N", help="of the random times")
    parser.add_argument("--only", nargs="+", choices=names, metavar="STAGE", help=f"of {', '.join(names)}")
    options = parser.parse_args()
    chosen = options.only or names
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="keben-kill-") as name:
        try:
            if set(chosen) != {FULL}:
                rows += killed_rows(Path(name), chosen, options.rounds, options.random, Random(options.seed))
            if FULL in chosen:
                rows += full_disk_row(Path(name), options.rounds)
        except KebenError as error:
            print(f"kill: {error}", file=sys.stderr)
            return error.exit_code
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for row in rows:
        print(f"| {' | '.join(map(str, row.cells()))} |")
    for row in rows:
        for fault in row.faults:
            print(f"\n{row.name}: {fault}")
    return int(not all(row.ok for row in rows))


def killed_rows(folder: Path, chosen: list[str], rounds: int, random: int, chance: Random) -> list[Row]:
    """A row for each chosen stage, one for random times, one for damaged generations; all on one server."""
    rows: list[Row] = []
    with Course(folder / "course", folder / "course-data") as course:
        say(f"serving; an undisturbed rebuild takes {course.seconds:.1f} s")
        for stage in STAGES:
            if stage.name in chosen:
                rows.append(tell(kills_at(course, stage, rounds)))
        if RANDOM in chosen and random:
            rows.append(tell(kills_at_random(course, random, chance)))
        if DAMAGED in chosen:
            rows.append(tell(damaged_row(course)))
        left = len(list(course.tmp.glob("keben-*")))
        say(f"folders of killed parsers that stayed in the temporary folder: {left}")
    return rows


def kills_at(course: Course, stage: Stage, rounds: int) -> Row:
    """Kill `rounds` rebuilds as soon as they have reached the stage."""
    row, before = Row(stage.name), course.client.snapshot()
    for _ in range(rounds):
        course.next_edition()
        served = course.target.current_id()
        process = course.start_rebuild()
        scene = Scene(course, process.pid, served)
        deadline = time.monotonic() + LONGEST_STAGE
        while not (reached := stage.reached(scene)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        kill(process)
        if not reached:
            row.faults.append(f"the stage was never seen: {course.last_words()}")
            break
        row.kills += 1
        row.held += stage.held(scene)
        check_served(course, row)
    return finished(course, row, before)


def kills_at_random(course: Course, times: int, chance: Random) -> Row:
    """Kill `times` rebuilds at any time between their start and a little after their end."""
    row, before = Row(RANDOM), course.client.snapshot()
    for _ in range(times):
        course.next_edition()
        process = course.start_rebuild()
        time.sleep(chance.uniform(0.05, 1.1) * course.seconds)
        row.held += process.poll() is None
        kill(process)
        row.kills += 1
        check_served(course, row)
    return finished(course, row, before)


def check_served(course: Course, row: Row) -> None:
    """The served generation passes its check, and answers go on."""
    try:
        verify_generation(course.target.current())
    except KebenError as error:
        row.check = "failed"
        row.faults.append(f"the served generation is damaged: {error.message}")
    if not course.client.wait(6):
        row.faults.append("the server does not answer any more")


def finished(course: Course, row: Row, before: Counts, *options: str) -> Row:
    """A rebuild to the end, and the counts of the row."""
    row.rerun = course.rerun_ok(*options)
    if not row.rerun:
        row.faults.append(f"the rebuild after it: {course.last_words()}; left over: {course.left_over()}")
    row.counts = course.client.counts().since(before)
    row.faults += course.client.faults
    course.client.faults = []
    return row


def damaged_row(course: Course) -> Row:
    """Damaged generations under the server; each is mended by a rebuild, a forced one where a plain one refuses."""
    row, before = Row(DAMAGED), course.client.snapshot()
    for name, damage in DAMAGES:
        publish_damaged(course, damage)
        row.kills += 1
        row.held += 1
        row.faults += [f"with {name}: {fault}" for fault in course.client.faults[:2]]
        course.client.faults = []
        course.next_edition()
        row.faults += [f"with {name}: {fault}" for fault in mended(course)]
        check_served(course, row)
    return finished(course, row, before, "--force")


def mended(course: Course) -> list[str]:
    """What goes wrong when a rebuild, or a forced one where a plain one asks for it, mends a damaged generation."""
    if course.rerun_ok():
        return []
    plain = course.last_words()
    if "--force" in plain and "Traceback" not in plain and course.rerun_ok("--force"):
        return []
    course.restart_server()
    if course.client.wait(6, course.edition):
        return ["the server does not take the mended generation over until it is started again"]
    return [f"it is not mended; a rebuild says: {plain[-200:]}; in the end: {course.last_words()[-200:]}"]


def full_disk_row(folder: Path, rounds: int) -> list[Row]:
    """Rebuilds on a disk that fills up, under a server of its own; no row where no disk can be mounted."""
    with small_disk(folder / "disk") as reason:
        if reason:
            say(f"{FULL}: skipped, {reason}")
            return []
        with Course(folder / "full", folder / "disk" / "data") as course:
            row, before = Row(FULL), course.client.snapshot()
            for number in range(rounds):
                course.next_edition()
                if fault := rebuild_on_full_disk(course, MARGINS[number % len(MARGINS)]):
                    row.faults.append(fault)
                row.kills += 1
                row.held += course.client.edition != course.edition
                check_served(course, row)
            return [tell(finished(course, row, before))]


def tell(row: Row) -> Row:
    """Progress."""
    say(f"{row.name}: {row.kills} kills, {row.counts.answers} answers, {'ok' if row.ok else 'NOT ok'}")
    return row


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
