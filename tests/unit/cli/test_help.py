"""Help: instant, and complete."""

import subprocess
import sys

import pytest

from cli.main import main
from core.settings import PROJECT

HEAVY = ("torch", "transformers", "chromadb", "pydantic_settings", "fastapi", "numpy", "langchain_core")
OPTIONS = {
    "rebuild": ["--kb", "--source", "--force", "--json"],
    "ask": ["QUESTION", "--kb", "--top-k", "--json"],
    "search": ["QUESTION", "--kb", "--top-k", "--json"],
    "serve": ["--host", "--port", "--kb", "--json"],
    "status": ["--kb", "--json"],
}


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["rebuild", "-h"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from cli.main import main\n"
        f"sys.argv = ['keben', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout
    assert done.stdout.endswith("loaded: []\n")


def shown(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["keben", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out + err


def test_the_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = shown(["--help"], monkeypatch, capsys)
    assert code == 0 and "课本" in out
    assert all(f"  {command} " in out for command in OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_each_command_explains_its_options(
    command: str, flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = shown([command, flag], monkeypatch, capsys)
    assert code == 0
    assert f"keben {command} [OPTIONS]" in out
    assert all(option in out for option in OPTIONS[command])


def test_no_command_shows_the_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = shown([], monkeypatch, capsys)
    assert "keben [OPTIONS] COMMAND" in out and "rebuild" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["asks"], "asks"),
        (["ask"], "QUESTION"),
        (["ask", "死锁", "--topk", "3"], "--topk"),
        (["ask", "死锁", "--top-k", "0"], "--top-k"),
        (["search", "死锁", "--top-k", "many"], "--top-k"),
        (["serve", "--port", "70000"], "--port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2_and_names_the_fault(
    arguments: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = shown(arguments, monkeypatch, capsys)
    assert code == 2
    assert named in out
