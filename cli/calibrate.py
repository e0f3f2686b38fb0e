"""`keben calibrate`: measures refusals anew. Heavy modules are imported inside, so that help is instant."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, Kb, print_json
from core.errors import ConfigError

if TYPE_CHECKING:
    from rag.labelled import Labelled
    from vector_db.manifest import Calibration

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def calibrate(
    kb: Kb = None,
    accept: Annotated[
        Path | None,
        typer.Option("--accept", metavar="FILE", help="40 questions or more that the books answer: JSON Lines."),
    ] = None,
    reject: Annotated[
        Path | None,
        typer.Option("--reject", metavar="FILE", help="40 or more to refuse; 'kind' may say 'near' or 'far'."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what is to be refused, from labelled questions: half of them set the threshold, half certify it.

    The questions are kept, and every later rebuild measures with them. Without files they are forgotten, and questions
    made from the books' own sentences serve again, as after a first rebuild.
    """
    from core.settings import load_settings
    from ingest.recalibrate import recalibrate

    if (accept is None) != (reject is None):
        raise ConfigError("--accept and --reject belong together", mend="name both files, or none")
    settings = load_settings()
    questions = _read(accept, reject) if accept and reject else []
    manifest = recalibrate(settings, kb or settings.kb, questions)
    assert manifest.calibration is not None
    if as_json:
        print_json({"kb": manifest.kb, "generation": manifest.id, **manifest.calibration.model_dump(mode="json")})
    else:
        print(f"{manifest.kb} {manifest.id}: {described(manifest.calibration)}")


def _read(accept: Path, reject: Path) -> list["Labelled"]:
    from evaluate.questions import read_labelled
    from rag.labelled import Labelled

    kinds = {"accept": "own", "near": "near", "far": "far", "other": "far"}
    return [Labelled(question.text, kinds[question.kind]) for question in read_labelled(accept, reject)]  # type: ignore[arg-type]


def described(calibration: "Calibration") -> str:
    """A line for people."""
    found = calibration.certificate
    if found is None:
        return f"refuses below {calibration.threshold:.2f}, a guess: too few questions could be asked"
    parts = [
        f"refuses below {calibration.threshold:.2f}; F1 {found.f1.value:.2f} ({found.f1.low:.2f}–{found.f1.high:.2f})"
    ]
    parts += [f"{name} {rate.value:.2f}" for name, rate in (("near", found.near), ("far", found.far)) if rate]
    asked = f"{found.accepted} to answer, {found.near_refused} near and {found.far_refused} far to refuse"
    return f"{', '.join(parts)}; measured with {found.source} ({asked})"
