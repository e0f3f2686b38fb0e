"""Who may do what: the rights of each route in one table, and the one function that decides.

A route that is not in the table is denied, so that a new one stays closed until somebody has thought about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from re import Pattern

from starlette.routing import compile_path

from core.errors import Forbidden, KnowledgeBaseMissing, MethodNotAllowed, RouteMissing, Unauthorised


class Role(StrEnum):
    """What a key is for. Each role may do what those before it may."""

    ask = "ask"
    manage = "manage"
    admin = "admin"


_ORDER = tuple(Role)
_SEE_DOCS = "see /docs for the routes"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may use; None sets no bound. tokens_per_day: read and written by a model, by UTC days."""

    requests_per_minute: int | None = None
    concurrent: int | None = None
    tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request. id: of the key, never the key itself. role: None for somebody without a valid key.

    kbs: the knowledge bases that exist for this principal; None: all. limits: see `Limits`.
    """

    id: str
    role: Role | None
    kbs: frozenset[str] | None = None
    limits: Limits = Limits()

    def sees(self, kb: str) -> bool:
        """Whether a knowledge base exists for this principal."""
        return self.kbs is None or kb in self.kbs


ANYONE = Principal("", None)
LOCAL = Principal("local", Role.admin)


@dataclass(frozen=True, slots=True)
class Rule:
    """The rights that a route asks for. role: None: everybody may. answers: it makes a writer write, and counts as
    running until its response has ended. upload: the body is a file, read and bounded by the route itself.
    counted: it counts among the requests of the key's minute.
    """

    role: Role | None
    answers: bool = False
    upload: bool = False
    counted: bool = True


_PUBLIC, _ASK, _MANAGE, _ADMIN = Rule(None), Rule(Role.ask), Rule(Role.manage), Rule(Role.admin)
_WRITES = Rule(Role.ask, answers=True)

RULES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/"): _PUBLIC,
    ("GET", "/page/{name:path}"): _PUBLIC,
    ("GET", "/me"): _ASK,
    # Once or twice a second while an answer comes in.
    ("POST", "/render"): Rule(Role.ask, counted=False),
    ("GET", "/docs"): _PUBLIC,
    ("GET", "/docs/oauth2-redirect"): _PUBLIC,
    ("GET", "/redoc"): _PUBLIC,
    ("GET", "/openapi.json"): _PUBLIC,
    ("GET", "/static-offline-docs/{path:path}"): _PUBLIC,
    ("GET", "/healthz"): _PUBLIC,
    ("GET", "/readyz"): _PUBLIC,
    ("POST", "/ask"): _WRITES,
    ("POST", "/ask/batch"): _WRITES,
    ("POST", "/search"): _ASK,
    ("POST", "/feedback"): _ASK,
    ("GET", "/kbs/{kb}/feedback"): _MANAGE,
    ("POST", "/kbs/{kb}/feedback/{id}"): _MANAGE,
    ("GET", "/kbs/{kb}/gaps"): _MANAGE,
    # A list of tools is no answer: the tool that makes one counts it.
    ("POST", "/mcp"): _ASK,
    ("POST", "/v1/chat/completions"): _WRITES,
    ("POST", "/v1/embeddings"): _ASK,
    ("GET", "/v1/models"): _ASK,
    ("GET", "/v1/models/{model:path}"): _ASK,
    ("GET", "/kbs"): _ASK,
    ("GET", "/kbs/{kb}"): _ASK,
    ("GET", "/kbs/{kb}/books/{book:path}/pages/{page}.png"): _ASK,
    ("POST", "/kbs"): _MANAGE,
    ("DELETE", "/kbs/{kb}"): _MANAGE,
    ("GET", "/kbs/{kb}/files"): _MANAGE,
    ("POST", "/kbs/{kb}/files"): Rule(Role.manage, upload=True),
    ("DELETE", "/kbs/{kb}/files/{name:path}"): _MANAGE,
    ("POST", "/kbs/{kb}/rebuild"): _MANAGE,
    ("GET", "/kbs/{kb}/report"): _MANAGE,
    ("POST", "/kbs/{kb}/rollback"): _MANAGE,
    ("GET", "/jobs"): _MANAGE,
    ("GET", "/jobs/{id}"): _MANAGE,
    ("GET", "/jobs/{id}/events"): _MANAGE,
    ("DELETE", "/jobs/{id}"): _MANAGE,
    ("GET", "/jobs/{id}/report"): _MANAGE,
    ("GET", "/kbs/{kb}/examples"): _ASK,
    ("GET", "/courses"): _ADMIN,
    ("GET", "/courses/{course}"): _ADMIN,
    ("POST", "/courses/{course}/audit"): _ADMIN,
    ("POST", "/courses/{course}/run"): _ADMIN,
    ("POST", "/courses/{course}/stop"): _ADMIN,
    ("POST", "/courses/{course}/publish"): _ADMIN,
    ("GET", "/courses/{course}/events"): _ADMIN,
    ("GET", "/kbs/{kb}/books/{source:path}/text"): _ASK,
    ("GET", "/metrics"): _ADMIN,
    ("GET", "/keys"): _ADMIN,
    ("POST", "/keys"): _ADMIN,
    ("DELETE", "/keys/{id}"): _ADMIN,
}


class RuleBook:
    """Finds the rule of a request."""

    def __init__(self, rules: Mapping[tuple[str, str], Rule] = RULES) -> None:
        """rules: by method and path template, as FastAPI writes them."""
        # Fixed paths are looked up; only those with parameters have to be matched.
        self._fixed = {key: rule for key, rule in rules.items() if "{" not in key[1]}
        self._patterns: list[tuple[str, Pattern[str], str, Rule]] = [
            (method, compile_path(path)[0], path, rule) for (method, path), rule in rules.items() if "{" in path
        ]

    def find(self, method: str, path: str) -> tuple[Rule, str, Mapping[str, str]] | None:
        """The rule, the path's template and its parameters; None for a route that does not exist."""
        if rule := self._fixed.get((method, path)):
            return rule, path, {}
        for allowed, pattern, template, rule in self._patterns:
            if allowed == method and (match := pattern.match(path)):
                return rule, template, match.groupdict()
        return None

    def missing(self, method: str, path: str) -> RouteMissing:
        """The error for a request that has no rule: no such route, or not with this method."""
        methods = {allowed for allowed, fixed in self._fixed if fixed == path}
        methods |= {allowed for allowed, pattern, _, _ in self._patterns if pattern.match(path)}
        if methods:
            allowed = sorted(methods)
            said = f"{method} {path}: only {', '.join(allowed)} is served here"
            return MethodNotAllowed(said, mend=_SEE_DOCS, allowed=allowed)
        return RouteMissing(f"{method} {path}: there is no such route", mend=_SEE_DOCS)


