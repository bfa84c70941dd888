"""Content Credentials for exported films (C2PA 2.2): who recorded and exported one, for readers that know no civicam.

C2PA refuses certificates that are signed by themselves, so the city's certificate is issued by an authority that is the
city's own. Its private key signs that one certificate and is forgotten: nobody, the city included, can issue another
in its name. Readers call the signer untrusted until they are given the authority's certificate (`authority`).
Nothing here uses the network, and no film is read but to be hashed: the library is given what is to be signed alone.
"""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

import c2pa  # type: ignore[import-untyped]  # it comes without types
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from civicam.core.citykey import CityKey
from civicam.core.errors import EvidenceError
from civicam.evidence.certificate import shortened
from civicam.evidence.provenance import Places
from civicam.ledger.durable import write_whole
from civicam.ledger.encoding import moment

EXPORT: Final = "org.civicam.export"
"""The assertion that says which export of which city a film is from."""
SETTINGS: Final[dict[str, object]] = {
    "core": {"allowed_network_hosts": []},
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
"""For the library: no network, and nothing added to what it is given."""
_CONTEXT: Final = "credentials"
_YEARS: Final = 20
_PEM: Final = serialization.Encoding.PEM
_PURPOSES: Final = (ObjectIdentifier("1.3.6.1.4.1.62558.2.1"), ExtendedKeyUsageOID.EMAIL_PROTECTION)
"""c2pa-kp-claimSigning, and the one that older readers ask for instead (14.4.1)."""
_CAPTURE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
_STORE: Final = "application/c2pa"
_FAULTS: Final = (c2pa.C2paError, RuntimeError, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class FilmClaim:
    """What is claimed of a film.

    Attributes:
        name: what it is called.
        city: the city's name.
        number: the export's.
        camera: whose film it is.
        stream: which of its pictures.
        start_ns: when its first frame was seen.
        at_ns: when it was exported.
        ledger: the key with which the city signs its ledger.
        is_redacted: what moves is covered in it, and it was coded anew.
        shown: in how many places it shows somebody all the same.
    """

    name: str
    city: str
    number: str
    camera: str
    stream: str
    start_ns: int
    at_ns: int
    ledger: str
    is_redacted: bool = False
    shown: int = 0


@dataclass(frozen=True, slots=True)
class Credentials:
    """The city's key for Content Credentials. Threads may share it.

    Attributes:
        certificate: with which it signs, PEM.
        authority: who issued that, PEM: with it as an anchor, readers trust the signature.
        key: PEM, in the clear.
    """

    certificate: bytes
    authority: bytes
    key: bytes

    def store(self, claim: FilmClaim, places: Places, digest: bytes) -> bytes:
        """The manifest store for a film.

        Args:
            claim: what is claimed of it.
            places: of what of it the store says nothing.
            digest: SHA-256 of all the rest.

        Raises:
            EvidenceError: it cannot be signed.
        """
        definition = json.dumps(_definition(claim, places, digest))
        try:
            info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, self.certificate, self.key, None)
            with (
                c2pa.Context.from_dict(SETTINGS) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder.from_json(definition, context=context) as builder,
            ):
                builder.set_no_embed()
                # The hash is in the definition, so what is given as the film does not matter.
                return bytes(builder.sign(signer, _STORE, io.BytesIO(b"film"), io.BytesIO()))
        except _FAULTS as error:
            raise EvidenceError(f"the film's credentials cannot be signed: {error}", where=claim.name) from error


def open_credentials(folder: Path, city: str, city_key: CityKey, now_ns: int) -> Credentials:
    """The city's key for Content Credentials, made if there is none yet.

    Args:
        folder: where it lies.
        city: the city's name, which the certificates say.
        city_key: wraps it.
        now_ns: the time.

    Raises:
        EvidenceError: it cannot be read or made.
        SealError: it was wrapped with another city key.
    """
    key_path, chain_path = folder / "credentials.key", folder / "credentials.pem"
    try:
        if not chain_path.exists():
            _make(key_path, chain_path, city, city_key, now_ns)
        key = city_key.unwrap(key_path.read_bytes(), _CONTEXT)
        certificate, authority = x509.load_pem_x509_certificates(chain_path.read_bytes())
    except (OSError, ValueError) as error:
        raise EvidenceError(f"the key for credentials cannot be used: {error}", where=str(key_path)) from error
    return Credentials(certificate.public_bytes(_PEM), authority.public_bytes(_PEM), key)


def authority_in(folder: Path) -> bytes:
    """The certificate that readers are given to trust the city's credentials, PEM; empty where there is none yet."""
    try:
        return x509.load_pem_x509_certificates((folder / "credentials.pem").read_bytes())[-1].public_bytes(_PEM)
    except (OSError, ValueError):
        return b""


def _definition(claim: FilmClaim, places: Places, digest: bytes) -> dict[str, object]:
    """The manifest: a hard binding (18.5), what was done (18.14), and which export it is."""
    exclusions = [{"start": start, "length": end - start} for start, end in places]
    binding = {"alg": "sha256", "hash": list(digest), "exclusions": exclusions, "pad": [], "name": "film"}
    actions = {"actions": _actions(claim), "allActionsIncluded": True}
    export = {
        "city": claim.city,
        "export": claim.number,
        "camera": claim.camera,
        "stream": claim.stream,
        "start": moment(claim.start_ns),
        "exported": moment(claim.at_ns),
        "ledger": claim.ledger,
    }
    assertions = {"c2pa.actions.v2": actions, EXPORT: export, "c2pa.hash.data": binding}
    return {
        "title": claim.name,
        "claim_generator_info": [{"name": "civicam", "version": version("civicam")}],
        # All of them are the signer's own word, and none was gathered (10.3.2).
        "assertions": [{"label": label, "data": data, "created": True} for label, data in assertions.items()],
    }


def _actions(claim: FilmClaim) -> list[dict[str, str]]:
    """A camera's capture; where what moves is covered, that this was done to it, and for what reason."""
    created = {"action": "c2pa.created", "when": moment(claim.start_ns), "digitalSourceType": _CAPTURE}
    if not claim.is_redacted:
        return [created]
    but = f", but for {claim.shown} places in which somebody is shown" if claim.shown else ""
    edited = {
        "action": "c2pa.edited",
        "when": moment(claim.at_ns),
        "reason": "c2pa.PII.present",
        "description": f"What moves is covered{but}.",
    }
    return [created, edited, {"action": "c2pa.transcoded", "when": moment(claim.at_ns)}]


def _make(key_path: Path, chain_path: Path, city: str, city_key: CityKey, now_ns: int) -> None:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = _name(city, f"civicam authority of {city}"), _name(city, f"civicam credentials of {city}")
    issuer_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _certificate(issuer, issuer, authority_key.public_key(), now_ns)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _certificate(subject, issuer, key.public_key(), now_ns)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_PURPOSES), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    plain = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(key_path, city_key.wrap(plain, _CONTEXT), 0o600)
    # Last: where it is, the key is.
    write_whole(chain_path, certificate.public_bytes(_PEM) + authority.public_bytes(_PEM), 0o600)


def _name(city: str, common: str) -> x509.Name:
    names = ((NameOID.ORGANIZATION_NAME, city), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, shortened(words)) for kind, words in names])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now_ns: int
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
