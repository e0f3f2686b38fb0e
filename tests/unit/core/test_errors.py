"""The error tree: what a person reads and what a script gets."""

import inspect

import pytest

from core import errors
from core.errors import ConfigError, KebenError, SourceError, UnreadableBookError

TREE = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, KebenError)]


@pytest.mark.parametrize("kind", TREE)
def test_every_error_shows_its_message_and_its_mend(kind: type[KebenError]) -> None:
    error = kind("chunk.target = 'x' is no number", mend="write a number")
    assert "chunk.target = 'x' is no number" in str(error)
    assert "write a number" in str(error)
    assert (error.message, error.mend) == ("chunk.target = 'x' is no number", "write a number")


@pytest.mark.parametrize("kind", TREE)
def test_an_error_without_mend_is_its_message_alone(kind: type[KebenError]) -> None:
    assert str(kind("gone")) == "gone"


def test_only_a_bad_setting_exits_with_two() -> None:
    assert {kind.__name__: kind.exit_code for kind in TREE if kind.exit_code != 1} == {"ConfigError": 2}
    assert ConfigError("x").exit_code == 2


def test_codes_tell_the_errors_apart() -> None:
    assert len({kind.code for kind in TREE}) == len(TREE) == 38


def test_the_drawing_names_every_class() -> None:
    assert errors.__doc__
    assert [kind.__name__ for kind in TREE if kind.__name__ not in errors.__doc__] == []


def test_one_file_at_fault_is_an_error_of_the_source() -> None:
    assert issubclass(UnreadableBookError, SourceError)
    assert not issubclass(SourceError, ConfigError)
