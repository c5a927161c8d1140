"""What a person at a terminal is shown first."""

from __future__ import annotations

import json
from math import prod

from driftlead.service.predictor import Predictor

__all__ = ["example_request"]


def example_request(predictor: Predictor, url: str) -> str:
    """Write a shell line that sends one row of zeros; its data are made by Python, so that it stays short."""
    tensors = []
    for spec in predictor.inputs:
        shape = [1, *spec.shape[1:]] if spec.batched else list(spec.shape)
        zero = {"BOOL": "False", "BYTES": '""'}.get(spec.datatype, "0")
        fields = f'"name": {json.dumps(spec.name)}, "shape": {shape}, "datatype": "{spec.datatype}"'
        tensors.append(f'{{{fields}, "data": [{zero}] * {prod(shape)}}}')
    program = f'import json; print(json.dumps({{"inputs": [{", ".join(tensors)}]}}))'
    return f"python3 -c '{program}' | curl -s {url}/v2/models/{predictor.name}/infer -d @-"
