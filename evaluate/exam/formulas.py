"""A formula, in LaTeX or plain, as a tree. Pure functions; nothing of it is ever run as code.

A tree is a number as text, a name, or a list of an operation and its parts: ["+", "x", ["^", "y", "2"]]. Operations are
+ - * / ^ neg ! abs sqrt root log and the functions below; = of two sides; tuple and set of a list.
"""

import re
import unicodedata
from typing import Any

from core.text import compatible

Tree = Any  # str, or a list of an operation and trees

FUNCTIONS = (
    "arcsin arccos arctan sinh cosh tanh sin cos tan cot sec csc ln lg log exp sqrt abs".split()
)  # fmt: skip
_GREEK = (
    "alpha beta gamma delta epsilon theta lambda mu nu xi rho sigma tau phi varphi psi omega Delta Omega Phi".split()
)
_LONGEST, _DEEPEST = 400, 40
_COMMANDS = {
    "cdot": "*",
    "times": "*",
    "div": "/",
    "ast": "*",
    "pi": "pi",
    "infty": "oo",
    "lvert": "|",
    "rvert": "|",
    "vert": "|",
    "lbrace": "{",
    "rbrace": "}",
}
_LOOKS = re.compile(
    r"\\(?:left|right|bigg?|Bigg?|displaystyle|,|;|!|:|quad|qquad|limits|(?:mathrm|mathbf|mathit|text|operatorname)(?=\s*\{))"
    r"(?![A-Za-z])|\\ |[$~]|\\[()\[\]]"
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|\\(?P<command>[A-Za-z]+|[{}|%])|(?P<word>[A-Za-z]+)|(?P<sign>\*\*|[-+*/^_()\[\]{}|=,!]))"
)
_SIGNS = str.maketrans(
    {"−": "-", "–": "-", "·": "*", "×": "*", "÷": "/", "∞": " oo ", "π": " pi ", "√": " sqrt ", "；": ",", ";": ","}
)
_POWERS = re.compile("[⁰¹²³⁴-⁹ⁿ⁻]+")


class NoFormula(Exception):
    """The text is no formula that is understood here."""


def tree_of(text: str) -> Tree:
    """The tree of `text`. Raises NoFormula, also for what is too long or too deep to be an answer."""
    text = _POWERS.sub(lambda found: "^(" + unicodedata.normalize("NFKC", found.group()).replace("−", "-") + ")", text)
    text = unicodedata.normalize("NFKC", compatible(_LOOKS.sub(" ", text.translate(_SIGNS)))).strip(" .,。，")
    if not text or len(text) > _LONGEST:
        raise NoFormula(f"{len(text)} characters")
    parser = _Parser(_tokens(text))
    tree = parser.whole()
    return tree


def _tokens(text: str) -> list[str]:
    """Numbers, names, functions (with a backslash) and signs."""
    found: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        token = _TOKEN.match(text, at)
        if token is None:
            raise NoFormula(f"{text[at : at + 8]!r} is not understood")
        at = token.end()
        if token["number"] or token["sign"]:
            found.append("^" if token["sign"] == "**" else token[0].strip())
        elif token["command"]:
            found.append(_command(token["command"]))
        else:
            found += _words(token["word"])
    return found


def _command(name: str) -> str:
    name = {"tfrac": "frac", "dfrac": "frac", "|": "vert", "{": "lbrace", "}": "rbrace"}.get(name, name)
    if name in _COMMANDS:
        return _COMMANDS[name]
    if name in FUNCTIONS or name == "frac":
        return f"\\{name}"
    if name in _GREEK:
        return name
    raise NoFormula(f"\\{name} is not understood")


def _words(word: str) -> list[str]:
    """A function, the name of a letter, or letters side by side: xy is x times y, O is a letter too."""
    if word in FUNCTIONS:
        return [f"\\{word}"]
    if word in ("pi", "oo") or word in _GREEK:
        return [word]
    for name in FUNCTIONS:
        if word.startswith(name) and len(word) == len(name) + 1:  # sinx
            return [f"\\{name}", word[-1]]
    if len(word) > 3:
        raise NoFormula(f"{word!r} is a word")
    return list(word)


