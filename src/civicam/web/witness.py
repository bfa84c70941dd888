"""A witness over HTTP: `POST /add-checkpoint` (C2SP tlog-witness), and nothing else."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from civicam.core.clock import Clock
from civicam.core.errors import LedgerError
from civicam.ledger.witness import REQUEST_BYTES, AddCheckpoint, Refusal, Witness, WitnessError


def witness_app(witness: Witness, clock: Clock) -> Starlette:
    """The application.

    Args:
        witness: signs.
        clock: when.
    """

    async def add_checkpoint(request: Request) -> Response:
        try:
            asked = AddCheckpoint.parse(await _body(request))
            now_s = clock.wall_ns() // 1_000_000_000
            signature = await asyncio.to_thread(witness.add_checkpoint, asked, now_s)
        except WitnessError as error:
            if error.refusal is Refusal.OTHER_SIZE:
                return Response(f"{error.size}\n", int(error.refusal), media_type="text/x.tlog.size")
            return PlainTextResponse(f"{error.what}\n", int(error.refusal))
        except LedgerError:
            return PlainTextResponse("what is signed cannot be written down now\n", 503)
        return PlainTextResponse(signature.line)

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > REQUEST_BYTES:
            raise WitnessError(Refusal.MALFORMED, f"a request has at most {REQUEST_BYTES} bytes")
    return body
