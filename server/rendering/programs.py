"""Programs in answers, their words marked for the style sheet."""

from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# The expressions of some lexers take long for long lines that are no program.
_LONGEST = 8000


def program(code: str, language: str) -> str:
    """HTML of a program: marked where `language` is known, else as it is."""
    if language and len(code) <= _LONGEST:
        try:
            lexer = get_lexer_by_name(language, stripnl=False)
        except ClassNotFound:
            return escape(code)
        return str(highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="code-")))
    return escape(code)
