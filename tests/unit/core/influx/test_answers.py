"""What servers say to a write, and what is made of it (bodies as the servers send them)."""

from __future__ import annotations

import pytest

from microgrid_core.influx.answers import Verdict, interpret

CASES = [
    (1, 204, "", Verdict.STORED, 0),
    (3, 200, "{}", Verdict.STORED, 0),
    (3, 204, "", Verdict.STORED, 0),
    (1, 200, "<html>Down for maintenance</html>", Verdict.BUSY, 0),
    (2, 200, "<html>Down for maintenance</html>", Verdict.BUSY, 0),
    (2, 200, "{}", Verdict.BUSY, 0),
    (3, 200, "<html>Down for maintenance</html>", Verdict.BUSY, 0),
    (3, 200, "", Verdict.BUSY, 0),
    (2, 202, "", Verdict.BUSY, 0),
    (1, 302, "<html>moved, database not found</html>", Verdict.BUSY, 0),
    (1, 400, '{"error":"partial write: points beyond retention policy dropped=7"}', Verdict.PARTIAL, 7),
    (
        1,
        400,
        '{"error":"partial write: field type conflict: input field \\"x\\" dropped=2"}',
        Verdict.PARTIAL,
        2,
    ),
    (1, 400, '{"error":"unable to parse \'m x= 1\': missing field value"}', Verdict.PARTIAL, 1),
    (
        1,
        400,
        '{"error":"partial write: unable to parse \'m\': missing fields dropped=0"}',
        Verdict.PARTIAL,
        1,
    ),
    (2, 422, '{"code":"unprocessable entity","message":"… partial write: … dropped=3"}', Verdict.PARTIAL, 3),
    (2, 400, '{"code":"invalid","message":"unable to parse \'m\': missing fields"}', Verdict.REFUSED, 0),
    (
        3,
        400,
        '{"error":"partial write of line protocol occurred","data":{"line_number":3}}',
        Verdict.REFUSED,
        0,
    ),
    (2, 400, "<html>Bad Request</html>", Verdict.BUSY, 0),
    (1, 404, '{"error":"database not found: \\"microgrid\\""}', Verdict.TIER_MISSING, 0),
    (1, 500, '{"error":"retention policy not found: rp_1s"}', Verdict.TIER_MISSING, 0),
    (
        2,
        404,
        '{"code":"not found","message":"bucket \\"microgrid/rp_1s\\" not found"}',
        Verdict.TIER_MISSING,
        0,
    ),
    (1, 401, '{"error":"authorization failed"}', Verdict.UNAUTHORISED, 0),
    (2, 403, '{"code":"forbidden","message":"insufficient permissions"}', Verdict.UNAUTHORISED, 0),
    (3, 413, "", Verdict.TOO_LARGE, 0),
    (2, 429, "", Verdict.BUSY, 0),
    (1, 500, '{"error":"timeout"}', Verdict.BUSY, 0),
    (1, 503, "upstream is down", Verdict.BUSY, 0),
]


@pytest.mark.parametrize(("generation", "status", "body", "verdict", "dropped"), CASES)
def test_answers(generation: int, status: int, body: str, verdict: Verdict, dropped: int) -> None:
    answer = interpret(generation, status, body)
    assert (answer.verdict, answer.dropped) == (verdict, dropped)
    assert verdict is Verdict.STORED or answer.reason.startswith(f"{status}: ")


@pytest.mark.parametrize(
    ("data", "number"),
    [
        ('{"line_number":3}', 3),
        ('[{"line_number":2},{"line_number":9}]', 2),
        ("null", None),
        ("[]", None),
        ('{"line_number":0}', None),
    ],
)
def test_the_bad_line_is_named(data: str, number: int | None) -> None:
    assert interpret(3, 400, f'{{"error":"bad","data":{data}}}').bad_line == number


def test_a_long_explanation_is_cut() -> None:
    assert len(interpret(1, 500, "x" * 10_000).reason) <= 300
