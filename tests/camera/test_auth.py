"""Challenges and the answers to them, against the RFCs' own examples."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.auth import Authenticator, Challenge, parse_challenges, strongest
from civicam.camera.url import Credentials

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC7616 = 'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'


def chosen(*headers: str) -> Challenge:
    challenge = strongest(parse_challenges(headers))
    assert challenge is not None
    return challenge


def fields(header: str) -> dict[str, str]:
    (challenge,) = parse_challenges([header])
    return challenge.params


def test_rfc2617_example_without_qop_matches_a_known_answer() -> None:
    # RFC 2069's example as corrected by its errata: the form that cameras without qop expect.
    challenge = chosen('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"')
    answer = fields(Authenticator(challenge, Credentials("Mufasa", "CircleOfLife")).header("GET", "/dir/index.html"))
    assert answer["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert answer["opaque"] == "5ccc"
    assert "nc" not in answer


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_examples(algorithm: str, response: str) -> None:
    challenge = chosen(f"Digest {RFC7616}, algorithm={algorithm}")
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

    class _Nonce(bytes):
        def hex(self, *_: object) -> str:  # the RFC's client nonce is not hexadecimal
            return cnonce

    answer = fields(Authenticator(challenge, MUFASA, lambda _: _Nonce()).header("GET", "/dir/index.html"))
    assert answer["response"] == response
    assert (answer["nc"], answer["qop"], answer["algorithm"]) == ("00000001", "auth", algorithm)


def test_a_session_key_includes_both_nonces() -> None:
    challenge = chosen('Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess')
    authenticator = Authenticator(challenge, Credentials("u", "p"), lambda size: b"\1" * size)
    authenticator.header("OPTIONS", "rtsp://c/")
    answer = fields(authenticator.header("DESCRIBE", "rtsp://c/"))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    key = md5(f"{md5('u:r:p')}:n:{'01' * 8}")
    assert answer["response"] == md5(f"{key}:n:00000002:{'01' * 8}:auth:{md5('DESCRIBE:rtsp://c/')}")


def test_the_strongest_offer_is_chosen() -> None:
    basic, md5 = 'Basic realm="c"', 'Digest realm="c", nonce="1"'
    sha = 'Digest realm="c", nonce="2", algorithm="SHA-256", qop="auth"'
    assert chosen(basic).label == "Basic"
    assert chosen(basic, md5).label == "Digest MD5"
    assert chosen(md5, sha, basic).label == "Digest SHA-256"
    assert chosen(f"{basic}, {md5}, {sha}").label == "Digest SHA-256"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer x", 'Digest realm="c"', 'Digest nonce="1", algorithm=ROT13', 'Digest nonce="1", qop="auth-int"'],
)
def test_what_cannot_be_answered_is_not_chosen(header: str) -> None:
    assert strongest(parse_challenges([header])) is None


def test_odd_spelling_is_understood() -> None:
    challenge = chosen('digest  REALM = "a \\"b\\", c" ,nonce=abc,  Stale=TRUE')
    assert challenge.params["realm"] == 'a "b", c'
    assert challenge.nonce == "abc"
    assert challenge.is_stale


@given(st.text(), st.text(), st.text())
def test_an_answer_is_one_header_line_without_the_password(user: str, password: str, realm: str) -> None:
    challenge = Challenge("digest", {"realm": realm, "nonce": "1"})
    header = Authenticator(challenge, Credentials(user, f"Zq9{password}#!")).header("PLAY", "rtsp://c/")
    assert "\n" not in header
    assert "\r" not in header
    assert f"Zq9{password}#!" not in header
