"""What can be wrong with a request for a network."""

from __future__ import annotations

from importlib import import_module

from dovetail.files import InputError


class NetworkError(InputError):
    """There is no such network, or a package that it takes is not installed."""


def require(*packages: str) -> None:
    """Raises `NetworkError` unless the packages can be imported."""
    for package in packages:
        try:
            import_module(package)
        except ImportError:
            raise NetworkError(f"{package} is needed to make networks: pip install 'dovetail[models]'") from None
