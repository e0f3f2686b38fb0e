"""Characters that the file gives no meaning: ligatures told by their width and place. Pure.

LaTeX fonts saved anew by other programs often lack a meaning for ff, ffi and ffl, which are in no standard
encoding, so that "efficiency" would read "eciency".
"""

import re
from collections.abc import Sequence
from statistics import median

NO_MEANING = "\ufffd"
_MISSING = re.compile("(?<=[a-z])\ufffd(?=[a-z])")
ARROW = "\u21b5"
_ARROW = re.compile("(?<=[a-z])\u21b5(?=[a-z-])")  # what TeX's code for ff means in Mac encodings
_FULL = {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"}
_LIGATURE = re.compile("[\ufb00-\ufb04]")
_TWO, _THREE, _WIDEST = 1.65, 2.05, 3.2  # widths of an f: ff has 1.8 to 1.9, ffi and ffl 2.2 to 2.6


def with_ligatures(text: str, widths: Sequence[float]) -> str:
    """`text` with ligatures (one character each) where they alone fit.

    widths: of each of its characters, as a share of its height.

    fi and fl are in every encoding. Where a page has them, the ones without a meaning are ff, ffi or ffl.
    """
    text = _ARROW.sub("\ufb00", text)
    if not _MISSING.search(text) or not re.search("f[il]|[\ufb01\ufb02]", text):
        return text
    f = median([width for char, width in zip(text, widths, strict=True) if char == "f"] or [0.0])
    if not f:
        return text
    return _MISSING.sub(lambda found: _ligature(widths[found.start()] / f, text[found.end()]), text)


def _ligature(width: float, after: str) -> str:
    if width < _TWO or width > _WIDEST:
        return NO_MEANING
    if width < _THREE:
        return "\ufb00"
    return "\ufb04" if after in "aeou" else "\ufb03"  # baffle, affluent; efficient, affine


def spelt_out(text: str) -> str:
    """Ligatures as the letters that they stand for."""
    return _LIGATURE.sub(lambda found: _FULL[found[0]], text)
