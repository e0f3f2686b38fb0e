"""Goes back to a generation from before."""

from core.errors import ConfigError, GenerationCorrupt, KnowledgeBaseMissing
from vector_db.layout import KnowledgeBaseFolder
from vector_db.manifest import Manifest, read_manifest
from vector_db.verify import verify_in_new_process


def rollback(target: KnowledgeBaseFolder, to: str | None = None) -> Manifest:
    """Serve the generation `to`, by default the one that the served one replaced; running servers follow.

    Raises ConfigError for an unknown name, KnowledgeBaseMissing when there is none to go back to,
    VerificationFailed when it is damaged; what is served then stays.
    """
    if not target.finished():
        target.current()
    with target.building():
        name = to or _before(target)
        if name not in target.finished():
            raise ConfigError(
                f"the knowledge base '{target.kb}' has no generation {name!r}",
                mend=f"use one of {', '.join(target.finished())}",
            )
        verify_in_new_process(target.generations / name)
        target.switch(name)
        return read_manifest(target.generations / name)


def _before(target: KnowledgeBaseFolder) -> str:
    current = target.current_id()
    others = [name for name in target.finished() if name != current]
    try:
        parent = read_manifest(target.current()).parent
    except (GenerationCorrupt, KnowledgeBaseMissing):
        parent = None
    older = [name for name in others if current is None or name < current]
    if parent in others:
        return str(parent)
    if not older:
        raise KnowledgeBaseMissing(
            f"the knowledge base '{target.kb}' has no generation from before", mend="put the old books back and rebuild"
        )
    return older[-1]
