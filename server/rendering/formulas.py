"""LaTeX formulas as MathML, which browsers show by themselves."""

import re
from html import escape, unescape
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

_LONGEST = 4000
# Macros that call each other would make a short formula as long as they like.
_MACROS = re.compile(r"\\(?:(?:re|provide)?newcommand|renewcommand|providecommand|[egx]?def|let)\b")
# Environments that the converter does not know, by one that looks the same.
_ALIKE = {"aligned": "split", "gather": "matrix", "gather*": "matrix", "gathered": "matrix"}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(aligned|gather\*?|gathered)\}")
_TAGS = frozenset(
    "math mrow mi mn mo mtext mspace ms mfrac msqrt mroot msub msup msubsup munder mover munderover "
    "mmultiscripts mprescripts none mtable mtr mtd mstyle mpadded mphantom menclose merror".split()
)
_ATTRIBUTES = frozenset(
    "display displaystyle scriptlevel mathvariant stretchy fence separator form accent accentunder movablelimits "
    "largeop symmetric lspace rspace minsize maxsize width height depth voffset linethickness columnalign rowalign "
    "columnspacing rowspacing columnlines rowlines frame columnspan rowspan notation".split()
)
_SPACE = '<mspace width="0.17em"></mspace>'
_VALUE = re.compile(r"[\w .%+-]{0,60}")


def mathml(latex: str, *, block: bool) -> str:
    """The formula as a <math> element; its source as <code> where it cannot be read.

    Only elements and attributes of MathML that draw something are let through: the converter copies text and
    addresses of a formula into its output as they are.
    """
    source = f'<code class="formula">{escape(latex)}</code>'
    if len(latex) > _LONGEST or _MACROS.search(latex):
        return source
    try:
        known = _ENVIRONMENT.sub(lambda found: f"\\{found[1]}{{{_ALIKE[found[2]]}}}", latex)
        element = convert_to_element(known, display="block" if block else "inline")
        return _written(element)
    except Exception:  # noqa: BLE001  the converter raises whatever comes to a formula that is no LaTeX
        return source


def _written(element: Element) -> str:
    tag = element.tag if element.tag in _TAGS else "mrow"
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _VALUE.fullmatch(value)
    )
    inner = "".join((_text(element.text), *map(_spaced, [None, *element][:-1], element, [*element, None][1:])))
    return f"<{tag}{attributes}>{inner}</{tag}>"


def _spaced(before: Element | None, child: Element, after: Element | None) -> str:
    """An element; the name of a function, such as log, is kept apart from letters and numbers beside it."""
    written = _written(child) + _text(child.tail)
    if child.tag != "mi" or len(child.text or "") < 2 or not (child.text or "").isalpha():
        return written
    left, right = (_SPACE if one is not None and one.tag != "mo" else "" for one in (before, after))
    return left + written + right


def _text(text: str | None) -> str:
    # Signs come as references such as &#x02211;.
    return escape(unescape(text or ""))
