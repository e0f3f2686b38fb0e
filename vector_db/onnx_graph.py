"""Graphs of ONNX Runtime. The only module of the embedder that imports onnxruntime."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError
from vector_db.graph import TOKEN_VECTORS, Feeds


class OnnxGraph:
    """As `Graph`."""

    def __init__(self, file: Path, device: str | None) -> None:
        """Load `file`; device: cpu (also if None) or cuda. Raises ModelError."""
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ModelError(
                "the backend 'onnx' needs onnxruntime, which is not installed", mend="pip install 'keben[onnx]'"
            ) from error
        provider = f"{(device or 'cpu').partition(':')[0].upper()}ExecutionProvider"
        found = onnxruntime.get_available_providers()
        if provider not in found:
            raise ModelError(
                f"onnxruntime cannot run on {device!r}, only on {', '.join(found)}",
                mend="set KEBEN_EMBEDDING__DEVICE to cpu, or install onnxruntime-gpu in place of onnxruntime",
            )
        try:
            self._session = onnxruntime.InferenceSession(str(file), providers=[provider])
        # Its errors share no base but Exception.
        except Exception as error:
            raise ModelError(f"the graph {file} cannot be loaded: {error}", mend="export the model again") from error
        self.inputs = frozenset(node.name for node in self._session.get_inputs())
        names = [node.name for node in self._session.get_outputs()]
        self._output = next((name for name in TOKEN_VECTORS if name in names), names[0])

    def __call__(self, feeds: Feeds) -> NDArray[np.float32]:
        """As `Graph`."""
        return np.asarray(self._session.run([self._output], dict(feeds))[0], dtype=np.float32)


def quantise_onnx(source: Path, target: Path) -> None:
    """Write the graph `source` with weights of 8 bits, one scale for each output channel. Needs onnx."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
