"""Every route, walked as nobody and as every role: what is allowed is the table in docs/design/access-table.md.

`CIVICAM_WRITE_TABLE=1 pytest tests/web/test_rules.py` writes the table anew.
"""

import os
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from fastapi.routing import APIRoute
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from civicam.access.decide import RULES, Action
from civicam.access.models import Role
from civicam.core.ids import CameraId
from civicam.web.authorise import Purpose
from civicam.web.gate import moment
from civicam.web.people_services import ANYBODY, SIGNED_IN
from tests.access.house import Somebody
from tests.fakes.recorded import START_NS, S
from tests.web.served import CAMERA, Served, served

TABLE = Path(__file__).parents[2] / "docs/design/access-table.md"
WINDOW = {"from": moment(START_NS), "to": moment(START_NS + 4 * S)}
QUERY = WINDOW | {"at": WINDOW["from"], "go": "back", "zero": WINDOW["from"], "size": "160x96", "grant": "999"}
WANTED = WINDOW | {"cameras": [CAMERA], "reason": "a collision"}
NOBODY_THERE = "0" * 32
BODIES: Mapping[str, Any] = {
    "/api/session": {"login": "x", "password": "x"},
    "/api/invitation": {"invitation": "x"},
    "/api/invitation/accept": {"invitation": "x", "password": "x", "code": "x"},
    "/api/account/sessions/end": {"id": "x"},
    "/api/passkey": {"challenge": "x", "answer": {}},
    "/api/account/passkeys": {"challenge": "x", "answer": {}},
    "/api/account/passkeys/end": {"id": "x"},
    "/api/account/tokens": {"name": "x", "actions": ["still"], "days": 1},
    "/api/account/tokens/end": {"id": "x"},
    "/api/people": {"login": "x", "name": "x"},
    "/api/changes": {"kind": "group", "group": "x", "cameras": [CAMERA]},
    "/api/cases": {"number": "1", "purpose": "accident", "legal_reference": "x"},
    "/api/cases/close": {"number": "none"},
    "/api/grants": WANTED | {"case": "walked"},
    "/api/break-glass": WANTED,
    "/api/holds": WINDOW | {"cameras": [CAMERA], "case": "walked", "review": moment(START_NS)},
    "/api/requests": WINDOW
    | {"cameras": [CAMERA], "name": "x", "contact": "x", "told": "x", "identity": "x", "received": "2026-03-02"}
    | {"legal_reference": "x"},
    "/api/requests/{number}/answer": {"export": 999},
    "/api/requests/{number}/refuse": {"reason": "excessive", "words": "x"},
    "/api/requests/{number}/extend": {"words": "x"},
    "/api/exports": WINDOW | {"cameras": [CAMERA], "grant": 999, "recipient": "x"},
}
"""What is sent to routes that want a body; to all others nothing is sent."""
ENDS_ONES_OWN = {"/api/session/end"}


def paths(web: Served) -> list[tuple[str, str]]:
    """Every method and path that is answered; WebSockets are GET."""
    found: set[tuple[str, str]] = set()
    for route in web.application.api.routes:
        assert isinstance(route, Route | WebSocketRoute | APIRoute), route
        methods = {"GET"} if isinstance(route, WebSocketRoute) else (route.methods or set()) - {"HEAD"}
        found |= {(method, route.path) for method in methods}
    return sorted(found, key=lambda one: (one[1], one[0]))


async def test_every_route_says_who_may_use_it(city: Path) -> None:
    known = {str(one) for one in (*Action, *Purpose)} | {ANYBODY, SIGNED_IN}
    async with served(city, asks_people=True) as web:
        rules = web.application.rules()
        assert {one for one in paths(web) if one not in rules} == set()
        assert set(rules.values()) <= known


async def ask(web: Served, method: str, path: str, by: Somebody | None) -> int:
    """The status of what `by` gets there."""
    filled = re.sub(r"{person}", NOBODY_THERE, re.sub(r"{number}", "999", path))
    filled = re.sub(r"{[^}]*}", "checkpoint" if "ledger" in path else CAMERA, filled)
    cookies = by.cookies if by else {}
    if path.endswith("/live"):
        try:
            address, origin = web.address.replace("http", "ws").rstrip("/") + filled, web.address.rstrip("/")
            async with connect(address, origin=origin, additional_headers=cookies):  # type: ignore[arg-type]
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code
    if method == "POST":
        return (await web.client.post(filled, json=BODIES.get(path, {}), headers=cookies)).status_code
    answer: httpx.Response = await web.client.get(filled, params=QUERY, headers=cookies)
    return answer.status_code


def sign(status: int, rule: str) -> str:
    """What a status means for the table. Where anybody may try to come in, 401 and 429 are answers."""
    assert status < 500 or status == 503, status  # the provider that these people could sign in at is not there
    refused = {403} if rule == ANYBODY else {401, 403, 429}
    return "-" if status in refused else "yes"


async def test_the_table_of_what_is_allowed_is_what_is_allowed(city: Path) -> None:
    async with AsyncExitStack() as stack:
        web = await stack.enter_async_context(served(city, asks_people=True))
        web.put_still()
        known = await web.house.of_every_role()
        await web.house.group("walked", CameraId(CAMERA))
        rules = web.application.rules()
        rows: dict[tuple[str, str], list[str]] = {}
        for method, path in paths(web):
            row = []
            for role in (None, *Role):
                somebody = None if role is None else await web.house.opens(known[role])
                row.append(sign(await ask(web, method, path, somebody), rules[method, path]))
            rows[method, path] = row
    lines = ["| route | decided as | nobody | " + " | ".join(Role) + " |", "| --- | --- |" + " --- |" * 7]
    said = [
        f"| `{method} {of_table(path)}` | {rules[method, path]} | {' | '.join(row)} |"
        for (method, path), row in rows.items()
    ]
    lines += dict.fromkeys(said)
    table = "\n".join(lines) + "\n"
    if os.environ.get("CIVICAM_WRITE_TABLE"):
        head = TABLE.read_text("utf-8").partition("| route |")[0]
        TABLE.write_text(head + table, "utf-8")
    assert table == TABLE.read_text("utf-8")[len(TABLE.read_text("utf-8").partition("| route |")[0]) :]
    for (method, path), row in rows.items():
        check_against_rule(f"{method} {path}", rules[method, path], row)


def of_table(path: str) -> str:
    """The page's files have other names whenever they are built; one row stands for all that are alike."""
    return "/page/{file}" if path.startswith("/page/") else path


def check_against_rule(route: str, rule: str, row: list[str]) -> None:
    """What was walked is what the rule says; a grant that nobody has lets nobody see clear video."""
    allowed = {role for role, cell in zip(Role, row[1:], strict=True) if cell == "yes"}
    if rule in {ANYBODY, Purpose.PAGE, Purpose.PUBLIC}:
        assert row == ["yes"] * 7, route
        return
    assert row[0] == "-", route
    if rule == SIGNED_IN:
        assert allowed, route
    elif rule == Purpose.CLEAR:
        assert not allowed, route
    else:
        action = {"list": Action.CAMERAS}.get(rule) or Action(rule)
        assert allowed == (RULES[action].roles or set(Role)), route
