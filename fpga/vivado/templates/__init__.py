"""The texts of a project, with places for what depends on board and configuration."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader(__name__, ""),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)


def render(name: str, /, **values: object) -> str:
    """The text of a template in this folder."""
    return _ENVIRONMENT.get_template(name).render(**values)
