"""Schemathesis reads the API's description and asks for whatever it allows and forbids: no answer is a server error."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from civicam.access.models import Role
from tests.web.served import Served, served

_EXAMPLES = 8
_ENDS_THE_SESSION = "/api/(session/end|account/sessions/end)"


async def fuzzed(web: Served, folder: Path, cookies: str, phase: str) -> tuple[int, str]:
    """The exit status of a run over every operation, and what it said."""
    description = folder / "openapi.json"
    description.write_text(json.dumps(web.application.description()))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), "run", str(description),
        "--url", web.address.rstrip("/"), "--checks", "not_a_server_error", "--max-examples", str(_EXAMPLES),
        "--phases", phase, "--workers", "1", "--seed", "1", "--no-color",
        "--exclude-path-regex", _ENDS_THE_SESSION, "--header", f"Cookie: {cookies}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("role", "phase"), [(Role.INVESTIGATOR, "fuzzing"), (Role.ADMINISTRATOR, "coverage")])
async def test_no_request_is_answered_with_a_server_error(city: Path, tmp_path: Path, role: Role, phase: str) -> None:
    async with served(city, asks_people=True) as web:
        web.put_still()
        await web.house.begin()
        known = web.house.administrators[0]
        if role is not Role.ADMINISTRATOR:
            known = await web.house.person("firuz", role)
        known = await web.house.opens(known)
        status, said = await fuzzed(web, tmp_path, known.cookies["Cookie"], phase)
        assert status == 0, said[-6000:]
        assert "Server error" not in said
        assert "Tested: " in said
