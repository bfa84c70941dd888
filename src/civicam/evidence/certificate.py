"""With what the city signs its exports: an RSA key (ONVIF Export File Format, 5.8.2) and a certificate for it.

The private key lies in the city's folder, wrapped by the city's key. The certificate is signed by itself; that it is
the city's, the ledger says: each export's entry names its SHA-256.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from civicam.core.citykey import CityKey
from civicam.core.errors import EvidenceError
from civicam.ledger.durable import write_whole

KEY_BITS: Final = 3072
SIGNATURE_BYTES: Final = KEY_BITS // 8
_SALT_BYTES: Final = 20
_CONTEXT: Final = "evidence"
_YEARS: Final = 20
_NAME_BYTES: Final = 64
_PADDING: Final = padding.PSS(padding.MGF1(hashes.SHA256()), _SALT_BYTES)


@dataclass(frozen=True, slots=True)
class Seal:
    """The city's key for exports.

    Attributes:
        certificate: DER.
        key: signs.
    """

    certificate: bytes
    key: rsa.RSAPrivateKey

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate."""
        return sha256(self.certificate).hexdigest()

    def sign(self, digest: bytes) -> bytes:
        """RSASSA-PSS over a SHA-256 digest."""
        return self.key.sign(digest, _PADDING, Prehashed(hashes.SHA256()))


def check_signature(certificate: bytes, digest: bytes, signature: bytes) -> str:
    """Whose certificate it is, once it is known that its key made that signature over a SHA-256 digest.

    Raises:
        EvidenceError: it did not, or it is no certificate of an RSA key.
    """
    try:
        found = x509.load_der_x509_certificate(certificate)
        key, name = found.public_key(), found.subject.rfc4514_string()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise EvidenceError("the certificate cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise EvidenceError("the certificate is not of an RSA key")
    try:
        key.verify(signature, digest, _PADDING, Prehashed(hashes.SHA256()))
    except InvalidSignature:
        raise EvidenceError("the signature is not that of what it should be over") from None
    return name


def shortened(words: str) -> str:
    """As much of a name as a certificate has room for: 64 bytes, and no half letter."""
    return words.encode()[:_NAME_BYTES].decode(errors="ignore")


def open_seal(folder: Path, city: str, city_key: CityKey, now_ns: int) -> Seal:
    """The city's key for exports, made if there is none yet.

    Args:
        folder: where it lies.
        city: the city's name, which the certificate says.
        city_key: wraps it.
        now_ns: the time.

    Raises:
        EvidenceError: it cannot be read or made.
        SealError: it was wrapped with another city key.
    """
    key_path, certificate_path = folder / "export.key", folder / "export.der"
    try:
        if not certificate_path.exists():
            _make(folder, city, city_key, now_ns)
        plain = city_key.unwrap(key_path.read_bytes(), _CONTEXT)
        key = serialization.load_der_private_key(plain, None)
        certificate = certificate_path.read_bytes()
    except (OSError, ValueError) as error:
        raise EvidenceError(f"the key for exports cannot be used: {error}", where=str(key_path)) from error
    assert isinstance(key, rsa.RSAPrivateKey)
    return Seal(certificate, key)


def fingerprint_in(folder: Path) -> str:
    """SHA-256 of the city's certificate for exports; empty where there is none yet."""
    try:
        return sha256((folder / "export.der").read_bytes()).hexdigest()
    except OSError:
        return ""


def _make(folder: Path, city: str, city_key: CityKey, now_ns: int) -> None:
    key = rsa.generate_private_key(65537, KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shortened(f"civicam exports of {city}"))])
    now = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(folder / "export.key", city_key.wrap(plain, _CONTEXT), 0o600)
    # Last: where it is, the key is.
    write_whole(folder / "export.der", certificate.public_bytes(serialization.Encoding.DER), 0o600)
