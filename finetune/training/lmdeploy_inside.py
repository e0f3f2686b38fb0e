"""Runs in the environment of LMDeploy, as a script that Keben starts: it imports nothing of Keben.

    lmdeploy_inside.py machine                               the GPUs that torch can use, as JSON
    lmdeploy_inside.py awq MODEL FOLDER BLOCKS DTYPE GROUP DEVICE

`awq` is what `lmdeploy lite auto_awq MODEL --work-dir FOLDER --w-bits 4 --w-group-size GROUP` does, with texts of our
own for its calibration: BLOCKS is a JSON file of token ids, each block as long as the others. LMDeploy itself takes
data sets of the hub alone, by seven names.
"""

# mypy: ignore-errors
# Its libraries are in the other environment.

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """One command."""
    command, *arguments = sys.argv[1:]
    if command == "machine":
        import torch

        print(json.dumps({"gpus": torch.cuda.device_count() if torch.cuda.is_available() else 0}))
    elif command == "awq":
        awq(*arguments)
    else:
        raise SystemExit(f"no command {command}")


def awq(model: str, folder: str, blocks: str, dtype: str, group: str, device: str) -> None:
    """Quantize the weights of the layers to 4 bits."""
    import torch

    rows = json.loads(Path(blocks).read_text(encoding="utf-8"))
    # By its name: the package has a function `calibrate` too.
    calibrate = importlib.import_module("lmdeploy.lite.apis.calibrate")
    calibrate.get_calib_loaders = lambda *_, **__: [torch.tensor([row]) for row in rows]
    auto_awq = importlib.import_module("lmdeploy.lite.apis.auto_awq").auto_awq
    auto_awq(
        model,
        work_dir=folder,
        calib_dataset="wikitext2",  # one of the names that it takes; not read
        calib_samples=len(rows),
        calib_seqlen=len(rows[0]),
        w_bits=4,
        w_group_size=int(group),
        device=device,
        dtype=dtype,
    )


if __name__ == "__main__":
    main()
