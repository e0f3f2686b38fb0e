"""HTTP/1.1 as uvicorn speaks it over httptools, which by itself reads the head of a request without end."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024


def bounded(head_seconds: float) -> type[HttpToolsProtocol]:
    """A protocol that closes a connection whose next head takes longer than that, or is longer than HEAD_BYTES."""

    class Protocol(_Bounded):
        seconds = head_seconds

    return Protocol


class _Bounded(HttpToolsProtocol):
    seconds: float
    _timer: asyncio.TimerHandle | None = None
    # Bytes that came and were no body: of a head that is under way, of the frames of chunks, of trailers.
    _outside = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected, and may do nothing more."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a request, of at most some 256 KiB."""
        self._outside += len(data)
        super().data_received(data)
        if self._outside > HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._outside = 0
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._stop_waiting()
        self._outside = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body; the frame of a chunk may be as long as what it holds."""
        self._outside = max(self._outside - 2 * len(body), -HEAD_BYTES)
        super().on_body(body)

    def _refuse(self) -> None:
        # In the middle of another response there is no place for one to this request.
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(f"The head of the request is longer than {HEAD_BYTES} bytes.")
        else:
            self.transport.close()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
