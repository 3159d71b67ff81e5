"""What a server is asked to be: address, limits, who may ask. Knows nothing of models."""

import ipaddress
import os
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from danlu.errors import DanluError
from danlu.recipe import ComputedIn, Frozen

API_KEY = "DANLU_API_KEY"  # the environment's variable


class ServeConfig(Frozen):
    """Where a server listens, how much it takes at once, and how long anything may last."""

    host: str = Field("127.0.0.1", description="address to listen on; beyond this machine it takes an API key")
    port: int = Field(8000, ge=0, le=65535, description="0 takes any free one")
    api_keys: tuple[SecretStr, ...] = Field((), description="any of them opens the server; without one all may ask")
    no_api_key: bool = Field(False, description="all who reach the address may ask, also beyond this machine")
    tls_cert: Path | None = Field(None, description="certificate chain, PEM; with it the server speaks HTTPS")
    tls_key: Path | None = Field(None, description="private key of the certificate, PEM")
    precision: ComputedIn = Field("float32", description="what models compute in")
    max_batch: int = Field(32, ge=1, description="rows that a model answers at once")
    max_queue: int = Field(256, ge=1, description="requests that wait for a model; more are told to come again")
    max_streams: int = Field(16, ge=1, description="texts that a language model writes at once")
    max_rows: int = Field(1000, ge=1, description="rows of a request")
    max_body_mb: float = Field(16, gt=0, description="size of a request's body in MB")
    max_characters: int = Field(100_000, ge=1, description="characters of a text")
    max_pixels: int = Field(25_000_000, ge=1, description="pixels of an image")
    max_new_tokens: int = Field(2048, ge=1, description="tokens that a request may ask to be written")
    timeout_s: float = Field(60, gt=0, description="seconds that a request may take")
    grace_s: float = Field(30, ge=0, description="seconds that a stopping server waits for what runs")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """DanluError where whoever reaches the address could ask, or where half of TLS is given."""
        if not (self.api_keys or self.no_api_key or is_loopback(self.host)):
            raise DanluError("serve.needs_key", host=self.host)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise DanluError("serve.half_tls")
        for file in (self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                raise DanluError("serve.no_file", file=str(file))
        return self

    @property
    def max_body(self) -> int:
        """Bytes of a request's body."""
        return int(self.max_body_mb * 1_000_000)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def api_keys(file: str | None) -> tuple[str, ...]:
    """The keys in a file, one per line, or the environment's; DanluError where the file holds none."""
    if file is None:
        key = os.environ.get(API_KEY, "").strip()
        return (key,) if key else ()
    try:
        lines = Path(file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        raise DanluError("serve.no_file", file=file) from None
    if not lines:
        raise DanluError("serve.no_key", file=file)
    return tuple(lines)
