"""Routes to sign in and out, and to one's own account."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Request, Response

from civicam.access import sessions
from civicam.access.decide import SESSION_NS, Action
from civicam.access.models import SessionId, TokenId
from civicam.access.sign_in import codes
from civicam.access.sign_in.door import Coming
from civicam.access.sign_in.founding import is_founded
from civicam.core.ids import parse_camera_id
from civicam.web.bearer import Caller, forget, from_where, remember
from civicam.web.gate import moment
from civicam.web.people_models import (
    ComingWanted,
    FirstInvited,
    FirstWanted,
    Invitation,
    Me,
    Recovery,
    Ref,
    SessionModel,
    SignIn,
    TokenMade,
    TokenModel,
    TokenWanted,
    Ways,
    WelcomeModel,
)
from civicam.web.people_services import ANYBODY, SIGNED_IN, PeopleServices, moment_or_none, right_model, ruled

NO_CONTENT: Final = HTTPStatus.NO_CONTENT


def add_sign_in(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes through which people come in, and go."""
    door, office = services.door, services.office

    @api.get("/api/sign-in", summary="How to sign in", operation_id="ways", **ruled(ANYBODY))
    async def ways() -> Ways:
        return Ways(city=services.city, is_founded=is_founded(services.state), elsewhere=services.provider is not None)

    @api.post("/api/first-start", summary="Name a first administrator", operation_id="found", **ruled(ANYBODY))
    async def found(said: FirstWanted) -> FirstInvited:
        services.founding.check(said.first_start)
        return FirstInvited(invitation=await services.founding.found(said.login, said.name))

    @api.post("/api/session", summary="Sign in", operation_id="sign_in", status_code=NO_CONTENT, **ruled(ANYBODY))
    async def sign_in(request: Request, response: Response, said: SignIn) -> None:
        opened = await door.sign_in(said.login, said.password, said.code, from_where(request))
        remember(request, response, opened)

    @api.get("/api/session", summary="Who is signed in", operation_id="me", **ruled(SIGNED_IN))
    async def me(caller: Annotated[Caller, Depends(services.caller)]) -> Me:
        person = caller.who.person
        name = await office.in_thread(lambda: office.name_of(person))
        state = services.state
        ends = state.tokens[caller.who.token].expires_ns if caller.who.token else None
        if caller.who.session is not None:
            ends = state.sessions[caller.who.session].begun_ns + SESSION_NS
        rights = [right_model(right) for right in state.rights_of(person)]
        return Me(person=person, login=name.login, name=name.name, rights=rights, ends=moment_or_none(ends))

    @api.post(
        "/api/session/end", summary="Sign out", operation_id="sign_out", status_code=NO_CONTENT, **ruled(SIGNED_IN)
    )
    async def sign_out(
        request: Request, response: Response, caller: Annotated[Caller, Depends(services.may(Action.ACCOUNT))]
    ) -> None:
        session = caller.who.session or SessionId("")
        await office.carry_out(lambda state, at_ns: sessions.end(state, caller.who, session, at_ns))
        forget(request, response)

    @api.post("/api/invitation", summary="See an invitation", operation_id="invitation", **ruled(ANYBODY))
    async def invitation(request: Request, said: Invitation) -> WelcomeModel:
        found = await door.welcome(said.invitation, said.invitation_code, from_where(request))
        return WelcomeModel(
            login=found.login,
            name=found.name,
            secret=found.secret,
            address=found.address,
            picture=codes.picture(found.address),
        )

    @api.post("/api/invitation/accept", summary="Accept it", operation_id="accept", **ruled(ANYBODY))
    async def accept(request: Request, response: Response, said: ComingWanted) -> Recovery:
        coming = Coming(said.invitation, said.invitation_code, said.password, said.code)
        opened, recovery = await door.come(coming, from_where(request))
        remember(request, response, opened)
        return Recovery(codes=recovery)


def add_account(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to one's own sessions and tokens."""
    office, door = services.office, services.door
    own = Annotated[Caller, Depends(services.may(Action.ACCOUNT))]

    @api.get("/api/account/sessions", summary="One's sessions", operation_id="sessions", **ruled(Action.ACCOUNT))
    async def list_sessions(caller: own) -> list[SessionModel]:
        return [
            SessionModel(
                id=one.id, begun=moment(one.begun_ns), seen=moment(one.seen_ns), is_this=one.id == caller.who.session
            )
            for one in services.state.sessions.values()
            if one.person == caller.who.person and one.ended_ns is None
        ]

    @api.post(
        "/api/account/sessions/end",
        summary="End a session of one's own",
        operation_id="end_session",
        status_code=NO_CONTENT,
        **ruled(Action.ACCOUNT),
    )
    async def end_session(caller: own, said: Ref) -> None:
        await office.carry_out(lambda state, at_ns: sessions.end(state, caller.who, SessionId(said.id), at_ns))

    @api.get("/api/account/tokens", summary="One's tokens", operation_id="tokens", **ruled(Action.ACCOUNT))
    async def list_tokens(caller: own) -> list[TokenModel]:
        return [
            TokenModel(
                id=one.id,
                name=one.name,
                actions=sorted(one.actions),
                cameras=sorted(one.cameras),
                expires=moment(one.expires_ns),
            )
            for one in services.state.tokens.values()
            if one.person == caller.who.person and one.ended_ns is None
        ]

    @api.post("/api/account/tokens", summary="Make a token", operation_id="make_token", **ruled(Action.ACCOUNT))
    async def make_token(caller: own, said: TokenWanted) -> TokenMade:
        cameras = frozenset(parse_camera_id(name) for name in said.cameras)
        return TokenMade(
            token=await door.make_token(caller.who, said.name, frozenset(said.actions), cameras, days=said.days)
        )

    @api.post(
        "/api/account/tokens/end",
        summary="Take a token back",
        operation_id="end_token",
        status_code=NO_CONTENT,
        **ruled(SIGNED_IN),
    )
    async def end_token(caller: Annotated[Caller, Depends(services.caller)], said: Ref) -> None:
        await office.carry_out(lambda state, at_ns: sessions.end_token(state, caller.who, TokenId(said.id), at_ns))
