"""One model for all who ask: takes requests, lets clients take turns, watches the model's process, restarts it."""

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from core.errors import KebenError, ModelError, Overloaded
from core.settings import LlmSettings
from rag.engine.fair_queue import FairQueue
from rag.engine.messages import Add, Beat, Cancel, Failed, Ready, Written
from rag.engine.options import Options
from rag.engine.process import ModelProcess

_POLL_SECONDS = 0.5
_LONGEST_PAUSE = 60.0
Sink = Callable[[Written | KebenError], None]


@dataclass(frozen=True, slots=True)
class EngineState:
    """How the model is. fault: why it does not write now. free: share of its cache, 0 to 1."""

    status: Literal["ready", "starting", "stopped"]
    fault: str | None
    running: int
    waiting: int
    holding: int
    free: float
    restarts: int
    pid: int | None


class _Hung(ModelError):
    """Whoever waited has waited as long as the settings allow."""


@dataclass(eq=False, slots=True)
class _Job:
    request: Add
    client: str
    sink: Sink
    began: float
    told: bool = False
    again: bool = False


class Engine:
    """Safe between threads. Starting takes as long as loading; raises ModelError when that fails."""

    def __init__(self, folder: Path, settings: LlmSettings) -> None:
        self._folder, self._settings = folder, settings
        self._guard = threading.Lock()
        self._waiting: FairQueue[_Job] = FairQueue()
        self._running: dict[str, _Job] = {}
        self._numbers = count(1)
        self._usual_seconds = 1.0
        self._closed = threading.Event()
        self._beat, self._moved, self._restarts = Beat(0, 0, 1.0), time.monotonic(), 0
        self._fault: KebenError | None = None
        self._ready: Ready | None = None
        self._process = ModelProcess(folder, settings)
        try:
            ready = self._await_ready()
        except BaseException:
            self._process.close()
            raise
        self.limit, self.device, self.dtype = ready.limit, ready.device, ready.dtype
        self._thread = threading.Thread(target=_supervise, args=(weakref.ref(self),), daemon=True, name="keben-model")
        self._thread.start()
        self._finalizer = weakref.finalize(self, ModelProcess.close, self._process)

    def submit(self, prompt: list[int], options: Options, sink: Sink) -> str:
        """Ask for an answer to the tokens of `prompt`; its name, for `cancel`.

        `sink` gets each `Written` as it comes, the last with `finished`, or one error; it is called from another
        thread and must not block. Raises Overloaded when as many wait as may.
        """
        with self._guard:
            self._check()
            name = str(next(self._numbers))
            request = Add(name, prompt, options.max_new_tokens, options.sampling)
            self._waiting.push(options.client, _Job(request, options.client, sink, time.monotonic()))
            self._dispatch()
        return name

    def check(self) -> None:
        """Raises Overloaded when `submit` would."""
        with self._guard:
            self._check()

    def cancel(self, name: str) -> None:
        """The answer is not wanted any more: what it holds is freed. Nothing happens if it is finished."""
        with self._guard:
            if self._running.pop(name, None):
                self._process.tell(Cancel(name))
                self._dispatch()
                return
            for job in self._waiting:
                if job.request.id == name:
                    self._waiting.remove(job.client, job)
                    return

    def state(self) -> EngineState:
        """How the model is now."""
        with self._guard:
            status: Literal["ready", "starting", "stopped"] = "ready" if self._ready else "starting"
            return EngineState(
                status="stopped" if self._closed.is_set() else status,
                fault=None if self._ready or self._fault is None else self._fault.message,
                running=len(self._running),
                waiting=len(self._waiting),
                holding=self._beat.requests,
                free=self._beat.free,
                restarts=self._restarts,
                pid=self._process.pid if self._ready else None,
            )

    def close(self) -> None:
        """End the model's process; those who still wait get an error."""
        self._closed.set()
        self._thread.join(5)
        self._finalizer()
        stopped = ModelError("the service is being stopped", mend="ask again when it runs")
        self._give_up(stopped, try_again=False)
        with self._guard:
            waiting = [self._waiting.pop() for _ in range(len(self._waiting))]
        for job in waiting:
            job.sink(stopped)

    def _await_ready(self) -> Ready:
        """Until the process has loaded the model. Raises ModelError with what it says, or how it ended."""
        while not self._closed.is_set():
            try:
                for message in self._process.hear(_POLL_SECONDS):
                    if isinstance(message, Failed):
                        raise ModelError(message.message, mend=message.mend)
                    if isinstance(message, Ready):
                        self._ready, self._moved = message, time.monotonic()
                        return message
            except EOFError:
                raise self._process.last_words() from None
        raise ModelError("the service is being stopped")

    def _listen(self) -> None:
        """Give out what the process says, for a moment. Raises ModelError when it has ended or hangs."""
        try:
            for message in self._process.hear(_POLL_SECONDS):
                match message:
                    case list():
                        for written in message:
                            self._give(written)
                    case Beat():
                        self._note(message)
                    case Failed():
                        raise ModelError(message.message, mend=message.mend)
        except EOFError:
            raise self._process.last_words() from None
        if time.monotonic() - self._moved > self._settings.timeout_seconds:
            raise _Hung(
                f"the model did not move for {self._settings.timeout_seconds:g} seconds and is started anew",
                mend="ask again in a moment; if it happens again, raise KEBEN_LLM__TIMEOUT_SECONDS",
            )

    def _note(self, beat: Beat) -> None:
        with self._guard:
            # A step takes as long as it takes; what must not be is work without steps.
            if beat.step != self._beat.step or not self._running:
                self._moved = time.monotonic()
            self._beat = beat

    def _give(self, written: Written) -> None:
        with self._guard:
            job = self._running.get(written.id)
            self._moved = time.monotonic()
            if job is None:
                return
            job.told = True
            if written.finished:
                del self._running[written.id]
                self._usual_seconds += 0.1 * (time.monotonic() - job.began - self._usual_seconds)
                self._dispatch()
        if written.error:
            job.sink(ModelError(f"the model failed at this answer: {written.error}", mend="ask again"))
        else:
            job.sink(written)

    def _restart(self, fault: KebenError) -> None:
        """Once, with a pause that grows from one failure to the next. The process that failed is gone afterwards."""
        with self._guard:
            self._ready, self._fault = None, fault
        self._process.close()
        self._give_up(fault, try_again=not isinstance(fault, _Hung))
        pause = min(_LONGEST_PAUSE, 0.1 * 2 ** min(self._restarts, 10))
        while not self._closed.wait(pause):
            with self._guard:
                self._restarts += 1
                self._beat = Beat(0, 0, 1.0)
                self._process = ModelProcess(self._folder, self._settings)
                self._finalizer.detach()
                self._finalizer = weakref.finalize(self, ModelProcess.close, self._process)
            try:
                self._await_ready()
            except ModelError as error:
                self._fault = error
                self._process.close()
                pause = min(_LONGEST_PAUSE, max(1.0, 2 * pause))
                continue
            with self._guard:
                self._dispatch()
            return

    def _give_up(self, fault: KebenError, *, try_again: bool) -> None:
        """Tell those whose answers are lost; who has not had a token yet goes back into the queue, once."""
        with self._guard:
            lost = list(self._running.values())
            self._running.clear()
            again = [job for job in lost if try_again and not job.told and not job.again]
            for job in reversed(again):
                job.again = True
                self._waiting.push(job.client, job, first=True)
        for job in lost:
            if job not in again:
                job.sink(fault)

    def _dispatch(self) -> None:
        while self._ready and len(self._waiting) and len(self._running) < self._settings.max_running:
            job = self._waiting.pop()
            if not self._running:
                self._moved = time.monotonic()
            self._running[job.request.id] = job
            self._process.tell(job.request)

    def _check(self) -> None:
        busy = self._ready is None or len(self._running) >= self._settings.max_running
        if not busy or len(self._waiting) < self._settings.max_waiting:
            return
        rounds = 1 + len(self._waiting) / self._settings.max_running
        raise Overloaded(
            f"{len(self._running)} answers are being written and {len(self._waiting)} questions wait already",
            mend="ask again in a moment; more may wait with KEBEN_LLM__MAX_WAITING",
            retry_after=max(1, min(600, round(rounds * self._usual_seconds))),
        )


def _supervise(reference: "weakref.ref[Engine]") -> None:
    """Until the engine is closed, or nobody holds it any more."""
    while (engine := reference()) is not None and not engine._closed.is_set():
        try:
            engine._listen()
        except ModelError as fault:
            if not engine._closed.is_set():
                engine._restart(fault)
        del engine
