"""The refusal of a code that somebody typed: there is such a code, but not for him, or not any more."""

from tollway.core.errors import TollwayError


class CodeRefused(TollwayError):
    """There is such a voucher or referral code, but this user cannot have it; `code` says why."""

    status, kind = 409, "invalid_request"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, field="code")
        self.code = code
