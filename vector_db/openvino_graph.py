"""Graphs of OpenVINO. The only module that imports openvino and nncf."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError
from vector_db.graph import TOKEN_VECTORS, Feeds


class OpenvinoGraph:
    """As `Graph`."""

    def __init__(self, file: Path, device: str | None) -> None:
        """Load `file`, an .xml or .onnx; device: cpu (also if None), gpu, npu, ... Raises ModelError."""
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise ModelError(
                "the backend 'openvino' needs openvino, which is not installed", mend="pip install 'keben[openvino]'"
            ) from error
        try:
            # Of its own accord it would work in 16 bits where the processor can: other vectors on other machines.
            hints = {"PERFORMANCE_HINT": "LATENCY", "EXECUTION_MODE_HINT": "ACCURACY"}
            self._graph = openvino.Core().compile_model(str(file), (device or "cpu").upper(), hints)
        except RuntimeError as error:
            raise ModelError(
                f"the graph {file} cannot be loaded on {device or 'cpu'}: {error}",
                mend="export the model again, or set KEBEN_EMBEDDING__DEVICE to cpu",
            ) from error
        self.inputs = frozenset(port.any_name for port in self._graph.inputs)
        named = {name: port for port in self._graph.outputs for name in port.names}
        self._output = next((named[name] for name in TOKEN_VECTORS if name in named), self._graph.outputs[0])

    def __call__(self, feeds: Feeds) -> NDArray[np.float32]:
        """As `Graph`."""
        # One request for each call: two threads cannot share one.
        results = self._graph.create_infer_request().infer(dict(feeds))
        return np.asarray(results[self._output], dtype=np.float32)


def convert_openvino(source: Path, target: Path) -> None:
    """Write the ONNX graph `source` in OpenVINO's form, at full precision."""
    import openvino

    openvino.save_model(openvino.Core().read_model(str(source)), str(target), compress_to_fp16=False)


def quantise_openvino(source: Path, target: Path, batches: Sequence[Feeds]) -> None:
    """Write the ONNX graph `source` with weights and activations of 8 bits, whose ranges come from the batches.

    Needs nncf.
    """
    import nncf
    import openvino

    graph = openvino.Core().read_model(str(source))
    names = {port.any_name for port in graph.inputs}
    given = nncf.Dataset([{name: values for name, values in batch.items() if name in names} for batch in batches])
    quantised = nncf.quantize(graph, given, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(batches))
    openvino.save_model(quantised, str(target))
