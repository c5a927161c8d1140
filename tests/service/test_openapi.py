"""The description at ``/openapi.json`` is true: requests made from it are answered as it says."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis")

from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

NEGATIVE = schemathesis.GenerationMode.NEGATIVE
TRUE = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
)
BOUNDED = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def check(app) -> int:
    """Call every operation with what its description allows, and with what not; return how many there are."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in operations:

        @BOUNDED
        @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=NEGATIVE))
        def answers_as_described(case):
            case.call_and_validate(checks=TRUE)

        answers_as_described()
    return len(operations)


def test_a_served_model_answers_as_described(service):
    assert check(service.app) > 15


def test_a_watching_service_answers_as_described(watching):
    assert check(watching().app) > 10
