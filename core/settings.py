"""All settings. This is the only module that reads the environment.

Sources, strongest first: arguments, `KEBEN_*` environment variables (`__` between levels, as in
`KEBEN_EMBEDDING__MODEL`), `keben.toml` in the working directory, the defaults below.
"""

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from core.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PROJECT = Path(__file__).resolve().parent.parent
# Of what a key may use.
MOST = 10**9
KB_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
KbName = Annotated[
    str,
    Field(
        pattern=KB_NAME,
        description="Name of a knowledge base: a-z, 0-9, '_' and '-', at most 63 characters.",
    ),
]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmbeddingSettings(_Group):
    model: str = Field(
        "keben-zh-en",
        min_length=1,
        description="The bundled 'keben-zh-en', the folder of a sentence-transformers model, or its name on "
        "the Hugging Face hub, as BAAI/bge-small-zh-v1.5: looked up in the local cache, and downloaded once unless "
        "HF_HUB_OFFLINE is set.",
    )
    query_instruction: str | None = Field(
        None,
        max_length=2000,
        description="Written before each question; unset: what the model's folder or its documentation says, '': none.",
    )
    document_instruction: str | None = Field(
        None,
        max_length=2000,
        description="Written before each passage, as query_instruction; another one makes another knowledge base.",
    )
    backend: Literal["torch", "onnx", "openvino"] = Field(
        "torch",
        description="What runs the model. onnx and openvino run a graph in the model's folder, without torch, and need "
        "the extra of that name: pip install 'keben[openvino]'.",
    )
    backend_file: str | None = Field(
        None,
        min_length=1,
        description="The graph below the model's folder, as onnx/model_qint8_avx512_vnni.onnx: another one makes "
        "another knowledge base. Unset: onnx/model.onnx or openvino/openvino_model.xml, taken for the model itself.",
    )
    device: str | None = Field(
        None, min_length=1, description="Where the embedder runs, as cpu, cuda:1 or mps; unset: the best there is."
    )
    batch_size: int = Field(
        16, ge=1, le=4096, description="Chunks embedded at a time: 8 to 16 are fastest on a processor, more on a GPU."
    )
    max_unknown_rate: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A book of which the embedder's tokenizer does not know more than this share "
        "of tokens is ranked by keywords alone.",
    )

    @model_validator(mode="after")
    def _file_for_a_backend(self) -> Self:
        if self.backend_file and self.backend == "torch":
            raise ValueError(f"backend_file {self.backend_file!r} needs the backend onnx or openvino")
        return self


class ChunkSettings(_Group):
    target: int = Field(
        260,
        ge=40,
        le=2000,
        description="Wished length of a chunk with its headings, in tokens of the embedder's tokenizer.",
    )
    limit: int = Field(
        400,
        ge=60,
        le=4000,
        description="Longest chunk with its headings, in tokens of the embedder; not above what the embedder reads, "
        "where it can read the book. With what announces it, a list, table or formula may be a quarter longer; a list "
        "or code block stays whole up to four times the limit, a formula always.",
    )

    @model_validator(mode="after")
    def _limit_above_target(self) -> Self:
        if self.limit < self.target:
            raise ValueError(f"limit {self.limit} is below target {self.target}")
        return self


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class IngestSettings(_Group):
    workers: int = Field(2, ge=1, le=64, description="Files parsed at the same time.")
    wall_seconds: int = Field(
        300, ge=1, le=86400, description="Longest time one file may take; it begins anew with each page read by OCR."
    )
    cpu_seconds: int = Field(60, ge=1, le=86400, description="Processor time for one file; a page read by OCR adds 60.")
    memory_mb: int = Field(4096, ge=256, le=65536, description="Address space for parsing one file, in MiB.")
    max_file_mb: int = Field(100, ge=1, le=4096, description="Largest file, in MiB.")
    max_pages: int = Field(3000, ge=1, le=100000, description="Most pages in one file.")
    ocr_engine: Literal["rapidocr", "tesseract"] = Field(
        "rapidocr", description="What reads pages without text; tesseract must be installed apart."
    )
    ocr_languages: str = Field(
        "chi_sim+eng", pattern=r"^\w+(\+\w+)*$", description="Languages that tesseract looks for, joined by '+'."
    )
    page_workers: int = Field(
        default_factory=_cores,
        ge=1,
        le=256,
        description="Pages of one file read at the same time, by default one for each core. By OCR each takes about "
        "600 MiB, and no more are read than memory_mb allows.",
    )


class RetrievalSettings(_Group):
    top_k: int = Field(5, ge=1, le=50, description="Passages given to the writer.")
    candidates: int = Field(50, ge=1, le=1000, description="Passages taken from each leg before they are fused.")
    min_relevance: float | None = Field(
        None,
        ge=0,
        le=1,
        description="With a best passage below this probability the question is refused; unset: the threshold that was "
        "measured when the knowledge base was built.",
    )
    reranker: str | None = Field(
        None,
        min_length=1,
        description="Cross-encoder that orders the best passages anew: a local folder, or a name on the hub.",
    )
    rerank: int = Field(30, ge=1, le=200, description="Passages that the cross-encoder reads.")


