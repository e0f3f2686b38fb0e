"""A conversation with one model, or two side by side, on a terminal."""

import sys
import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue

from cli.speaker import Speaker
from core.errors import KebenError

HELP = "/new begins a new conversation, /quit or Ctrl-D ends, Ctrl-C stops an answer"
_PROMPT = "> "
_FRAMES = 8  # a second


def converse(speakers: Sequence[Speaker]) -> None:
    """Ask and answer until the user ends it."""
    _history_of_lines()
    print(HELP, file=sys.stderr)
    while True:
        try:
            question = input(_PROMPT).strip()
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print(f"\n{HELP}", file=sys.stderr)
            continue
        if question == "/quit":
            return
        if question == "/new":
            for speaker in speakers:
                speaker.forget()
        elif question.startswith("/"):
            print(HELP, file=sys.stderr)
        elif question:
            _answer(speakers, question)


def _answer(speakers: Sequence[Speaker], question: str) -> None:
    try:
        if len(speakers) == 1:
            show_stream(speakers[0], question)
        else:
            show_beside(speakers, question)
    except KeyboardInterrupt:
        print("(stopped)", file=sys.stderr)
    except KebenError as error:
        # Such as a question that is too long: the next one may be answered.
        print(f"keben: {error}", file=sys.stderr)
        return
    for speaker in speakers:
        if speaker.last and speaker.last.dropped:
            print(f"({speaker.name}: {speaker.last.dropped} earlier messages left out: too long)", file=sys.stderr)


def show_stream(speaker: Speaker, question: str) -> None:
    """Print the answer as it comes. A KeyboardInterrupt ends the answer, and is raised."""
    stream = speaker.ask(question)
    try:
        for piece in stream:
            print(piece, end="", flush=True)
    finally:
        close(stream)
        print()


def show_beside(speakers: Sequence[Speaker], question: str) -> None:
    """The answers in columns, written at the same time. A KeyboardInterrupt ends all of them, and is raised."""
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    answers = ["" for _ in speakers]

    def columns() -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", expand=True, padding=(0, 2, 0, 0))
        for speaker in speakers:
            table.add_column(Text(speaker.name), ratio=1, overflow="fold")
        table.add_row(*map(Text, answers))
        return table

    console = Console(highlight=False)
    try:
        # What is higher than the terminal is cut while it is written, and whole at the end.
        with Live(console=console, refresh_per_second=_FRAMES, transient=True, get_renderable=columns):
            for place, piece in at_once(speakers, question):
                answers[place] += piece
    finally:
        console.print(columns())


def at_once(speakers: Sequence[Speaker], question: str) -> Iterator[tuple[int, str]]:
    """Pieces of the answers of all speakers, each with the speaker's place, in the order in which they come.

    Closed early, all of them stop writing. Raises what any of them raises.
    """
    came: SimpleQueue[tuple[int, str | Exception | None]] = SimpleQueue()
    over = threading.Event()

    def write(place: int, speaker: Speaker) -> None:
        stream = speaker.ask(question)
        try:
            for piece in stream:
                came.put((place, piece))
                if over.is_set():
                    break
        except Exception as error:  # noqa: BLE001  raised again below, in the thread that waits
            came.put((place, error))
        finally:
            close(stream)
            came.put((place, None))

    threads = [
        threading.Thread(target=write, args=(place, speaker), daemon=True) for place, speaker in enumerate(speakers)
    ]
    for thread in threads:
        thread.start()
    try:
        left = len(threads)
        while left:
            place, piece = came.get()
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                left -= 1
            else:
                yield place, piece
    finally:
        over.set()
        for thread in threads:
            thread.join()


def close(stream: Iterator[str]) -> None:
    """End an answer that may not be finished."""
    if end := getattr(stream, "close", None):
        end()


def _history_of_lines() -> None:
    """Lines can be edited and called back, where Python has readline."""
    try:
        import readline  # noqa: F401
    except ImportError:
        pass
