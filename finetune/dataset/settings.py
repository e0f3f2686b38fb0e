"""What a data set is made of: the `[dataset]` of a course, or the options of `keben finetune dataset`."""

from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigError

# What a column may hold. The letters are the options of a multiple-choice question, each in a column of its own.
Role = Literal["question", "answer", "options", "explanation", "system", "A", "B", "C", "D", "E", "F", "G", "H"]
ROLES: tuple[Role, ...] = get_args(Role)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(_Part):
    path: Path = Field(description="A file of questions, or a folder of such files.")
    columns: dict[Role, str] = Field(
        default_factory=dict,
        description="Column of a table, or field of a JSON row, by what it holds; unset: known by the usual names.",
    )
    template: str | None = Field(
        None, min_length=1, description="Question made of columns, as 关于{章}的{节}问题，{题目}; unset: the question."
    )
    system: str = Field("", description="System prompt of the rows that bring none.")


class IdentitySettings(_Part):
    name: str = Field(min_length=1, description="Who the model shall say that it is.")
    author: str = Field("", description="Who it shall say has made it; empty: it says nothing of that.")
    copies: int = Field(60, ge=1, le=1000, description="Questions about it with their answers, all different.")


class BooksSettings(_Part):
    name: str = Field(min_length=1, description="Knowledge base whose books are taken as running text.")
    books: tuple[str, ...] = Field((), description="These books alone, by title or file; empty: all.")
    hold_back: tuple[str, ...] = Field((), description="Titles of chapters or books that are kept for the test.")
    max_characters: int = Field(2000, ge=100, le=100_000, description="Longest piece of running text.")


class DatasetSettings(_Part):
    out: Path = Field(Path("dataset"), description="Folder to write.")
    sources: tuple[SourceSettings, ...] = Field((), description="Files of questions.")
    identity: IdentitySettings | None = Field(None, description="Rows that tell the model who it is.")
    kb: BooksSettings | None = Field(None, description="Books for continued pre-training.")
    test_share: float = Field(0.3, ge=0, lt=1, description="Share of the questions that is kept for the test.")
    seed: int = Field(0, ge=0, description="The same seed gives the same split.")
    near: float = Field(0.7, gt=0, le=1, description="Likeness from which two questions fall on the same side.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.sources or self.identity or self.kb):
            raise ValueError("nothing to make a data set of: name sources, an identity or a knowledge base")
        return self

    def below(self, folder: Path) -> "DatasetSettings":
        """These settings with `folder` before every path that is not absolute."""
        sources = tuple(source.model_copy(update={"path": folder / source.path}) for source in self.sources)
        return self.model_copy(update={"out": folder / self.out, "sources": sources})


def dataset_settings(**values: Any) -> DatasetSettings:
    """Checked settings. Raises ConfigError, which names the value at fault."""
    try:
        return DatasetSettings.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}".strip(": ") for one in error.errors())
        raise ConfigError(f"the data set: {faults}", mend="correct the value and run again") from error