class _Parser:
    """Recursive descent: lists of equations of sums of products of signed powers."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    def whole(self) -> Tree:
        tree = self._list()
        if self._at < len(self._tokens):
            raise NoFormula(f"{self._tokens[self._at]!r} is left over")
        return tree

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._next()
        if not token or (wanted and token not in wanted):
            raise NoFormula(f"{token!r} instead of {' '.join(wanted) or 'a value'}")
        self._at += 1
        return token

    def _list(self) -> Tree:
        parts = [self._equation()]
        while self._next() == ",":
            self._take()
            parts.append(self._equation())
        return parts[0] if len(parts) == 1 else ["tuple", *parts]

    def _equation(self) -> Tree:
        left = self._sum()
        if self._next() != "=":
            return left
        self._take()
        return ["=", left, self._sum()]

    def _sum(self) -> Tree:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NoFormula("too deep")
        tree = self._product()
        while self._next() in ("+", "-"):
            tree = [self._take(), tree, self._product()]
        self._depth -= 1
        return tree

    def _product(self) -> Tree:
        tree = self._signed()
        while True:
            token = self._next()
            if token in ("*", "/"):
                tree = [self._take(), tree, self._signed()]
            elif token and (token[0].isalnum() or token[0] == "\\" or token in ("(", "[", "{")):
                tree = ["*", tree, self._power()]
            else:
                return tree

    def _signed(self) -> Tree:
        sign = 1
        while self._next() in ("+", "-"):
            sign = -sign if self._take() == "-" else sign
        tree = self._power()
        return tree if sign > 0 else ["neg", tree]

    def _power(self) -> Tree:
        tree = self._value()
        while self._next() == "!":
            self._take()
            tree = ["!", tree]
        if self._next() == "^":
            self._take()
            tree = ["^", tree, self._argument(signed=True)]
        return tree

    def _argument(self, *, signed: bool = False) -> Tree:
        """What stands after ^ or a function: a group, or one value; 2^{10}, 2^10, x^-1."""
        if self._next() == "-" and signed:
            self._take()
            return ["neg", self._argument()]
        return self._power() if signed else self._value()

    def _value(self) -> Tree:
        token = self._take()
        if token in ("(", "[", "{"):
            tree = self._list()
            self._take({"(": ")", "[": "]", "{": "}"}[token])
            return ["set", *tree[1:]] if token == "{" and isinstance(tree, list) and tree[0] == "tuple" else tree
        if token == "|":
            tree = self._sum()
            self._take("|")
            return ["abs", tree]
        if token == "\\frac":
            return ["/", self._group(), self._group()]
        if token[0] == "\\":
            return self._function(token[1:])
        if token[0].isalpha() or token[0].isdigit() or token[0] == ".":
            return self._indexed(token)
        raise NoFormula(f"{token!r} is no value")

    def _group(self) -> Tree:
        """An argument of \\frac: {12}, or one digit or letter of \\frac12."""
        token = self._next()
        if token.isdigit() and len(token) > 1:
            self._tokens[self._at : self._at + 1] = list(token)
        return self._value()

    def _indexed(self, token: str) -> Tree:
        """A number, or a name with its index: x_1, x_{12}."""
        if token[0].isalpha() and self._next() == "_":
            self._take()
            brace = self._next() == "{"
            parts = [self._take("{")] if brace else []
            parts.append(self._take())
            if brace:
                while self._next() != "}":
                    parts.append(self._take())
                parts.append(self._take("}"))
            index = "".join(part for part in parts if part not in "{}")
            if not index.isalnum():
                raise NoFormula(f"index {index!r}")
            return f"{token}_{index}"
        return token

    def _function(self, name: str) -> Tree:
        power = base = None
        if name == "sqrt" and self._next() == "[":
            self._take()
            base = self._sum()
            self._take("]")
            return ["root", self._value(), base]
        for _ in range(2):
            if self._next() == "^":
                self._take()
                power = self._argument(signed=True)
            elif self._next() == "_":
                self._take()
                base = self._value()
        inner = self._value() if self._next() in ("(", "{", "[", "|") else self._run(name)
        tree = ["log", inner, base] if base is not None else [name, inner]
        return ["^", tree, power] if power is not None else tree

    def _run(self, name: str) -> Tree:
        """What a function without brackets takes: 2x of sin 2x, n of log n."""
        if name == "sqrt":
            return self._value()
        tree = self._power()
        while (token := self._next()) and (token[0].isalnum()):
            tree = ["*", tree, self._power()]
        return tree
