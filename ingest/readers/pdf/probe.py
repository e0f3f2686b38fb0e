"""pdfium's functions on single characters of a text page, called as cheaply as ctypes can.

A book has millions of characters, so what is asked of each is counted in nanoseconds: buffers are made
once a page, and addresses are passed as plain integers.
"""

import ctypes
from collections import deque
from functools import lru_cache
from itertools import repeat
from math import atan2, degrees, hypot

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ingest.readers.pdf.calls import address, direct

Box = tuple[float, float, float, float]

_int, _address = ctypes.c_int, ctypes.c_void_p
_loose_box = direct(raw.FPDFText_GetLooseCharBox, _int, _address, _int, _address)
_matrix_of = direct(raw.FPDFText_GetMatrix, _int, _address, _int, _address)
_size_of = direct(raw.FPDFText_GetFontSize, ctypes.c_double, _address, _int)
_origin_of = direct(raw.FPDFText_GetCharOrigin, _int, _address, _int, _address, _address)
_font_of = direct(raw.FPDFText_GetFontInfo, ctypes.c_ulong, _address, _int, _address, ctypes.c_ulong, _address)
_map_error = direct(raw.FPDFText_HasUnicodeMapError, _int, _address, _int)


class Probe:
    """Asks about the characters of one text page by their index. Coordinates are the page's, y upwards."""

    def __init__(self, text_page: pdfium.PdfTextPage) -> None:
        self._handle = address(text_page.raw)
        self._matrix = raw.FS_MATRIX()
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._name = ctypes.create_string_buffer(128)
        self._matrix_at, self._name_at = ctypes.addressof(self._matrix), ctypes.addressof(self._name)
        self._origin_at = ctypes.addressof(self._x), ctypes.addressof(self._y)

    def boxes(self, where: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Left, top, right, bottom of each character: the font's box, so equal along a line."""
        rects = np.zeros((len(where), 4), dtype=np.float32)
        size, start = rects.strides[0], rects.ctypes.data
        places = range(start, start + size * len(where), size)
        deque(map(_loose_box, repeat(self._handle), where.tolist(), places), maxlen=0)
        return rects.astype(np.float64)

    def writing(self, index: int) -> tuple[int, float]:
        """The angle in which a character is written (whole degrees, counter-clockwise) and how much it is scaled."""
        matrix = self._matrix
        _matrix_of(self._handle, index, self._matrix_at)
        return _angle(matrix.a, matrix.b), hypot(matrix.c, matrix.d)

    def size(self, index: int) -> float:
        """The font size in the text's own space."""
        return float(_size_of(self._handle, index))

    def origin(self, index: int) -> tuple[float, float]:
        """Where the character stands on its base line."""
        _origin_of(self._handle, index, *self._origin_at)
        return self._x.value, self._y.value

    def font(self, index: int) -> bytes:
        """The name of the font, "" where it has none."""
        self._name.raw = b"\0"
        _font_of(self._handle, index, self._name_at, 128, None)
        return self._name.value

    def unmapped(self, picks: list[int]) -> list[bool]:
        """For each character whether pdfium found no Unicode character for its glyph."""
        return [failed == 1 for failed in map(_map_error, repeat(self._handle), picks)]


@lru_cache(maxsize=256)
def _angle(a: float, b: float) -> int:
    """Of the writing direction; near right angles are exact."""
    angle = round(degrees(atan2(b, a))) % 360
    nearest = round(angle / 90) * 90
    return nearest % 360 if abs(angle - nearest) <= 3 else angle
