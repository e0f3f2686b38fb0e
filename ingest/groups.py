"""Which pieces share a chunk."""

from collections.abc import Iterator, Sequence

from core.blocks import announces, caption_follows, explains, is_captioned
from core.types import BlockKind
from ingest.packing import Room, packed
from ingest.pieces import Piece, fits


def groups_of(text: str, pieces: Sequence[Piece], room: Room) -> Iterator[list[Piece]]:
    """The pieces of each chunk of a section, in order."""
    for run in _runs(_atoms(text, pieces, room)):
        for group in packed([sum(piece.size for piece in atom) for atom in run], room):
            yield [piece for number in group for piece in run[number]]


def _runs(atoms: Sequence[list[Piece]]) -> list[list[list[Piece]]]:
    """A later part of a table begins a chunk, so that its header stands above it and nothing else."""
    runs: list[list[list[Piece]]] = []
    for atom in atoms:
        if not runs or atom[0].lead:
            runs.append([])
        runs[-1].append(atom)
    return runs


def _atoms(text: str, pieces: Sequence[Piece], room: Room) -> list[list[Piece]]:
    """What stays together, as far as there is room; what stands nearer goes first."""
    bound = {id(piece): _bound(text, pieces, number) for number, piece in enumerate(pieces)}
    atoms: list[list[Piece]] = []
    for piece in pieces:
        atom = [piece]
        while atoms and bound[id(atom[0])] and fits([atoms[-1][-1], *atom], room):
            atom.insert(0, atoms[-1].pop())
            if not atoms[-1]:
                atoms.pop()
        atoms.append(atom)
    return atoms


def _bound(text: str, pieces: Sequence[Piece], number: int) -> bool:
    """Whether a piece belongs to the one before it: 「如下：」 and its list, a caption, the formula of a sentence."""
    piece = pieces[number]
    before = pieces[number - 1] if number else None
    if before is None or before.block is piece.block:
        return False
    words, kind = text[before.start : before.end], piece.block.kind
    if kind is BlockKind.formula or announces(words) or (piece.block.continues and piece.begins):
        return True
    if before.block.kind is BlockKind.formula:
        return kind is BlockKind.paragraph and explains(text[piece.start : piece.end])
    if before.block.kind is BlockKind.caption and kind is not BlockKind.caption:
        return is_captioned(kind) and not caption_follows(_kind(pieces, number - 2), words, kind)
    # Two captions: a figure and the line below it.
    follows = caption_follows(before.block.kind, text[piece.start : piece.end], _kind(pieces, number + 1))
    return kind is BlockKind.caption and (before.block.kind is BlockKind.caption or follows)


def _kind(pieces: Sequence[Piece], number: int) -> BlockKind | None:
    return pieces[number].block.kind if 0 <= number < len(pieces) else None
