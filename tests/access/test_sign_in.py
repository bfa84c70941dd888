"""What people show at the door: passwords, codes, and how often they may try."""

import base64

import pytest

from civicam.access.sign_in import codes, passwords
from civicam.access.sign_in.codes import Codes
from civicam.access.sign_in.limits import Limits
from civicam.core.errors import AccessError, TooSoonError
from tests.fakes.clock import ManualClock

SECOND = 1_000_000_000
RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("at_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"),
     (20000000000, "353130")],
)  # fmt: skip
def test_codes_are_those_of_rfc_6238(at_s: int, code: str) -> None:
    """Appendix B, the last six of the eight digits there."""
    assert Codes(RFC_SECRET).code(at_s * SECOND) == code


def test_a_code_is_good_once_and_for_half_a_minute_around() -> None:
    made, now_ns = codes.new_codes(), 1_800_000_000 * SECOND
    code = made.code(now_ns)
    used = made.used(code, now_ns)
    assert used is not None
    assert used.used(code, now_ns) is None
    assert made.used(code, now_ns + 30 * SECOND) is not None
    assert made.used(code, now_ns + 90 * SECOND) is None
    assert used.used(made.code(now_ns - 30 * SECOND), now_ns) is None
    assert used.used(made.code(now_ns + 30 * SECOND), now_ns) is not None


@pytest.mark.parametrize("code", ["", "0", "abcdef", "☃☃☃☃☃☃", "000000000000"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert Codes(RFC_SECRET).used(code, 59 * SECOND) is None


def test_an_authenticator_reads_the_address() -> None:
    made = Codes(RFC_SECRET)
    address = made.address("di lshod", "Khujand: a city")
    assert address.startswith("otpauth://totp/Khujand%3A%20a%20city%3Adi%20lshod?secret=")
    assert base64.b32decode(made.text) == RFC_SECRET
    assert codes.picture(address).startswith("<svg")


def test_recovery_codes_are_read_however_they_are_typed() -> None:
    made = codes.recovery_codes()
    assert len(set(made)) == codes.RECOVERY_CODES
    plain = made[0].replace("-", " ").upper()
    assert codes.recovery_id("a", made[0]) == codes.recovery_id("a", plain) != codes.recovery_id("b", plain)


def test_a_password_fits_its_own_hash_and_no_other() -> None:
    known = passwords.hashed("seven quiet herons over the weir")
    assert known.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.fits("seven quiet herons over the weir", known)
    assert not passwords.fits("seven quiet herons over the weir ", known)
    assert not passwords.fits("\ud800", known)


@pytest.mark.parametrize(
    "password", ["short", "password1234", "123456789012", "qwertyuiop12", "khujandkhujand", "x" * 129]
)
def test_what_is_guessed_easily_is_refused(password: str) -> None:
    with pytest.raises(AccessError):
        passwords.check(password, ("khujand",))


def test_some_words_that_say_nothing_together_are_taken() -> None:
    passwords.check("seven quiet herons over the weir", ("dilshod",))


def test_each_failure_more_doubles_the_wait() -> None:
    clock = ManualClock()
    limits = Limits(clock, 3)
    for _ in range(3):
        limits.check("a")
        limits.failed("a")
    waited = []
    for _ in range(12):
        seconds = 0
        while True:
            try:
                limits.check("a")
                break
            except TooSoonError:
                clock.advance(1)
                seconds += 1
        waited.append(seconds)
        limits.failed("a")
    assert waited == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 0]  # after a quarter of an hour it is forgotten
    limits.check("b")


def test_what_went_well_forgets_what_failed() -> None:
    limits = Limits(ManualClock(), 1)
    limits.failed("a")
    with pytest.raises(TooSoonError):
        limits.check("a")
    limits.succeeded("a")
    limits.check("a")
