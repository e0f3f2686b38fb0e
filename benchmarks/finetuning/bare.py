"""`xtuner train CONFIG --work-dir FOLDER` and nothing else, in XTuner's environment: what Keben is measured against.

Without a GPU or torchvision XTuner does not start by itself: what stands in for them is the same in both.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "finetune" / "training" / "inside.py"


def main() -> None:
    """Run the tool."""
    spec = importlib.util.spec_from_file_location("inside", SOURCE)
    assert spec and spec.loader
    inside = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(inside)
    inside._stand_in_for_torchvision()
    inside._train_without_gpu()
    import mmengine.runner

    # The pause between epochs is left out of both, so that the steps are compared.
    inside_time = inside.types.SimpleNamespace(sleep=lambda seconds: None)
    mmengine.runner.loops.time = inside_time
    sys.argv = ["xtuner.tools.train", *sys.argv[1:]]
    runpy.run_module("xtuner.tools.train", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
