"""The check of an argument that must be the variables of a process."""

from __future__ import annotations

__all__ = ["require_variables"]


def require_variables(call: str, environment: object, kind: type) -> None:
    """Raises InvalidInput unless `environment` is of this kind of mapping."""
    if not isinstance(environment, kind):
        from dgkd_stores.arguments import refusal

        expected, do = "the variables of a process", f"write {call}(os.environ)"
        raise refusal(call, "environment", environment, expected=expected, do=do)
