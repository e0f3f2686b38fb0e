"""What a language model is sent: rules, conversation, passages and question, as far as its context has room."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from core.text import compatible, language_of
from core.types import Course, Language, Mode, Passage, Trimmed, Turn
from rag import prompts
from rag.context import TURN, Cost, cut, fit, too_long


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be answered. passages: best first. course: what the catalogue says, as the generation tells it."""

    question: str
    passages: Sequence[Passage]
    history: Sequence[Turn] = ()
    mode: Mode = "grounded"
    course: Course = field(default_factory=Course)


@dataclass(frozen=True, slots=True)
class Round:
    """A question of the conversation and its answer."""

    question: str
    answer: str
    turns: int


def messages(asked: Asked, cost: Cost, room: int) -> tuple[list[BaseMessage], Trimmed]:
    """The system prompt, the conversation, and the passages with the question, in the question's language.

    cost: tokens of a text. room: tokens for all of it; what the answer may take is already off. What does not fit is
    left out: the oldest of the conversation, then the passages that rank lowest; the last one is cut at the end of a
    sentence. The passages that are sent are the first `len(asked.passages) - Trimmed.passages`, numbered from 1.
    Raises ConfigError when the question does not fit by itself.
    """
    language = language_of(asked.question)
    rules = prompts.system(asked.mode, language, prompts.subjects_of(asked.passages), asked.course)
    rounds = rounds_of(asked.history, language)
    blocks = [prompts.passage_block(number, passage, language) for number, passage in enumerate(asked.passages, 1)]
    fixed = cost(rules) + cost(prompts.asking(asked.mode, asked.question, (), language)) + 3 * TURN
    # A blank line stands between two passages.
    costs = [cost(block) + 2 for block in blocks]
    fitted = fit(fixed, [cost(each.question) + cost(each.answer) + 2 * TURN for each in rounds], costs, room)
    kept, blocks = rounds[len(rounds) - fitted.rounds :], blocks[: fitted.passages]
    if fitted.over:
        blocks = [_shortened(asked.passages[0], language, cost, costs[0] - fitted.over - 2)]
        if not blocks[0]:
            raise too_long(fixed + cost(prompts.passage_block(1, asked.passages[0], language, "")) + 3, room)
    said = _said(rules, kept, prompts.asking(asked.mode, asked.question, blocks, language))
    left_out = sum(each.turns for each in rounds) - sum(each.turns for each in kept)
    return said, Trimmed(left_out, len(asked.passages) - fitted.passages, cut=bool(fitted.over))


def bare_messages(asked: Asked, system: str, cost: Cost, room: int) -> tuple[list[BaseMessage], Trimmed]:
    """The question as a model was trained on it: after `system`, if any, and the conversation, without passages.

    Tokens, room and errors as of `messages`; only turns of the conversation can be left out.
    """
    language = language_of(asked.question)
    question = prompts.bare(asked.question)
    rounds = rounds_of(asked.history, language)
    fixed = cost(system) + cost(question) + 3 * TURN
    fitted = fit(fixed, [cost(each.question) + cost(each.answer) + 2 * TURN for each in rounds], (), room)
    kept = rounds[len(rounds) - fitted.rounds :]
    left_out = sum(each.turns for each in rounds) - sum(each.turns for each in kept)
    return _said(system, kept, question), Trimmed(history=left_out)


def _said(system: str, rounds: Sequence[Round], question: str) -> list[BaseMessage]:
    said: list[BaseMessage] = [SystemMessage(system)] if system else []
    for each in rounds:
        said += [HumanMessage(each.question), AIMessage(each.answer)]
    return [*said, HumanMessage(question)]


def rounds_of(history: Sequence[Turn], language: Language) -> list[Round]:
    """The conversation as questions with their answers, so that turns alternate as chat templates want it.

    Blank turns and answers before the first question are left out; several turns of one side are one.
    """
    rounds: list[Round] = []
    for turn in history:
        text = prompts.without_turn_markers(turn.content.strip())
        if not text or (turn.role == "assistant" and not rounds):
            continue
        if turn.role == "user" and (not rounds or rounds[-1].answer):
            rounds.append(Round(text, "", 1))
            continue
        last = rounds[-1]
        asked, told = (text, "") if turn.role == "user" else ("", text)
        question, answer = (
            "\n\n".join(filter(None, (last.question, asked))),
            "\n\n".join(filter(None, (last.answer, told))),
        )
        rounds[-1] = Round(question, answer, last.turns + 1)
    silence = prompts.UNANSWERED[language]
    return [each if each.answer else Round(each.question, silence, each.turns) for each in rounds]


def _shortened(passage: Passage, language: Language, cost: Cost, room: int) -> str:
    """The block of the only passage with as much of its text as fits; empty when nothing of it does."""

    def fits(text: str) -> bool:
        return cost(prompts.passage_block(1, passage, language, text)) <= room

    text = cut(compatible(passage.chunk.reading), fits)
    return prompts.passage_block(1, passage, language, text) if text and fits(text) else ""
