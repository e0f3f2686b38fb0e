"""Questions and worked answers out of the sections of books, written by a language model and checked against them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from core.text import language_of
from core.types import Language
from finetune.conversations import Conversation, Exchange
from finetune.dataset.books import Section
from finetune.dataset.synthesis_log import SynthesisLog
from finetune.dataset.synthesis_reply import Written, fault_of, read_reply
from rag.prompts import synthesising

_SHORTEST = 60  # characters of a piece that something can be asked about

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a section. id: of its content, the same in every run."""

    section: Section
    text: str

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.section.head}\n\n{self.text}".encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def language(self) -> Language:
        return language_of(self.text)


@dataclass(frozen=True, slots=True)
class Caps:
    """What a run may cost. max_tokens: of prompts and answers, in this run. max_questions: in the file at the end.

    longest_answer: tokens that one call may write. per_passage: questions wanted of a piece. parallel: calls at a time.
    """

    longest_answer: int
    per_passage: int = 3
    max_tokens: int | None = None
    max_questions: int | None = None
    parallel: int = 4


@dataclass(slots=True)
class SynthesisReport:
    """What a run did. done: pieces asked about, skipped: those done before. dropped: questions by the reason."""

    pieces: int
    skipped: int = 0
    done: int = 0
    questions: int = 0
    tokens: int = 0
    stopped: str = ""
    dropped: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        names = ("pieces", "skipped", "done", "questions", "tokens", "stopped", "dropped")
        return {name: getattr(self, name) for name in names}


def pieces_of(sections: Sequence[Section], most: int) -> list[Piece]:
    """The pieces of all sections that are long enough to ask about, each content once."""
    made = (Piece(section, text) for section in sections for text in section.pieces(most))
    return list({piece.id: piece for piece in made if len(piece.text) >= _SHORTEST}.values())


def synthesise(
    pieces: Sequence[Piece], chat: BaseChatModel, log: SynthesisLog, caps: Caps, progress: Progress | None = None
) -> SynthesisReport:
    """Ask `chat` about every piece that `log` has not done, and append what stands the check.

    A question is kept when its evidence stands in the piece and no earlier question is nearly the same. Stops at a cap;
    a call that fails raises ModelError when the answers beside it are kept, and the next run goes on from there.
    """
    todo = [piece for piece in pieces if piece.id not in log.done]
    report = SynthesisReport(len(pieces), skipped=len(pieces) - len(todo))
    at = 0
    while at < len(todo):
        batch = list(_affordable(todo[at : at + caps.parallel], chat, caps, report, log))
        if not batch:
            break
        prompts: list[LanguageModelInput] = [prompt for _, prompt, _ in batch]
        replies = chat.batch(prompts, config={"max_concurrency": caps.parallel}, return_exceptions=True)
        failed: Exception | None = None
        for (piece, _, estimated), reply in zip(batch, replies, strict=True):
            if isinstance(reply, Exception):
                failed = failed or reply
                continue
            used = _tokens(reply) or estimated + chat.get_num_tokens(str(reply.text))
            report.tokens += used
            _keep(piece, read_reply(str(reply.text)), log, caps, report)
        if failed:
            raise failed
        at += len(batch)
        report.done += len(batch)
        if progress:
            progress(at, len(todo), report.questions)
    return report


def _affordable(
    pieces: Sequence[Piece], chat: BaseChatModel, caps: Caps, report: SynthesisReport, log: SynthesisLog
) -> Iterator[tuple[Piece, list[BaseMessage], int]]:
    """The next pieces with their prompts and these in tokens, as far as the caps allow."""
    planned = report.tokens
    for piece in pieces:
        if caps.max_questions is not None and log.questions >= caps.max_questions:
            report.stopped = f"there are {log.questions} questions, as many as --max-questions allows"
            return
        prompt = _prompt(piece, caps.per_passage)
        size = chat.get_num_tokens_from_messages(prompt)
        planned += size + caps.longest_answer
        if caps.max_tokens is not None and planned > caps.max_tokens:
            report.stopped = f"the next call could go beyond --max-tokens {caps.max_tokens}"
            return
        yield piece, prompt, size


def _prompt(piece: Piece, count: int) -> list[BaseMessage]:
    section = piece.section
    system, asked = synthesising(section.book, section.path, piece.text, count, piece.language)
    return [SystemMessage(system), HumanMessage(asked)]


def _tokens(reply: BaseMessage) -> int:
    usage = reply.usage_metadata if isinstance(reply, AIMessage) else None
    return usage["total_tokens"] if usage else 0


def _keep(piece: Piece, written: Sequence[Written], log: SynthesisLog, caps: Caps, report: SynthesisReport) -> None:
    kept, faults = list[Conversation](), Counter[str]()
    for one in written[: caps.per_passage]:
        fault = fault_of(one, piece.text)
        if not fault and caps.max_questions is not None and log.questions + len(kept) >= caps.max_questions:
            fault = "more than --max-questions allows"
        if not fault and not log.takes(one.question):
            fault = "nearly the same as an earlier one"
        if fault:
            faults[fault] += 1
        else:
            exchange = Exchange(one.question, one.answer)
            kept.append(Conversation((exchange,), "synthetic", piece.section.place, piece.text))
    if not written:
        faults["no question in the reply"] += 1
    report.dropped.update(faults)
    log.append(piece.id, kept)
    report.questions += len(kept)
