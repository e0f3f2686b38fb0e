"""Whether `keben serve` would start, and let in whom it should."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cli.checks.finding import Finding
from core.errors import ServerError
from core.settings import Settings

_SOON = timedelta(days=7)
_SECONDS = 2.0


def keys(settings: Settings) -> Iterator[Finding]:
    """API keys against the address, and those that have expired or soon will."""
    from server.gate import is_loopback
    from server.keys import KeyStore
    from server.serve import require_keys, require_one_model

    store, now, host = KeyStore(settings.state_dir), datetime.now(UTC), settings.server.host
    require_one_model(settings)
    require_keys(settings, store)
    records = store.records()
    valid = [record for record in records if record.state(now) == "valid"]
    if settings.server.insecure and not is_loopback(host):
        what = f"whoever reaches {host} may do everything (KEBEN_SERVER__INSECURE)"
        yield Finding("keys", "warning", what, "make keys with `keben keys create`, and leave that setting out")
    elif records:
        yield Finding("keys", "ok", f"{len(valid)} valid of {len(records)}")
    else:
        yield Finding("keys", "ok", f"none: {host} lets in this machine alone")
    for record in records:
        if record.state(now) == "expired":
            what = f"the key {record.id} ({record.name}) has expired"
            yield Finding("keys", "warning", what, f"make another, then `keben keys revoke {record.id}`")
        elif record in valid and record.expires_at and record.expires_at < now + _SOON:
            what = f"the key {record.id} ({record.name}) expires {record.expires_at:%Y-%m-%d %H:%M} UTC"
            yield Finding("keys", "warning", what, "make another in time")


def port(settings: Settings) -> Iterator[Finding]:
    """Whether it can be had; one at which a service of Keben answers is well used."""
    from server.serve import listen

    host, number = settings.server.host, settings.server.port
    try:
        listen(host, number).close()
    except ServerError:
        if not _is_keben(host, number):
            raise
        yield Finding("port", "ok", f"a service answers at {host}:{number}")
    else:
        yield Finding("port", "ok", f"{host}:{number} is free")


def _is_keben(host: str, port: int) -> bool:
    import httpx

    shown = f"[{host}]" if ":" in host else host
    try:
        answer = httpx.get(f"http://{shown}:{port}/healthz", timeout=_SECONDS, trust_env=False)
        return bool(answer.json() == {"status": "ok"})
    except (httpx.HTTPError, ValueError):
        return False
