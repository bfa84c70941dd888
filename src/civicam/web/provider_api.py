"""Routes to single sign-on: to the provider, and back from it."""

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from civicam.access.decide import Action
from civicam.access.sign_in.provider import Begun, Provider
from civicam.web.bearer import Caller, from_where, keep_for_return, kept_for_return, remember
from civicam.web.people_models import Text
from civicam.web.people_services import ANYBODY, PeopleServices, ruled

RETURN: Final = "/api/provider/end"


def add_provider(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes, where the city has a provider."""
    provider = services.provider
    if provider is None:
        return

    @api.post("/api/provider/begin", summary="Sign in elsewhere", operation_id="begin_provider", **ruled(ANYBODY))
    async def begin(request: Request) -> Response:
        """Says where the browser is to go."""
        return _sent(request, await provider.begin(_back(request), from_where(request)))

    @api.post(
        "/api/account/provider/begin",
        summary="Link one's account elsewhere",
        operation_id="link_provider",
        **ruled(Action.ACCOUNT),
    )
    async def link(request: Request, caller: Annotated[Caller, Depends(services.may(Action.ACCOUNT))]) -> Response:
        """Says where the browser is to go."""
        return _sent(request, await provider.begin(_back(request), from_where(request), caller.who))

    @api.get(RETURN, summary="Come back from elsewhere", operation_id="end_provider", **ruled(ANYBODY))
    async def end(
        request: Request,
        state: Annotated[Text, Query()],
        code: Annotated[Text, Query()],
    ) -> Response:
        return await _ended(provider, request, state, code)


async def _ended(provider: Provider, request: Request, state: str, code: str) -> Response:
    opened = await provider.end(state, code, kept_for_return(request), from_where(request))
    answer = RedirectResponse("/", status_code=303)
    if opened is not None:
        remember(request, answer, opened)
    return answer


def _sent(request: Request, begun: Begun) -> Response:
    answer = JSONResponse({"address": begun.address})
    keep_for_return(request, answer, begun.cookie)
    return answer


def _back(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}{RETURN}"