class LlmSettings(_Group):
    model: Path | None = Field(
        None, description="Folder of a chat model that this machine runs; unset: the extractive writer answers."
    )
    urls: tuple[str, ...] = Field(
        (),
        max_length=64,
        description='OpenAI-compatible servers that run the model instead, as ["http://gpu1:8000/v1"]; with several, '
        "requests are shared out, and one that fails is left out for a while.",
    )
    served_name: str | None = Field(
        None, min_length=1, description="The model's name at those servers; unset: the first that they list."
    )
    api_key: SecretStr | None = Field(None, description="Key for those servers.")
    retries: int = Field(2, ge=0, le=10, description="Times that a request to those servers is tried again.")
    device: str | None = Field(
        None, min_length=1, description="Where the model runs, as cpu or cuda:1; unset: the best there is."
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto", description="Number format of the weights; auto: bfloat16 where the machine computes in it."
    )
    bits: Literal[4, 8] | None = Field(
        None, description="Load the weights in 4 or 8 bits; needs the extra: pip install 'keben[quantize]'."
    )
    compile: bool = Field(False, description="Compile the model with torch.compile: a slower start, faster answers.")
    max_running: int = Field(16, ge=1, le=512, description="Answers written at the same time.")
    max_waiting: int = Field(
        64, ge=0, le=10000, description="Requests that may wait for their turn; beyond them a request gets status 429."
    )
    cache_tokens: int | None = Field(
        None,
        ge=512,
        description="Tokens of prompts and answers kept in memory for the running answers together; unset: 3,072 for "
        "each of max_running, 8,192 at least, within half of the free memory.",
    )
    context_tokens: int | None = Field(
        None,
        ge=256,
        le=2**20,
        description="Longest prompt and answer together; unset: what the model reads, 8,192 for a model elsewhere.",
    )
    max_new_tokens: int = Field(512, ge=1, le=8192, description="Longest answer, in tokens.")
    temperature: float = Field(0.0, ge=0, le=2, description="0 picks the likeliest token; higher is more varied.")
    top_p: float = Field(0.8, gt=0, le=1, description="Nucleus sampling, used when temperature is above 0.")
    timeout_seconds: float = Field(
        120, ge=1, le=3600, description="Longest silence of the model, before its first token or between two."
    )
    prompt: Literal["auto", "passages", "question"] = Field(
        "auto",
        description="What the model of this machine is shown: passages with the question, or the question alone, as a "
        "model may have been tuned; auto: as it was trained.",
    )
    fallback: bool = Field(
        False, description="When the model fails, answer with sentences of the books instead, and say so."
    )
    unsupported: Literal["flag", "drop"] = Field(
        "flag", description="What becomes of a sentence of the model that no passage supports: told apart, or left out."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError(f"urls: {url!r} is no address such as http://gpu1:8000/v1")
        if self.model and self.urls:
            raise ValueError(f"model {str(self.model)!r} and urls {list(self.urls)} are both set: name one")
        return self

    def with_model(self, folder: Path, **changes: Any) -> Self:
        """These settings for the model in `folder`, which this machine runs."""
        return self.model_copy(update={"model": folder, "urls": (), **changes})


class ServerSettings(_Group):
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(
        1, ge=1, le=256, description="Processes that answer on the same port; one that dies is replaced."
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Threads of a process that search and choose sentences; unset: its share of the cores, less one.",
    )
    drain_seconds: float = Field(
        30, ge=0, le=3600, description="When the service stops: time for the answers under way, which are then cut."
    )
    poll_seconds: float = Field(1.0, gt=0, le=3600, description="How often a new generation is looked for.")
    insecure: bool = Field(
        False, description="Let everybody who reaches the server do everything, on any address and without a key."
    )
    max_running: int = Field(
        64, ge=1, le=10000, description="Answers of all clients written at a time by one process; beyond them: 429."
    )
    requests_per_minute: int | None = Field(
        600,
        ge=1,
        le=MOST,
        description="Requests that one API key may send in a minute, unless it has a limit of its own.",
    )
    concurrent: int | None = Field(
        16, ge=1, le=MOST, description="Answers written at a time for one API key, unless it has a limit of its own."
    )
    tokens_per_day: int | None = Field(
        None,
        ge=1,
        le=MOST,
        description="Tokens read and written for one API key in a day (UTC), unless it has its own limit.",
    )
    body_kb: int = Field(64, ge=1, le=65536, description="Longest body of a request, in KiB; uploads apart.")
    cache_answers: int = Field(
        1000, ge=0, le=10**6, description="Answers that one process keeps, to give them again at once; 0: none."
    )
    cache_mb: int = Field(64, ge=1, le=65536, description="About how much memory these may take, in MiB.")
    log_level: Literal["debug", "info", "warning"] = Field(
        "info", description="What is logged: info has a line for each request, debug those of supervisors too."
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="OpenTelemetry collector that traces are sent to, as http://collector:4318; unset: none.",
    )
    log_questions: bool = Field(False, description="Log what was asked, too.")
    keep_answers_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="How long questions and answers are kept for feedback and for the report of gaps, without who "
        "asked; 0: not at all.",
    )
    upload_mb: int = Field(512, ge=1, le=65536, description="Longest upload, all its files together, in MiB.")
    body_seconds: float = Field(
        30, ge=1, le=3600, description="Longest time that the head of a request, and then its body, may take to arrive."
    )

    @property
    def computing_threads(self) -> int:
        """`threads`, or what each worker has of the cores, less one for its event loop; at least one.

        More only take the interpreter from one another and from the event loop.
        """
        return self.threads or max(1, _cores() // self.workers - 1)


class Settings(BaseSettings):
    """Frozen; made once in `cli` and passed in."""

    model_config = SettingsConfigDict(
        env_prefix="KEBEN_",
        env_nested_delimiter="__",
        toml_file="keben.toml",
        extra="forbid",
        frozen=True,
    )

    data_dir: Path = Field(PROJECT / "vector_db" / "data", description="Where generations are kept.")
    source_dir: Path = Field(PROJECT / "knowledge", description="Folder of textbooks for the default knowledge base.")
    courses_dir: Path = Field(
        PROJECT / "courses",
        description="Folder of the courses that the page tunes: NAME.toml or NAME/course.toml, as for "
        "`keben finetune run`.",
    )
    kb: KbName = "default"
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    chunk: ChunkSettings = Field(default_factory=ChunkSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    retrieval: RetrievalSettings = Field(default_factory=RetrievalSettings)
    llm: LlmSettings = Field(default_factory=LlmSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def state_dir(self) -> Path:
        """Where the service keeps keys, counts and jobs; no knowledge base can have this name."""
        return self.data_dir / ".service"

    def with_model(self, folder: Path, **changes: Any) -> Self:
        """These settings with those of `LlmSettings.with_model`."""
        return self.model_copy(update={"llm": self.llm.with_model(folder, **changes)})


class _Passed(Settings):
    """Of arguments alone: the process that passes them on has looked at all other sources."""

    model_config = SettingsConfigDict(toml_file=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def passed_settings(values: dict[str, Any]) -> Settings:
    """The settings that another process has passed on as JSON, as they are: no variable and no file is read."""
    return _Passed(**values)


def load_settings(**overrides: Any) -> Settings:
    """Settings from arguments, environment and `keben.toml`.

    Raises ConfigError naming each setting at fault, also for a misspelt `KEBEN_` variable.
    """
    groups = {f"KEBEN_{name.upper()}__" for name, field in Settings.model_fields.items() if field.default_factory}
    known = {f"KEBEN_{name.upper()}" for name in Settings.model_fields} | groups
    for variable in os.environ:
        name = variable.upper()
        head, nested, _ = name.partition("__")
        if name.startswith("KEBEN_") and head + nested not in known:
            raise ConfigError(
                f"unknown setting {variable}",
                mend=f"the settings are {', '.join(sorted(known))}; see the README",
            )
    try:
        return Settings(**overrides)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"keben.toml cannot be read: {error}", mend="correct the file and run again") from error
    except SettingsError as error:
        raise ConfigError(f"bad setting: {error}", mend="name one value, as in KEBEN_CHUNK__TARGET=240") from error
    except ValidationError as error:
        faults = "; ".join(_said(fault) for fault in error.errors())
        raise ConfigError(f"bad setting: {faults}", mend="correct the value and run again") from error


def given_settings() -> dict[str, str]:
    """The settings that are not left at their defaults, as `server.port`, and where each comes from.

    Of a file that `load_settings` can read.
    """
    given: dict[str, str] = {}
    file = Path("keben.toml")
    levels = [("", tomllib.loads(file.read_text(encoding="utf-8")))] if file.is_file() else []
    for above, level in levels:
        for name, value in level.items():
            if isinstance(value, dict):
                levels.append((f"{above}{name}.", value))
            else:
                given[f"{above}{name}"] = file.name
    for variable in os.environ:
        if variable.upper().startswith("KEBEN_"):
            given[variable.upper().removeprefix("KEBEN_").lower().replace("__", ".")] = "environment"
    return given


def _said(fault: "ErrorDetails") -> str:
    """The setting, its value and what is wrong. Values that hold a key, or may be one, are not shown."""
    name = ".".join(map(str, fault["loc"]))
    # What is wrong with a whole group names the values itself; an unknown name may be that of the key, misspelt.
    group = isinstance(fault["input"], dict)
    secret = "key" in name or (fault["type"] == "extra_forbidden" and name.startswith("llm."))
    return f"{name}: {fault['msg']}" if group or secret else f"{name} = {fault['input']!r}: {fault['msg']}"
