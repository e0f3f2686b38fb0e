"""`python health.py PORT SECONDS`: asks /healthz a hundred times a second, prints milliseconds as JSON."""

import json
import sys
import time
from http.client import HTTPConnection


def main(port: int, seconds: float) -> None:
    """One kept connection, from a process of its own: the clients of the load must not slow it down."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        took.append(1000 * (time.perf_counter() - started))
        time.sleep(0.01)
    print(json.dumps(took))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
