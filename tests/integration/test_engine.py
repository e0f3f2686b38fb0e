"""One model for many: written together, cancelled, killed, hung, full."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from itertools import count
from pathlib import Path

import pytest
from fakes import TINY_REPLY, write_tiny_model
from langchain_core.messages import HumanMessage

from core.errors import KebenError, ModelError, Overloaded
from core.settings import LlmSettings
from rag.engine.engine import Engine
from rag.engine.messages import Written
from rag.engine.options import Options
from rag.llm import InternLM2Chat

pytestmark = pytest.mark.alone

ASKED = [HumanMessage("什么是死锁？")]
TIMEOUT = 3.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "tiny-chat"
    write_tiny_model(made)
    return made


@pytest.fixture(scope="module")
def endless_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "endless-chat"
    write_tiny_model(made, endless=True)
    return made


@pytest.fixture(scope="module")
def chat(folder: Path) -> Iterator[InternLM2Chat]:
    with closing(InternLM2Chat(folder=folder, settings=LlmSettings(timeout_seconds=TIMEOUT))) as chat:
        yield chat


@pytest.fixture(scope="module")
def endless(endless_folder: Path) -> Iterator[InternLM2Chat]:
    settings = LlmSettings(max_new_tokens=3000, max_running=8, max_waiting=2000, timeout_seconds=60)
    with closing(InternLM2Chat(folder=endless_folder, settings=settings)) as chat:
        yield chat


def pid_of(chat: InternLM2Chat) -> int:
    pid = chat.state().pid
    assert pid
    return pid


def until(condition: object, seconds: float = 60) -> None:
    """Wait until `condition` holds."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


def test_many_threads_and_tasks_get_each_its_own_answer(chat: InternLM2Chat) -> None:
    drawn = [str(chat.invoke(ASKED, temperature=1.5, seed=seed, max_new_tokens=12).text) for seed in range(8)]
    assert len(set(drawn)) > 4

    def one(number: int) -> str:
        if number % 2:
            return str(chat.invoke(ASKED).text)
        return str(chat.invoke(ASKED, temperature=1.5, seed=number // 2, max_new_tokens=12).text)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(16)))
    # Whichever others are written beside it, an answer that is drawn is the same.
    assert answers == [TINY_REPLY if number % 2 else drawn[number // 2] for number in range(16)]

    async def all_at_once() -> list[str]:
        return [str(answer.text) for answer in await asyncio.gather(*(chat.ainvoke(ASKED) for _ in range(40)))]

    assert set(asyncio.run(all_at_once())) == {TINY_REPLY}


def test_what_is_cancelled_holds_nothing(endless: InternLM2Chat) -> None:
    until(lambda: endless.state().holding == 0)

    async def leave_after(pieces: int) -> None:
        async with aclosing(endless.astream(ASKED)) as stream:
            left = count()
            async for _ in stream:
                if next(left) >= pieces:
                    return

    async def many() -> None:
        for start in range(0, 1000, 50):
            await asyncio.gather(*(leave_after(number % 4) for number in range(start, start + 50)))

    asyncio.run(many())
    until(lambda: (endless.state().holding, endless.state().running, endless.state().waiting) == (0, 0, 0))
    # What is left of the cache is kept for prompts that begin alike, and given up when it is needed.
    assert endless.state().free > 0.9
    whole = endless.invoke(ASKED)
    assert whole.usage_metadata and whole.usage_metadata["output_tokens"] == 3000
    assert endless.state().restarts == 0


def test_a_cancelled_task_frees_its_place(endless: InternLM2Chat) -> None:
    async def cancel_one() -> None:
        task = asyncio.create_task(endless.ainvoke(ASKED))
        await asyncio.sleep(0.5)
        assert endless.state().running == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_one())
    assert endless.state().running == 0
    until(lambda: endless.state().holding == 0)


def test_a_killed_model_is_an_error_for_who_reads_and_is_started_again(endless: InternLM2Chat) -> None:
    before = endless.state().restarts
    stream = endless.stream(ASKED)
    next(stream)
    os.kill(pid_of(endless), signal.SIGKILL)
    with pytest.raises(ModelError, match="SIGKILL") as caught:
        list(stream)
    assert caught.value.mend
    assert endless.state().status == "starting" and "SIGKILL" in (endless.state().fault or "")
    # Who asks meanwhile waits for the new one.
    assert str(endless.invoke(ASKED, max_new_tokens=4).text) == "死锁"
    state = endless.state()
    assert (state.status, state.fault, state.restarts) == ("ready", None, before + 1)


def test_whoever_had_no_token_yet_is_asked_again(chat: InternLM2Chat) -> None:
    before, pid = chat.state().restarts, pid_of(chat)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(chat.invoke, ASKED) for _ in range(3)]
        until(lambda: chat.state().running == 3)
        os.kill(pid, signal.SIGKILL)
        assert [str(answer.result().text) for answer in answers] == [TINY_REPLY] * 3
    assert chat.state().restarts == before + 1


def test_a_hung_model_is_an_error_in_time_and_is_started_again(chat: InternLM2Chat) -> None:
    before = chat.state().restarts
    os.kill(pid_of(chat), signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(ModelError, match="3 seconds") as caught:
        chat.invoke(ASKED)
    assert time.monotonic() - start < TIMEOUT + 2
    assert "KEBEN_LLM__TIMEOUT_SECONDS" in caught.value.mend
    until(lambda: chat.state().status == "ready")
    assert str(chat.invoke(ASKED).text) == TINY_REPLY
    assert chat.state().restarts == before + 1


def test_a_full_queue_takes_no_more_and_clients_take_turns(folder: Path) -> None:
    settings = LlmSettings(max_running=1, max_waiting=3, timeout_seconds=60)
    with closing(Engine(folder, settings)) as engine:
        pid = engine.state().pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        finished: list[str] = []

        def ask(client: str) -> str:
            def sink(event: Written | KebenError) -> None:
                assert isinstance(event, Written)
                if event.finished:
                    finished.append(client)

            return engine.submit([5, 6], Options(2, {}, client=client), sink)

        for client in ("one", "one", "one"):
            ask(client)
        gone = ask("two")
        with pytest.raises(Overloaded, match="3 questions wait") as caught:
            ask("three")
        assert caught.value.retry_after >= 1 and "KEBEN_LLM__MAX_WAITING" in caught.value.mend
        with pytest.raises(Overloaded):
            engine.check()
        engine.cancel(gone)
        ask("three")
        os.kill(pid, signal.SIGCONT)
        until(lambda: len(finished) == 4)
        assert finished == ["one", "one", "three", "one"]


def test_the_process_ends_with_the_engine_and_with_who_started_it(folder: Path) -> None:
    chat = InternLM2Chat(folder=folder, settings=LlmSettings())
    pid = pid_of(chat)
    chat.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert chat.state().status == "stopped"
    forgotten = InternLM2Chat(folder=folder, settings=LlmSettings())
    pid = pid_of(forgotten)
    del forgotten
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
