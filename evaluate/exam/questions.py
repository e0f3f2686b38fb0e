"""Sets of exam questions: JSON Lines, and the CSV files of CMMLU and C-Eval.

    {"question": "下列不属于线性结构的是", "options": {"A": "栈", "B": "图"}, "answer": "B", "subject": "ds"}
    {"question": "积分 $\\int_0^1 x dx$ 是多少？", "answer": "1/2", "answers": ["0.5"]}
    ,Question,A,B,C,D,Answer                    CMMLU; the subject is the name of the file
    id,question,A,B,C,D,answer,explanation      C-Eval; likewise, without _dev, _val or _test

A question with options is a choice: its answer is a letter. One without is answered in words, numbers or formulas, and
`answers` are further right answers. Options may be a list: A is the first. Other fields are ignored.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from core.errors import ConfigError
from core.text import compatible, language_of
from core.types import Language
from evaluate.exam.tables import read_table, subject_of
from evaluate.rows import Names, Words, read_rows

LETTERS = "ABCDEFGH"
_SEED = 408


@dataclass(frozen=True, slots=True)
class ExamQuestion:
    """options: texts of A, B, …; empty for a short answer. answers: the right letter, or all right short answers.

    All texts are in ordinary characters: a Kangxi radical, as CMMLU has them, is another token than the character.
    """

    id: str
    subject: str
    language: Language
    text: str
    options: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def key(self) -> str:
        """The same for the same id, question, options and answers: 16 hex digits. Runs are compared by it."""
        said = repr((self.id, self.text, self.options, self.answers))
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def letters(self) -> str:
        """Of its options."""
        return LETTERS[: len(self.options)]

    @property
    def asked(self) -> str:
        """The question with its options, a line each."""
        return "\n".join((self.text, *(f"{a}. {text}" for a, text in zip(self.letters, self.options, strict=True))))


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: Words | None = None
    subject: Words | None = None
    lang: Language | None = None
    question: Words
    options: dict[str, Words] | list[Words] = Field(default_factory=list)
    answer: Words | None = None
    answers: list[Words] = Field(default_factory=list)


def read_exam(path: Path) -> list[ExamQuestion]:
    """The questions of one file, in order. Raises ConfigError with file and line; no row is left out in silence."""
    if path.suffix.lower() == ".csv":
        rows = ((number, where, _Row.model_validate(values)) for number, where, values in read_table(path))
    else:
        rows = ((number, where, row) for number, where, row in read_rows(path, _Row))
    names, questions = Names(), []
    for number, where, row in rows:
        name = names.take(row.id or f"{path.stem}-{number}", number, where, "id")
        questions.append(_question(row, name, path, where))
    if not questions:
        raise ConfigError(f"{path} holds no questions", mend="docs/evaluation.md has the formats")
    return questions


def read_exams(paths: Sequence[Path]) -> list[ExamQuestion]:
    """The questions of all files. Raises ConfigError as `read_exam`, and for a question that two files hold."""
    found: dict[str, Path] = {}
    questions = [(path, question) for path in paths for question in read_exam(path)]
    for path, question in questions:
        if (other := found.setdefault(question.key, path)) != path:
            raise ConfigError(f"{path} and {other} both hold {question.id!r}", mend="name each file once")
    return [question for _, question in questions]


def limited(questions: Sequence[ExamQuestion], limit: int | None) -> list[ExamQuestion]:
    """At most `limit` questions of each subject, in order: the same ones in every run, drawn from all of the file."""
    if limit is None:
        return list(questions)
    draw = random.Random(_SEED)
    kept: set[int] = set()
    for subject in dict.fromkeys(question.subject for question in questions):
        members = [at for at, question in enumerate(questions) if question.subject == subject]
        kept.update(draw.sample(members, min(limit, len(members))))
    return [question for at, question in enumerate(questions) if at in kept]


def _question(row: _Row, name: str, path: Path, where: str) -> ExamQuestion:
    text = compatible(row.question).strip()
    options = _options(row, where)
    answers = tuple(dict.fromkeys(compatible(one).strip() for one in (row.answer, *row.answers) if one))
    if not answers:
        raise ConfigError(f'{where}: "answer": it is missing', mend='give it "answer", or leave the row out')
    if options:
        answers = (_letter(answers, options, where),)
    return ExamQuestion(name, row.subject or subject_of(path), row.lang or language_of(text), text, options, answers)


def _options(row: _Row, where: str) -> tuple[str, ...]:
    given = row.options
    named: dict[str, str] = {}
    if isinstance(given, dict):
        named = {compatible(key).strip().upper(): text for key, text in sorted(given.items())}
    texts = tuple(compatible(text).strip() for text in (named.values() if named else given))
    if named and "".join(named) != LETTERS[: len(named)]:
        raise ConfigError(f'{where}: "options" are {", ".join(named)}', mend="name them A, B, C, … without a gap")
    if len(texts) == 1 or len(texts) > len(LETTERS):
        raise ConfigError(f'{where}: "options" are {len(texts)}', mend=f"give two to {len(LETTERS)}, or none")
    return texts


def _letter(answers: Sequence[str], options: Sequence[str], where: str) -> str:
    letter = answers[0].upper()
    if len(answers) != 1 or letter not in tuple(LETTERS[: len(options)]):
        raise ConfigError(
            f'{where}: "answer" {" ".join(answers)!r} is none of the letters {LETTERS[: len(options)]}',
            mend="name the one right option by its letter, or leave the row out",
        )
    return letter