def authorise(principal: Principal, rule: Rule | None, kb: str | None = None) -> None:
    """Return if `principal` may use a route with this rule, on knowledge base `kb` if one is named.

    Raises Unauthorised for somebody without a valid key, Forbidden for a role that is too low, KnowledgeBaseMissing for
    a knowledge base that the principal may not see. rule: None where only the knowledge base is in question.
    """
    if rule is not None and rule.role is None:
        return
    if principal.role is None:
        raise Unauthorised("this needs a valid API key", mend="send it as 'Authorization: Bearer KEY'")
    if rule is not None and rule.role is not None and _ORDER.index(principal.role) < _ORDER.index(rule.role):
        raise Forbidden(
            f"the key {principal.id} has the role '{principal.role}', this needs '{rule.role}'",
            mend="use a key with that role: `keben keys create --role`",
        )
    if kb is not None and not principal.sees(kb):
        raise no_such(kb)


def no_such(kb: str, names: Sequence[str] = ()) -> KnowledgeBaseMissing:
    """For a knowledge base that is not there, and for one that a key may not see. names: those that it may."""
    mend = f"use one of {', '.join(names)}, or build it" if names else "GET /kbs lists those that there are"
    return KnowledgeBaseMissing(f"there is no knowledge base '{kb}'", mend=mend)


def no_default(names: Sequence[str]) -> KnowledgeBaseMissing:
    """For a request that names no knowledge base, with a key that may not see the default one. names: as `no_such`."""
    mend = f"name one of {', '.join(names)}" if names else "none of those that this key may see is there yet"
    return KnowledgeBaseMissing("no knowledge base is named", mend=mend)
