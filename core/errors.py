"""Every error that Keben raises on purpose.

    KebenError                      one base: the command line and the server catch only this
    ├── ConfigError                 a setting, option or request value that cannot be used     exit 2
    ├── SourceError                 a folder or file of textbooks that cannot be read
    │   └── UnreadableBookError     one file: corrupt, encrypted, empty, too large, too slow
    ├── KnowledgeBaseError          what lies on disk cannot be served
    │   ├── KnowledgeBaseMissing    no generation has been published under this name
    │   ├── KnowledgeBaseExists     the name is taken
    │   ├── GenerationCorrupt       checksums, counts or files do not agree
    │   │   └── VerificationFailed  a new generation did not pass its check and was not published
    │   │       └── RecallTooLow    its vector index does not find what is in it
    │   ├── IndexMismatch           built with another schema, model or dimension
    │   ├── BuilderBusy             another rebuild holds the lock
    │   └── StorageError            the disk is full, read-only or failing
    ├── NothingIndexed              a rebuild had nothing to publish
    ├── PageMissing                 a book has no such page to show
    ├── JobMissing                  there is no job of this name
    ├── CourseMissing               no course file has this name
    ├── ModelError                  the embedder or the language model cannot be loaded or run
    ├── DatasetError                rows to train or to examine on that cannot be read or used
    ├── TrainingError               fine-tuning that cannot start or go on
    ├── Overloaded                  as many requests wait for the language model as may        try again
    │   └── RateLimited             a key has used what it may
    ├── AccessError                 a request that this sender may not make
    │   ├── Unauthorised            without a valid key
    │   └── Forbidden               with a key that has not the role, or from a foreign page
    ├── BookMissing                 no book has this name, or it has no such place
    ├── RouteMissing                nothing is served at this path
    │   └── MethodNotAllowed        it is, but with another method
    ├── KeyMissing                  no API key has this id
    ├── AnswerMissing               no answer that is kept has this id
    ├── FileMissing                 no file or book has this name
    ├── Conflict                    what is asked for does not go together with what is there
    │   ├── BookChanged             the file of a book is not the one that was indexed, or is gone
    │   └── JobConflict             what is asked of a job does not go with its state
    ├── ModelMissing                no model that is offered has this name
    ├── TooLarge                    the body of a request is longer than may be
    ├── TooSlow                     the body of a request did not come in time
    └── ServerError                 the HTTP server cannot start (port in use, ...)

Every message names the value at fault; `mend` says what to do about it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

# The mend of every damaged or outdated generation: the books are the source, the index can be made again.
REBUILD = "run `keben rebuild --force`"
FREE_SPACE = "what was served before is served still; look at the free space of the disk, then run again"


class KebenError(Exception):
    """Base of the tree. `message` says what is wrong, `mend` how to put it right."""

    exit_code = 1
    code = "error"

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.mend}" if self.mend else self.message


class ConfigError(KebenError):
    exit_code = 2
    code = "bad-setting"


class SourceError(KebenError):
    code = "bad-source"


class UnreadableBookError(SourceError):
    """One file could not be turned into text; the others are not affected."""

    code = "unreadable-book"


class KnowledgeBaseError(KebenError):
    code = "knowledge-base"


class KnowledgeBaseMissing(KnowledgeBaseError):
    code = "knowledge-base-missing"


class KnowledgeBaseExists(KnowledgeBaseError):
    code = "knowledge-base-exists"


class GenerationCorrupt(KnowledgeBaseError):
    code = "generation-corrupt"


class VerificationFailed(GenerationCorrupt):
    """What is served is untouched."""

    code = "verification-failed"


class RecallTooLow(VerificationFailed):
    """The vectors are right: the index over them can be made anew, with more links."""

    code = "recall-too-low"


class IndexMismatch(KnowledgeBaseError):
    code = "index-mismatch"


class BuilderBusy(KnowledgeBaseError):
    code = "builder-busy"


class StorageError(KnowledgeBaseError):
    code = "storage"


class NothingIndexed(KebenError):
    code = "nothing-indexed"


class PageMissing(KebenError):
    code = "page-missing"


class JobMissing(KebenError):
    code = "job-missing"


class CourseMissing(KebenError):
    code = "course-missing"


class ModelError(KebenError):
    code = "model"


class DatasetError(KebenError):
    code = "dataset"


class TrainingError(KebenError):
    code = "training"


class Overloaded(KebenError):
    """The request was not taken. retry_after: seconds after which there may be room."""

    code = "overloaded"

    def __init__(self, message: str, *, mend: str = "", retry_after: int = 1) -> None:
        super().__init__(message, mend=mend)
        self.retry_after = retry_after


class RateLimited(Overloaded):
    """reason: which limit. headers: what is left of it, for the response."""

    code = "rate-limited"

    def __init__(
        self,
        message: str,
        *,
        reason: Literal["rate", "concurrent", "tokens"] = "rate",
        mend: str = "",
        retry_after: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, mend=mend, retry_after=retry_after)
        self.reason = reason
        self.headers = dict(headers or {})


class AccessError(KebenError):
    code = "access"


class Unauthorised(AccessError):
    code = "unauthorised"


class Forbidden(AccessError):
    code = "forbidden"


class BookMissing(KebenError):
    code = "book-missing"


class RouteMissing(KebenError):
    code = "http"


class MethodNotAllowed(RouteMissing):
    """allowed: the methods that the path has."""

    code = "method-not-allowed"

    def __init__(self, message: str, *, mend: str = "", allowed: Sequence[str] = ()) -> None:
        super().__init__(message, mend=mend)
        self.allowed = tuple(allowed)


class KeyMissing(KebenError):
    code = "key-missing"


class AnswerMissing(KebenError):
    code = "answer-missing"


class FileMissing(KebenError):
    code = "file-missing"


class Conflict(KebenError):
    code = "conflict"


class BookChanged(Conflict):
    code = "book-changed"


class JobConflict(Conflict):
    code = "job-conflict"


class ModelMissing(KebenError):
    code = "model-missing"


class TooLarge(KebenError):
    code = "too-large"


class TooSlow(KebenError):
    code = "too-slow"


class ServerError(KebenError):
    code = "server"
