"""A certificate for servers with TLS."""

from __future__ import annotations

import shutil
from pathlib import Path

from kairos_conformance.servers._process import Missing, carry_out

__all__ = ["certificate_for"]


def certificate_for(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Missing("no openssl on PATH to make a certificate with: sudo apt install openssl")
    certificate = folder / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", str(folder / "key.pem")]
    command = [openssl, "req", "-x509", *key, "-out", str(certificate), *subject]
    carry_out(command, folder=folder)
    return certificate
