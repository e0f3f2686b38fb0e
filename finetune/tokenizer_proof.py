"""Proof of a converted tokenizer: texts come back as they were, with the ids that SentencePiece gives them.

SentencePiece's BPE is written down anew here, the slow way, so that it shares nothing with the merges under proof.
Source: bpe_model.cc of SentencePiece.
"""

import re
from itertools import pairwise
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from core.errors import ModelError
from finetune.sentence_pieces import Kind, SentencePieces
from rag.engine.model_files import FETCH

# What textbooks and answers are made of: Chinese, formulas, code; characters that no vocabulary has; spaces.
SAMPLES = (
    "死锁是指两个或两个以上的进程互相等待对方占有的资源，若无外力作用，它们都无法再向前推进。",
    "设函数 f(x) 在区间 [a, b] 上连续（见定理 3.1），则 ∃ ξ∈(a, b)：“介值”——第②步；吴、镕、𠮷、🙂。",
    r"$$T = \frac{1}{n} \sum_{i=1}^{n} (C_i - A_i), \quad \lim_{x \to 0} \frac{\sin x}{x} = 1 \\ \mathbb{R}^{n}$$",
    "def gcd(a: int, b: int):\n    while b:\n        a, b = b, a % b\n\treturn a  # O(log n)\n\n\nprint(gcd(9, 6))",
    '#include <stdio.h>\r\nint main(void) { for (int i = 0; i != 10; ++i) printf("%d\\n", i & 0xFF); return 0; }',
    "A B+-tree is a balanced search tree;  its records are kept in the leaves — naïve café, 1,234.5 km².",
)
_SPACE = "▁"


def prove_tokenizer(path: Path, model: SentencePieces, special: dict[int, AddedToken], source: Path) -> None:
    """Read the tokenizer.json `path` back and hold it against `model`, which was read from `source`.

    `special`: tokens that are cut out whole, by id. Raises ModelError naming the text or the token at fault.
    """
    tokenizer = Tokenizer.from_file(str(path))
    cut = {token.content: number for number, token in special.items()}
    for text in SAMPLES:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        back = tokenizer.decode(ids, skip_special_tokens=False)
        if back != text:
            raise _failed(source, f"{text!r} comes back as {back!r}")
        if ids != sentencepiece_ids(model, cut, text):
            raise _failed(source, f"{text!r} has other ids than SentencePiece gives it")
    for token, number in cut.items():
        ids = tokenizer.encode(token, add_special_tokens=False).ids
        if ids != [number]:
            raise _failed(source, f"{token} has the ids {ids} instead of {number}")


def sentencepiece_ids(model: SentencePieces, cut: dict[str, int], text: str) -> list[int]:
    """Ids of `text`: the tokens of `cut` first, then the best-scored neighbours joined, then bytes for the rest."""
    taken = set(cut.values())
    normal = {
        piece.text: (-piece.score, number)
        for number, piece in enumerate(model.pieces)
        if piece.kind == Kind.NORMAL and number not in taken
    }
    ids = {piece.text: number for number, piece in enumerate(model.pieces)}
    longest_first = sorted(map(re.escape, cut), key=len, reverse=True)
    found: list[int] = []
    prefix = _SPACE if model.dummy_prefix else ""
    for part in re.split(f"({'|'.join(longest_first)})", prefix + text.replace(" ", _SPACE)):
        if part in cut:
            found.append(cut[part])
            continue
        for symbol in _joined(list(part), normal):
            known = normal.get(symbol)
            found += [known[1]] if known else [ids.get(f"<0x{byte:02X}>", -1) for byte in symbol.encode()]
    return found


def _joined(symbols: list[str], normal: dict[str, tuple[float, int]]) -> list[str]:
    """Neighbours joined as long as any two make up a piece, the best score first, the first of equals."""
    while True:
        pairs = [(normal[a + b][0], at) for at, (a, b) in enumerate(pairwise(symbols)) if a + b in normal]
        if not pairs:
            return symbols
        at = min(pairs)[1]
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]


def _failed(source: Path, fault: str) -> ModelError:
    return ModelError(
        f"the tokenizer made from {source} failed its check and was not published: {fault}",
        mend=f"{FETCH}; if it fails again, report it",
    )
