"""How a language model is asked an exam question: with or without passages, after worked examples. Pure functions."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from core.errors import ConfigError
from core.types import Passage, Turn
from evaluate.exam.questions import ExamQuestion
from rag import prompts
from rag.context import TURN, Cost, too_long
from rag.messages import Asked, messages

FEW = 5


def examples_for(question: ExamQuestion, shots: Sequence[ExamQuestion]) -> list[ExamQuestion]:
    """At most `FEW` worked examples: of its subject and kind, in order, and never the question itself."""
    return [
        shot
        for shot in shots
        if shot.subject == question.subject
        and bool(shot.options) == bool(question.options)
        and shot.text != question.text
    ][:FEW]


def check_examples(questions: Sequence[ExamQuestion], shots: Sequence[ExamQuestion]) -> None:
    """Raise ConfigError when there are examples and none of them is for any of the questions."""
    if shots and not any(examples_for(question, shots) for question in questions):
        subjects = ", ".join(sorted({shot.subject for shot in shots}))
        raise ConfigError(
            f"the examples are of {subjects}, and no question is", mend="give examples of the same subjects"
        )


def exam_messages(
    question: ExamQuestion, shots: Sequence[ExamQuestion], passages: Sequence[Passage] | None, cost: Cost, room: int
) -> list[BaseMessage]:
    """What the model is sent. passages: None for an exam without books. cost, room: as in `rag.messages.messages`.

    Of what does not fit the first examples are left out, then passages. Raises ConfigError when the question does not
    fit by itself.
    """
    if passages is not None:
        history = [turn for shot in shots for turn in (Turn("user", shot.asked), Turn("assistant", shot.answers[0]))]
        return messages(Asked(question.asked, passages, history, "exam"), cost, room)[0]
    rules = prompts.closed_exam(question.language)
    rounds = [(prompts.closed_question(shot.asked, question.language), shot.answers[0]) for shot in shots]
    asked = prompts.closed_question(question.asked, question.language)
    needed = cost(rules) + cost(asked) + 3 * TURN
    if needed > room:
        raise too_long(needed, room)
    kept: list[BaseMessage] = []
    for said, answer in reversed(rounds):
        needed += cost(said) + cost(answer) + 2 * TURN
        if needed > room:
            break
        kept[:0] = [HumanMessage(said), AIMessage(answer)]
    return [SystemMessage(rules), *kept, HumanMessage(asked)]


def bare_messages(question: ExamQuestion) -> list[BaseMessage]:
    """The question without its options, whose words are to be weighed: an option that is shown is likely anyway."""
    return [
        SystemMessage(prompts.closed_exam(question.language)),
        HumanMessage(prompts.closed_question(question.text, question.language)),
    ]
