"""`keben finetune quantize`: a model in fewer bits, and what that costs. Heavy modules are imported inside."""

import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Bits, Json, print_json
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.settings import Settings
    from evaluate.exam.compare import ExamComparison
    from evaluate.exam.results import ExamResult
    from finetune.conversations import Conversation
    from finetune.quantize import Sizes


class Method(StrEnum):
    """awq: files in 4 bits, for LMDeploy and vLLM. bnb: as KEBEN_LLM__BITS loads any folder; nothing is written."""

    awq = "awq"
    bnb = "bnb"


def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a chat model.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder to write, for awq; must not exist.")
    ] = None,
    method: Annotated[
        Method, typer.Option("--method", help="awq writes a folder for LMDeploy and vLLM; bnb reports on loading so.")
    ] = Method.awq,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="FILE",
            help="Rows that AWQ looks at, as train.jsonl; that of the run the model is in if left out.",
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, max=4096, help="Texts for the calibration.")] = 128,
    length: Annotated[int, typer.Option("--length", min=64, max=32768, help="Tokens of each of them.")] = 2048,
    bits: Annotated[Bits, typer.Option("--bits", help="For bnb.")] = Bits.four,
    exams: Annotated[
        list[Path] | None,
        typer.Option("--exam", metavar="FILE", help="Exam to sit before and after; may be given again."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Questions of each subject.")] = None,
    as_json: Json = False,
) -> None:
    """Make a model smaller: its weights in 4 bits.

    awq needs a GPU and the environment of `keben finetune setup --lmdeploy`. bnb needs neither, and writes nothing: it
    reports what KEBEN_LLM__BITS saves, and how the model does in an exam then.
    """
    if exams:
        from evaluate.exam.questions import read_exams

        read_exams(exams)  # a fault in them is found before minutes of work
    if method is Method.bnb:
        _report_bnb(model, int(bits.value), exams or [], limit, as_json=as_json)
    else:
        _write_awq(model, out, calibration, samples, length, exams or [], limit, as_json=as_json)


def _write_awq(
    model: Path,
    out: Path | None,
    calibration: Path | None,
    samples: int,
    length: int,
    exams: list[Path],
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    if out is None:
        raise ConfigError("--method awq writes a folder, and none is named", mend="name it: --out FOLDER")
    from finetune.quantize import check_model, quantize_awq
    from finetune.training import lmdeploy_environment as there

    there.require_gpu(there.ENVIRONMENT)
    check_model(model)
    rows = _rows(model, calibration)
    if not as_json:
        print(f"quantizing with {len(rows)} rows: minutes …", file=sys.stderr, flush=True)
    report = quantize_awq(model, out, rows, samples=samples, length=length, environment=there.ENVIRONMENT)
    result, comparison = _awq_exams(model, out, exams, limit, quiet=as_json) if exams else (None, None)
    if as_json:
        print_json(report.to_json() | _plain(result, comparison))
        return
    print(f"{out}: calibrated with {report.blocks} texts of {report.length} tokens; {_sizes(report.sizes)}")
    print(f"serve it: .venv-lmdeploy/bin/lmdeploy serve api_server {out} --model-format awq --server-port 23333")
    print("then: KEBEN_LLM__URLS='[\"http://127.0.0.1:23333/v1\"]' keben serve")
    _print_exams(result, comparison)


def _awq_exams(
    model: Path, out: Path, exams: list[Path], limit: int | None, *, quiet: bool
) -> "tuple[ExamResult, ExamComparison]":
    """After: with the weights as a server for AWQ computes with them."""
    from core.settings import load_settings
    from finetune.dequantize import dequantized

    with dequantized(out) as plain:
        settings = load_settings()
        return _sat(
            settings.with_model(model, bits=None), settings.with_model(plain, bits=None), exams, limit, quiet=quiet
        )


def _rows(model: Path, calibration: Path | None) -> "list[Conversation]":
    from finetune.conversations import read_conversations

    found = calibration or model.resolve().parent / "dataset" / "train.jsonl"
    if calibration is None and not found.is_file():
        raise ConfigError(
            f"no rows are named for the calibration, and there is no {found}",
            mend="--calibration FILE: conversations as the model will have them, such as train.jsonl of a data set",
        )
    return read_conversations(found)


def _report_bnb(model: Path, bits: int, exams: list[Path], limit: int | None, *, as_json: bool) -> None:
    from core.settings import load_settings
    from finetune.quantize import bits_sizes
    from rag.engine.folder import inspect_folder
    from rag.engine.loading import best_device, best_dtype

    settings = load_settings()
    before, after = settings.with_model(model, bits=None), settings.with_model(model, bits=bits)
    dtype = best_dtype(before.llm, best_device(before.llm))
    sizes = bits_sizes(inspect_folder(model, before.llm), bits, dtype.itemsize)
    result, comparison = _sat(before, after, exams, limit, quiet=as_json) if exams else (None, None)
    name = str(dtype).removeprefix("torch.")
    if as_json:
        found = {"model": str(model), "bits": bits, "dtype": name, "sizes": asdict(sizes)}
        print_json(found | _plain(result, comparison))
        return
    print(f"{model} in {bits} bits, against {name}: {_sizes(sizes)}")
    print(f"load it so: KEBEN_LLM__MODEL={model} KEBEN_LLM__BITS={bits} keben serve")
    _print_exams(result, comparison)


def _sat(
    before: "Settings", after: "Settings", exams: list[Path], limit: int | None, *, quiet: bool
) -> "tuple[ExamResult, ExamComparison]":
    """The same exam twice; first in fewer bits, which may not be possible here."""
    from cli.scores import tracked
    from evaluate.exam.compare import compare_exams
    from evaluate.exam.questions import limited, read_exams
    from evaluate.exam.run import Sitting, evaluate_exam

    questions = limited(read_exams(exams), limit)
    sitting = Sitting("model", tuple(map(str, exams)), limit=limit)
    now, then = (
        evaluate_exam(settings, questions, sitting, track=lambda some: tracked(some, quiet=quiet))
        for settings in (after, before)
    )
    return now, compare_exams(now, then)


def _plain(result: "ExamResult | None", comparison: "ExamComparison | None") -> dict[str, Any]:
    found = {"result": result, "comparison": comparison}
    return {name: value.model_dump(mode="json") if value else None for name, value in found.items()}


def _print_exams(result: "ExamResult | None", comparison: "ExamComparison | None") -> None:
    from cli.scores import print_exam

    if result:
        print_exam(result, comparison)


def _sizes(sizes: "Sizes") -> str:
    disk = f"{_shown(sizes.disk_before)} → {_shown(sizes.disk_after)} on disk"
    return f"{disk}, {_shown(sizes.memory_before)} → {_shown(sizes.memory_after)} in memory, for the weights"


def _shown(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**28 else f"{size / 2**20:.1f} MiB"
