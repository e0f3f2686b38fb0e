"""`keben keys`: API keys of the HTTP service. A running server follows at once."""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, print_json
from core.errors import ConfigError

if TYPE_CHECKING:
    from server.keys import KeyRecord, KeyStore

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="API keys of the service.")

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class KeyRole(StrEnum):
    """As `server.access.Role`."""

    ask = "ask"
    manage = "manage"
    admin = "admin"


# At most `core.settings.MOST`.
_Bound = Annotated[int | None, typer.Option(min=1, max=10**9, help="Of this key; that of the settings if left out.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it.")],
    role: Annotated[
        KeyRole, typer.Option("--role", help="ask; manage: books too; admin: keys and measurements too.")
    ] = KeyRole.ask,
    kbs: Annotated[
        list[str] | None, typer.Option("--kb", metavar="NAME", help="It sees this one alone; may be given again.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="WHEN", help="12h, 30d, 8w, or a day such as 2027-07-01 (UTC).")
    ] = None,
    requests_per_minute: _Bound = None,
    concurrent: _Bound = None,
    tokens_per_day: _Bound = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once: only its hash is kept."""
    from server.access import Limits, Role

    limits = Limits(requests_per_minute, concurrent, tokens_per_day)
    until = expiry(expires, datetime.now(UTC)) if expires else None
    key, record = _store().create(name, Role(role.value), kbs, until, limits)
    if as_json:
        print_json({"key": key, **_shown(record)})
    else:
        print(f"{key}\n\nIt is not shown again. To try it: curl -H 'Authorization: Bearer {key}' …")


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """Show every key that was made, without the key itself."""
    records = _store().records()
    if as_json:
        print_json({"keys": [_shown(record) for record in records]})
        return
    for record in records:
        kbs = "all" if record.kbs is None else ", ".join(record.kbs)
        until = f" until {record.expires_at:%Y-%m-%d %H:%M} UTC" if record.expires_at else ""
        state = record.state(datetime.now(UTC))
        print(f"{record.id}  {record.role:<6}  {state}{until}  {record.name}  (knowledge bases: {kbs})")
    if not records:
        print("there are no keys: the service lets in this machine alone")


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `keben keys list` shows it.")], as_json: Json = False
) -> None:
    """Refuse a key from now on."""
    record = _store().revoke(id)
    if as_json:
        print_json(_shown(record))
    else:
        print(f"{record.id} ({record.name}) is refused from now on")


def expiry(text: str, now: datetime) -> datetime:
    """The end of what `--expires` names, in UTC; of a day, its beginning. Raises ConfigError."""
    if match := re.fullmatch(r"([1-9]\d{0,4})([hdw])", text):
        return now + timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise ConfigError(f"--expires {text} is no time", mend="write 12h, 30d, 8w, or a day as 2027-07-01") from None


def _store() -> "KeyStore":
    from core.settings import load_settings
    from server.keys import KeyStore

    return KeyStore(load_settings().state_dir)


def _shown(record: "KeyRecord") -> dict[str, object]:
    return {**record.model_dump(mode="json", exclude={"sha256"}), "state": record.state(datetime.now(UTC))}
