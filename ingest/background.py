"""What a server may have done to a knowledge base: the only module of `ingest` that it imports.

Nothing here parses a file or builds an index in the process that calls: each call starts a process of its own, or
reads what one has left. Importing it loads neither models nor parsers.

start_rebuild           a rebuild that outlives the server, told by its job folder
read_job, jobs, events_since, report, cancel, prune   the job folders, read by any process
safe_name, check_upload, SUFFIXES   a file that somebody sends, before it is put among the books
CATALOG                 the file beside the books that is none of them
page_image, quote_at    a page as an image, with a quote marked
"""

from ingest.catalog import CATALOG
from ingest.job_folder import (
    JobError,
    JobProgress,
    JobState,
    JobStatus,
    cancel,
    events_since,
    jobs,
    prune,
    read_job,
    report,
)
from ingest.job_start import start_rebuild
from ingest.page_image import PageImage, page_image
from ingest.quotes import Quote, quote_at
from ingest.readers import SUFFIXES
from ingest.request import Request
from ingest.uploads import check_upload, safe_name

__all__ = [
    "CATALOG",
    "SUFFIXES",
    "JobError",
    "JobProgress",
    "JobState",
    "JobStatus",
    "PageImage",
    "Quote",
    "Request",
    "cancel",
    "check_upload",
    "events_since",
    "jobs",
    "page_image",
    "prune",
    "quote_at",
    "read_job",
    "report",
    "safe_name",
    "start_rebuild",
]
