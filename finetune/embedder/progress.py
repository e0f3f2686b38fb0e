"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # name of the stage, steps done, steps in all


def silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""
