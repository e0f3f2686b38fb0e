"""`keben finetune publish`: a model folder to a hub; without --yes nothing leaves this machine."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, print_json

if TYPE_CHECKING:
    from finetune.publish import Plan


class HubName(StrEnum):
    """As `finetune.hubs.Hub`."""

    huggingface = "huggingface"
    modelscope = "modelscope"


def publish(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a merged or quantized model.")],
    hub: Annotated[HubName, typer.Option("--to", help="The hub.")],
    repo: Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="Its name there; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Upload; without it only what would be done is said.")] = False,
    ungated: Annotated[
        str, typer.Option("--ungated", metavar="REASON", help="Publish a model that has not passed the gate, and why.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Publish a model on Hugging Face or ModelScope.

    The folder is looked through first: it must load, have a model card, hold nothing of its training or of this
    machine, and have passed the gate of `keben finetune run`. The login is that of the hub's own client.
    """
    from finetune.hubs import upload
    from finetune.publish import plan

    found = plan(model, repo, ungated=ungated)
    if not as_json:
        _print_plan(found, hub, private)
    address = None
    if yes and not found.faults:
        print("uploading …", file=sys.stderr, flush=True)
        address = upload(found, hub.value, private=private)
    if as_json:
        print_json(found.to_json() | {"hub": hub.value, "private": private, "url": address})
        raise typer.Exit(1 if found.faults else 0)
    found.require()
    print(f"published: {address}" if address else "a dry run, nothing was uploaded; --yes uploads it")


def _print_plan(found: "Plan", hub: HubName, private: bool) -> None:
    for file in found.files:
        print(f"{_size(file.size):>10}  {file.name}")
    print(f"{_size(found.size):>10}  in {len(found.files)} files")
    print(f"to {hub.value}, {found.repo}, {'private' if private else 'public'}; gate: {found.gate}")


def _size(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.1f} GB"
