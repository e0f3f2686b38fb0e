"""Section `encode`: a whole rebuild of English books against nothing but the encoding of the same texts."""

import json
from pathlib import Path

from core.errors import ConfigError
from ingestion.probe import Options, keben_environment, markdown, measure, program, say

TARGET = 1.25


def run(options: Options, folder: Path) -> str:
    """The table."""
    books = folder / "books"
    books.mkdir()
    found = dict(list(english_books(options.data).items())[: options.books])
    for number, (name, parts) in enumerate(found.items()):
        text = "\n\n".join(part.read_text(encoding="utf-8") for part in parts)
        (books / f"{number}-{name}").write_text(text, encoding="utf-8")
    say(f"encode: rebuilding {len(found)} books")
    texts = folder / "texts.json"
    whole = measure(program("recorded_rebuild.py", texts), keben_environment(folder, books))
    count = len(json.loads(texts.read_text(encoding="utf-8"))["texts"])
    if not count:
        raise ConfigError("no text was embedded", mend="choose books that the embedder can read")
    say(f"encode: encoding the same {count} texts alone")
    bare = measure(program("bare_encode.py", texts))
    took = json.loads(bare.stdout)
    rows = [
        _row("load included in both (whole processes)", whole.seconds, bare.seconds),
        _row("load left out of both", whole.seconds - took["load"], took["encode"]),
    ]
    note = (
        f"{len(found)} books, {count} texts; same model, batch size and threads; a fresh process each. "
        f"Loading the model with its libraries took {took['load']:.1f} s."
    )
    head = ("model load", "rebuild s", "bare encode s", "ratio", "target", "met")
    return f"### Whole rebuild against bare encoding\n\n{note}\n\n{markdown(head, rows)}"


def english_books(data: Path) -> dict[str, list[Path]]:
    """English textbooks of the shared data, each with the files of its chapters, by the name of a file for all."""
    places = {
        "congestion.rst": "books/en/systemsapproach-congestion",
        "hello-algo.md": "retrieval/hello_algo_qa_en/docs",
        "calculus.md": "retrieval/openstax_calc3_en/docs",
    }
    parts = {name: sorted((data / place).rglob(f"*{Path(name).suffix}")) for name, place in places.items()}
    found = {name: files for name, files in parts.items() if files}
    if not found:
        raise ConfigError(f"there are no English books in {data}", mend="name their folder with --data")
    return found


def _row(name: str, whole: float, bare: float) -> list[object]:
    ratio = whole / bare
    return [name, whole, bare, ratio, f"<= {TARGET}", "yes" if ratio <= TARGET else "no"]
