"""`keben doctor`: looks at the installation, the settings, the knowledge bases and the models. Changes nothing."""

from dataclasses import asdict

import typer

from cli.options import Json, print_json

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_SIGNS = {"ok": "✓", "warning": "!", "fault": "✗"}


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check the installation, settings, knowledge bases, models and disk, and say what to mend.

    Exit code 0: no fault, 1: faults.
    """
    from cli.doctor_checks import check_all
    from core.settings import load_settings

    findings = []
    for finding in check_all(load_settings):
        findings.append(finding)
        if not as_json:
            print(f"{_SIGNS[finding.status]} {finding.name}: {finding.what}", flush=True)
            if finding.mend:
                print(f"    → {finding.mend}", flush=True)
    faults = sum(finding.status == "fault" for finding in findings)
    if as_json:
        print_json({"ok": not faults, "findings": [asdict(finding) for finding in findings]})
    else:
        warnings = sum(finding.status == "warning" for finding in findings)
        print(f"\n{faults} faults, {warnings} warnings")
    raise typer.Exit(1 if faults else 0)
