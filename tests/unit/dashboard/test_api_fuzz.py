"""The interface holds what its description says, whatever is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from aggregator.store import Step
from tests.builders import make_event
from tests.page import page_in, write_token

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = {"/api/v1/changes", "/api/v1/events/stream", "/api/v1/views", "/api/v1/cameras/{camera_id}/picture.jpg"}
"""Answers that do not end, or wait for a picture: other tests listen to them."""

EXAMPLES = 8


def test_nothing_that_is_asked_breaks_it(tmp_path: Path) -> None:
    """No request that the description allows, or nearly allows, gives a 5xx."""
    with page_in(tmp_path) as page:
        page.store.commit(Step(events=[make_event()]))
        client = page.client()
        word = write_token(client)
        schema = schemathesis.openapi.from_dict(client.get("/api/v1/openapi.json").json())
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path in STREAMS:
                continue

            @given(case=operation.as_strategy())
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: Any) -> None:
                answer = client.request(
                    case.method,
                    case.formatted_path,
                    params=case.query,
                    headers=word,
                    json=case.body if isinstance(case.body, (dict, list)) else None,
                )
                assert answer.status_code < 500, f"{case.method} {case.formatted_path} {case.query}: {answer.text}"

            ask()
