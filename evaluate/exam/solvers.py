"""Who sits an exam: chance, the knowledge base alone, or a language model. Each gives picks for questions in order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from langchain_core.language_models import BaseChatModel, LanguageModelInput

from core.types import Passage
from evaluate.exam.asking import bare_messages, exam_messages, examples_for
from evaluate.exam.letters import chosen_letter
from evaluate.exam.questions import ExamQuestion
from evaluate.exam.results import Pick, chosen, written
from evaluate.exam.scorer import Scorer, Tokens
from evaluate.exam.short import SameFormula, final_answer, is_right
from evaluate.exam.support import queries, supported_letter
from evaluate.exam.symbols import SymbolicEquality
from rag.model_writer import Limits
from rag.support import Embed

Picks = dict[str, Pick]  # by measure
# The passages for a search, best first.
Search = Callable[[str], Sequence[Passage]]
# Wraps the questions to draw progress; gives them back in order.
Track = Callable[[Sequence[ExamQuestion]], Iterable[ExamQuestion]]
# Passages by the key of the question; None for an exam without books.
Found = Mapping[str, Sequence[Passage]] | None

_TOGETHER = 16  # questions that are weighed or asked at the same time


def by_chance(questions: Sequence[ExamQuestion]) -> list[Picks]:
    """What guessing gets on average."""
    return [
        {"chance": Pick(chosen=None, right=1 / len(question.options))} if question.options else {}
        for question in questions
    ]


def by_support(questions: Iterable[ExamQuestion], search: Search, embed: Embed) -> list[Picks]:
    """The options that passages support best; no picks for questions without options."""
    picks: list[Picks] = []
    for question in questions:
        found = [search(query) for query in queries(question)] if question.options else []
        letter = supported_letter(question, found, embed) if found else None
        picks.append({"retrieval": chosen(question, letter)} if question.options else {})
    return picks


def by_likelihood(
    questions: Sequence[ExamQuestion],
    scorer: Scorer,
    *,
    found: Found = None,
    shots: Sequence[ExamQuestion] = (),
    measures: Sequence[str] = ("letter",),
    track: Track = iter,
) -> list[Picks]:
    """The likeliest letter, and the option with the likeliest words; no picks for questions without options.

    letter: of A, B, … right after the prompt. text: of the words of the options after the question alone, the
    log-likelihood divided by their bytes in UTF-8, so that a long option is not put back for its length (as acc_norm
    of lm-evaluation-harness).
    """
    picks: list[Picks] = []
    for some in _groups(track(questions)):
        pairs: list[tuple[Tokens, Tokens]] = []
        sizes: list[float] = []
        for question in some:
            if question.options and "letter" in measures:
                asked = exam_messages(
                    question, examples_for(question, shots), _of(found, question), scorer.count, scorer.limit - 1
                )
                prompt = scorer.prompt(asked)
                pairs += [scorer.split(prompt, letter) for letter in question.letters]
                sizes += [1.0] * len(question.options)
            if question.options and "text" in measures:
                prompt = scorer.prompt(bare_messages(question))
                pairs += [scorer.split(prompt, option) for option in question.options]
                sizes += [float(len(option.encode())) for option in question.options]
        values = [value / size for value, size in zip(scorer.log_likelihoods(pairs), sizes, strict=True)]
        picks += _likeliest(some, iter(values), measures)
    return picks


def _likeliest(some: Sequence[ExamQuestion], values: Iterator[float], measures: Sequence[str]) -> Iterator[Picks]:
    """The first of the best: a tie, as of a broken model, falls to A."""
    for question in some:
        picks: Picks = {}
        for measure in ("letter", "text"):
            if question.options and measure in measures:
                own = [next(values) for _ in question.options]
                picks[measure] = chosen(question, question.letters[own.index(max(own))])
        yield picks


def by_writing(
    questions: Sequence[ExamQuestion],
    chat: BaseChatModel,
    limits: Limits,
    *,
    together: int = _TOGETHER,
    found: Found = None,
    shots: Sequence[ExamQuestion] = (),
    track: Track = iter,
) -> list[Picks]:
    """What a chat model writes, the likeliest token each time; `limits.answer` tokens at most.

    together: answers that the model may be asked for at the same time.
    """
    picks: list[Picks] = []
    room = limits.context - min(limits.answer, limits.context // 2)
    with SymbolicEquality() as symbols:
        for some in _groups(track(questions)):
            asked: list[LanguageModelInput] = [
                exam_messages(question, examples_for(question, shots), _of(found, question), chat.get_num_tokens, room)
                for question in some
            ]
            replies = chat.batch(asked, {"max_concurrency": together}, max_new_tokens=limits.answer, temperature=0.0)
            for question, reply in zip(some, replies, strict=True):
                picks.append({"written": read(question, str(reply.text), symbols.same)})
    return picks


def read(question: ExamQuestion, said: str, same_formula: SameFormula) -> Pick:
    """The answer that a model's words hold."""
    if question.options:
        return chosen(question, chosen_letter(said, question.letters), said)
    answer = final_answer(said)
    return written(answer, is_right(answer, question.answers, same_formula), said)


def _of(found: Found, question: ExamQuestion) -> Sequence[Passage] | None:
    return None if found is None else found[question.key]


def _groups(questions: Iterable[ExamQuestion]) -> Iterator[list[ExamQuestion]]:
    some: list[ExamQuestion] = []
    for question in questions:
        some.append(question)
        if len(some) == _TOGETHER:
            yield some
            some = []
    if some:
        yield some
