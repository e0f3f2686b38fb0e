"""The process that compares formulas with SymPy: `python -m evaluate.exam.symbol_worker`.

Reads a JSON list of two texts a line, writes true or false a line. It is a process of its own because a comparison
may take any time or memory: whoever asked ends it then.
"""

import json
import resource
import sys
from itertools import permutations
from typing import Any

from evaluate.exam.formulas import NoFormula, Tree, tree_of

_MEMORY = 2**31
_BITS, _LARGEST_FACTORIAL = 20_000, 200
_MOST_IN_SET = 5


def same(one: str, other: str) -> bool:
    """Whether both are formulas, and equal by SymPy wherever they are defined."""
    try:
        trees = tree_of(one), tree_of(other)
        return _same(*trees) or _same(*map(_answer, trees))
    except NoFormula:
        return False


def _answer(tree: Tree) -> Tree:
    """The right side of y = … and f(x) = …; without the constant of an integral."""
    if isinstance(tree, list) and tree[0] == "=" and not _is_compound(tree[1]):
        tree = tree[2]
    if isinstance(tree, list) and tree[0] == "+" and tree[2] in ("C", "c"):
        tree = tree[1]
    return tree


def _is_compound(tree: Tree) -> bool:
    """Whether more stands there than a name, or a name before a bracket."""
    return isinstance(tree, list) and not (tree[0] == "*" and all(isinstance(part, str) for part in tree[1:]))


def _same(one: Tree, other: Tree) -> bool:
    kinds = [tree[0] if isinstance(tree, list) and tree[0] in ("=", "tuple", "set") else "" for tree in (one, other)]
    if kinds[0] != kinds[1] or (kinds[0] and len(one) != len(other)):
        return False
    if kinds[0] == "=":
        left, right = (["-", tree[1], tree[2]] for tree in (one, other))
        return _equal(left, right) or _equal(left, ["neg", right])
    if kinds[0] == "tuple":
        return all(map(_same, one[1:], other[1:]))
    if kinds[0] == "set":
        orders = permutations(other[1:]) if len(other) <= _MOST_IN_SET + 1 else iter([tuple(other[1:])])
        return any(all(map(_same, one[1:], order)) for order in orders)
    return _equal(one, other)


def _equal(one: Tree, other: Tree) -> bool:
    import sympy

    left, right = _expression(one), _expression(other)
    if left == right:
        return True
    difference = left - right
    return bool(difference.is_finite is not False and sympy.simplify(difference) == 0)


def _expression(tree: Tree) -> Any:
    """Built by hand from the tree: SymPy's own parsers run Python code."""
    import sympy

    if isinstance(tree, str):
        if tree[0].isdigit() or tree[0] == ".":
            return sympy.Rational(tree)
        named = {"pi": sympy.pi, "e": sympy.E, "oo": sympy.oo, "i": sympy.I}
        return named[tree] if tree in named else sympy.Symbol(tree, real=True)
    operation, parts = tree[0], [_expression(part) for part in tree[1:]]
    match operation:
        case "+":
            return parts[0] + parts[1]
        case "-":
            return parts[0] - parts[1]
        case "*":
            return parts[0] * parts[1]
        case "/":
            return parts[0] / parts[1]
        case "neg":
            return -parts[0]
        case "^":
            return _power(*parts)
        case "!":
            return _factorial(parts[0])
        case "log" if len(parts) == 2:
            return sympy.log(parts[0], parts[1])
        case "root":
            return _power(parts[0], 1 / parts[1])
    return _function(operation)(parts[0])


def _function(name: str) -> Any:
    import sympy

    # log without a base is natural where there is no telling; lg is decimal.
    other = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ln": "log", "abs": "Abs"}
    if name == "lg":
        return lambda value: sympy.log(value, 10)
    if name not in other and name not in "sinh cosh tanh sin cos tan cot sec csc log exp sqrt".split():
        raise NoFormula(f"{name} is no function")
    return getattr(sympy, other.get(name, name))


def _power(base: Any, exponent: Any) -> Any:
    """Raises NoFormula for a number that would fill the memory: 9^9^9."""
    if exponent.is_Rational and base.is_Rational:
        size = max(abs(base.p).bit_length(), abs(base.q).bit_length()) * max(abs(exponent.p), 1)
        if size > _BITS:
            raise NoFormula("a number too large")
    return base**exponent


def _factorial(value: Any) -> Any:
    import sympy

    if value.is_Rational and value > _LARGEST_FACTORIAL:
        raise NoFormula("a number too large")
    return sympy.factorial(value)


def main() -> None:
    """Answer until the other side closes the pipe."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    import sympy  # noqa: F401  its second is not that of the first formula

    print("ready", flush=True)
    for line in sys.stdin:
        one, other = json.loads(line)
        try:
            found = same(one, other)
        except (ArithmeticError, ValueError, TypeError, AttributeError, RecursionError, NotImplementedError):
            found = False  # what SymPy cannot compute is not known to be equal
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
