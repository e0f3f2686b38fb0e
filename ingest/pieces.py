"""The blocks of a section as pieces that are not cut any further."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.blocks import announces, caption_follows
from core.text import sentences
from core.types import Block, BlockKind
from ingest.cuts import Cut, Sized, TokenCount, code_parts, items_of, lines_of, prose_parts, refined, sized, table_parts
from ingest.packing import Room, packed


@dataclass(frozen=True, slots=True)
class Piece:
    """A block or a part of one. size: its tokens, those of the lead included. lead: as in `Span`."""

    block: Block
    start: int
    end: int
    size: int
    lead: str = ""

    @property
    def begins(self) -> bool:
        """Whether its block begins with it."""
        return self.start == self.block.start


def fits(pieces: Sequence[Piece], room: Room) -> bool:
    """Whether what belongs together may share a chunk: with more than prose in it, it may be a quarter too long."""
    prose = all(piece.block.kind is BlockKind.paragraph for piece in pieces)
    longest = max(room.limit, *(piece.size for piece in pieces)) + (0 if prose else room.limit // 4)
    return sum(piece.size for piece in pieces) <= min(longest, room.most)


def pieces_of(text: str, blocks: Sequence[Block], sizes: Sequence[int], room: Room, count: TokenCount) -> list[Piece]:
    """The pieces of blocks in order; `sizes` are the blocks' tokens."""
    pieces: list[Piece] = []
    for number, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        if size <= room.limit or block.kind is BlockKind.formula:
            pieces.append(Piece(block, block.start, block.end, size))
        elif block.kind is BlockKind.table:
            pieces += _table(text, block, _caption_of(text, blocks, number), room, count)
        elif block.kind in {BlockKind.list, BlockKind.code} and size <= room.most:
            pieces.append(Piece(block, block.start, block.end, size))
        else:
            pieces += _joined(block, _parts(text, block, room, count), room)
    return list(_with_announcements(text, pieces, room, count))


def _parts(text: str, block: Block, room: Room, count: TokenCount) -> list[Sized]:
    if block.kind not in {BlockKind.list, BlockKind.code}:
        return prose_parts(text, (block.start, block.end), room.limit, count)
    cut = items_of if block.kind is BlockKind.list else code_parts
    return _under_the_cap(text, sized(text, cut(text, block.start, block.end), count), room, count)


def _under_the_cap(text: str, parts: list[Sized], room: Room, count: TokenCount) -> list[Sized]:
    """`parts`; one above the hard cap between its lines, a line above it like prose."""
    parts = refined(text, parts, room.most, count, lambda part, _: list(lines_of(text, *part)))
    fine = [[(part, size)] if size <= room.most else prose_parts(text, part, room.limit, count) for part, size in parts]
    return [part for row in fine for part in row]


def _joined(block: Block, parts: Sequence[Sized], room: Room, lead: str = "", lead_size: int = 0) -> Iterator[Piece]:
    """Neighbouring parts of a block put together; all but the first piece get the lead."""
    for group in packed([size for _, size in parts], room):
        members = [parts[number] for number in group]
        size = sum(size for _, size in members)
        piece = Piece(block, members[0][0][0], members[-1][0][1], size)
        yield piece if not group.start or not lead else replace(piece, size=size + lead_size, lead=lead)


def _table(text: str, block: Block, caption: str, room: Room, count: TokenCount) -> Iterator[Piece]:
    """A long table between its rows; each later part is led by the caption and the header row."""
    head_end, rows = table_parts(text, block.start, block.end)
    header = text[block.start : head_end].rstrip()
    lead = (f"{caption}\n\n" if caption else "") + (f"{header}\n" if header else "")
    (tokens,) = count([lead])
    if tokens > room.limit:
        lead, tokens = "", 0
    parts = _under_the_cap(text, sized(text, rows, count), room, count)
    yield from _joined(block, parts, room.without(tokens), lead, tokens)


def _caption_of(text: str, blocks: Sequence[Block], number: int) -> str:
    """The words of the caption above or below the block; empty without one."""
    kinds = [None, None, *(block.kind for block in blocks), None, None]
    for place, below in ((number - 1, False), (number + 1, True)):
        if kinds[place + 2] is BlockKind.caption:
            words = text[blocks[place].start : blocks[place].end]
            if caption_follows(kinds[place + 1], words, kinds[place + 3]) is below:
                return words
    return ""


def _with_announcements(text: str, pieces: Sequence[Piece], room: Room, count: TokenCount) -> Iterator[Piece]:
    """`pieces`; where a paragraph does not fit with what it announces, its last sentence becomes a piece."""
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        cuts = [(piece.start, piece.end)]
        if after and after.block is not piece.block and not fits([piece, after], room):
            cuts = _last_sentence_apart(text, piece)
        for (start, end), size in sized(text, cuts, count) if len(cuts) > 1 else [(cuts[0], piece.size)]:
            yield replace(piece, start=start, end=end, size=size)


def _last_sentence_apart(text: str, piece: Piece) -> list[Cut]:
    words = text[piece.start : piece.end]
    if piece.block.kind is BlockKind.paragraph and announces(words):
        *body, last = sentences(words, piece.start)
        if body:
            return [(piece.start, body[-1][1]), last]
    return [(piece.start, piece.end)]
