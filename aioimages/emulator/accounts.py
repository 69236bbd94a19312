"""Who has an account on the embedded cloud. All secrets say themselves that they are none."""

import uuid
from typing import Final

import attrs

__all__ = ["ADMIN", "CONSUMER", "MFA", "PRODUCER", "Account"]

_NAMESPACE: Final = uuid.UUID("6a1b3f0e-7d4c-4f3e-9b62-0c1d2e3f4a5b")


@attrs.frozen(kw_only=True)
class Account:
    """An account, which is a tenant at Rackspace and a project with one user on OpenStack."""

    username: str
    tenant_id: str
    project_name: str
    user_id: str
    api_key: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)
    application_credential_id: str
    application_credential_secret: str = attrs.field(repr=False)
    passcode: str | None = attrs.field(default=None, repr=False)
    roles: tuple[str, ...] = ("member",)
    default_region: str = "DFW"
    user_domain_name: str = "Default"
    project_domain_name: str = "Default"

    @property
    def is_admin(self) -> bool:
        """Whether the account may do everything."""
        return "admin" in self.roles

    @property
    def files_account(self) -> str:
        """What Cloud Files calls it at Rackspace."""
        return f"MossoCloudFS_{self.tenant_id}"


def _account(
    username: str, number: int, *, roles: tuple[str, ...] = ("member",), passcode: str | None = None
) -> Account:
    return Account(
        username=username,
        tenant_id=str(number),
        project_name=f"{username}-project",
        user_id=uuid.uuid5(_NAMESPACE, username).hex,
        api_key=f"{username}-api-key-of-the-emulator",
        password=f"{username}-password-of-the-emulator",
        application_credential_id=uuid.uuid5(_NAMESPACE, f"{username} credential").hex,
        application_credential_secret=f"{username}-secret-of-the-emulator",
        passcode=passcode,
        roles=roles,
    )


PRODUCER: Final = _account("producer", 110011)
CONSUMER: Final = _account("consumer", 220022)
ADMIN: Final = _account("admin", 330033, roles=("admin", "member"))
MFA: Final = _account("mfa", 440044, passcode="246810")  # it says itself that it is none
