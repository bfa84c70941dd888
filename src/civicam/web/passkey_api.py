"""Routes to passkeys: to come in with one, and to keep one's own."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from civicam.access.decide import Action
from civicam.access.sign_in.passkeys import Offer, Passkeys, Site
from civicam.core.errors import RequestError
from civicam.web.authorise import host_name
from civicam.web.bearer import Caller, from_where, remember
from civicam.web.people_models import PasskeyAnswer, PasskeyOffer, Ref
from civicam.web.people_services import ANYBODY, PeopleServices, ruled
from civicam.web.sign_in_api import NO_CONTENT


def add_passkeys(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to passkeys."""
    passkeys = Passkeys(services.office, services.door, services.city)
    own = Annotated[Caller, Depends(services.may(Action.ACCOUNT))]

    @api.post("/api/passkey/offer", summary="Begin with a passkey", operation_id="offer_passkey", **ruled(ANYBODY))
    async def offer(request: Request) -> PasskeyOffer:
        return _offer(passkeys.offer_to_enter(_site(request), from_where(request)))

    @api.post(
        "/api/passkey",
        summary="Sign in with a passkey",
        operation_id="enter_with_passkey",
        status_code=NO_CONTENT,
        **ruled(ANYBODY),
    )
    async def enter(request: Request, response: Response, said: PasskeyAnswer) -> None:
        opened = await passkeys.enter(said.challenge, said.answer, from_where(request))
        remember(request, response, opened)

    @api.get("/api/account/passkeys", summary="One's passkeys", operation_id="passkeys", **ruled(Action.ACCOUNT))
    async def list_passkeys(caller: own) -> list[Ref]:
        return [Ref(id=name) for name in await passkeys.names(caller.who)]

    @api.post(
        "/api/account/passkeys/offer",
        summary="Begin to add a passkey",
        operation_id="offer_new_passkey",
        **ruled(Action.ACCOUNT),
    )
    async def offer_new(request: Request, caller: own) -> PasskeyOffer:
        return _offer(await passkeys.offer_to_add(caller.who, _site(request)))

    @api.post(
        "/api/account/passkeys",
        summary="Add a passkey",
        operation_id="add_passkey",
        status_code=NO_CONTENT,
        **ruled(Action.ACCOUNT),
    )
    async def add(caller: own, said: PasskeyAnswer) -> None:
        await passkeys.add(caller.who, said.challenge, said.answer)

    @api.post(
        "/api/account/passkeys/end",
        summary="Take a passkey away",
        operation_id="end_passkey",
        status_code=NO_CONTENT,
        **ruled(Action.ACCOUNT),
    )
    async def end(caller: own, said: Ref) -> None:
        await passkeys.take_away(caller.who, said.id)


def _site(request: Request) -> Site:
    host = request.headers.get("host", "")
    if not host_name(host):
        raise RequestError("this address has no host", fix="open the page by its name")
    return Site(host_name(host), f"{request.url.scheme}://{host}")


def _offer(offer: Offer) -> PasskeyOffer:
    return PasskeyOffer(challenge=offer.challenge, options=offer.options)
