"""What the protocol costs: decode and encode one request of 64 rows of 50 numbers, in JSON and in binary.

    python -m benchmarks.wire

Printed is the median of each over many calls, in microseconds, without a network and without a model.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from driftlead.service import TensorSpec
from driftlead.service.encoding import encode_response
from driftlead.service.tensors import decode_inputs, decode_request

ROWS, FEATURES, CALLS = 64, 50, 2_000
SPEC = TensorSpec("x", "FP32", (-1, FEATURES))


def requests() -> dict[str, tuple[bytes, int | None]]:
    """The same tensor in three forms: body, and length of its JSON where binary values follow."""
    rows = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype(np.float32)
    tensor = {"name": "x", "shape": [ROWS, FEATURES], "datatype": "FP32"}
    binary = rows.tobytes()
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(binary)}}]}).encode()
    return {
        "JSON, flat": (json.dumps({"inputs": [{**tensor, "data": rows.ravel().tolist()}]}).encode(), None),
        "JSON, nested": (json.dumps({"inputs": [{**tensor, "data": rows.tolist()}]}).encode(), None),
        "binary": (head + binary, len(head)),
    }


def median_microseconds(act: Callable[[], object]) -> float:
    """Time many calls one by one."""
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return 1e6 * statistics.median(seconds)


def main() -> None:
    """Time and print."""
    print(f"{'':14}{'bytes':>8}{'decode µs':>12}{'encode µs':>12}{'both ms':>10}")
    for name, (body, header_length) in requests().items():
        binary = {"x"} if header_length is not None else set()

        def decode(body: bytes = body, header_length: int | None = header_length) -> dict[str, np.ndarray]:
            return decode_inputs(decode_request(body, header_length), [SPEC], max_rows=ROWS).arrays

        arrays = decode()

        def encode(binary: set[str] = binary, arrays: dict[str, np.ndarray] = arrays) -> object:
            return encode_response("m", "1", "42", arrays, [SPEC], binary=binary)

        decoding, encoding = median_microseconds(decode), median_microseconds(encode)
        print(f"{name:14}{len(body):8,}{decoding:12.0f}{encoding:12.0f}{(decoding + encoding) / 1e3:10.3f}")


if __name__ == "__main__":
    main()
