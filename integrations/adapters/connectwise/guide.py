"""What ConnectWise is called and asks for, and the menu paths that its users are sent to."""

from __future__ import annotations

from typing import Final

from integrations.psa.contract import CredentialField, GuideStep, ProcessSetting, PsaInfo

NAME: Final = "ConnectWise Manage"
#: Ids in one `in (…)`: keeps a URL under the 2,000 characters that ConnectWise takes.
IDS_PER_QUESTION: Final = 100
CLIENT_ID: Final = ProcessSetting(
    "CONNECTWISE_CLIENT_ID", "audIT's registered client ID at ConnectWise"
)
#: Where a missing right is granted: System > Security Roles > the role of the API member.
MENU_PATHS: Final[dict[str, str]] = {
    "read_companies": "Companies > Company Maintenance: Inquire All",
    "read_contacts": "Companies > Contacts: Inquire All",
    "read_agreements": "Finance > Agreements: Inquire All",
    "read_lines": "Finance > Agreements: Inquire All, for every type of agreement",
}
TABLES_PATH: Final = "System > Table Setup: Inquire All"

GUIDE: Final = (
    GuideStep(
        "Open the API members",
        "In ConnectWise Manage go to System > Members, open the tab API Members and press (+).",
    ),
    GuideStep(
        "Make a member for audIT",
        "Fill the form in as below. Role: Admin, or the highest you have. Level: Corporate, or the "
        "first one. Location, Business Unit and Default Territory are yours to choose. Save.",
        (
            ("Member ID", "audit"),
            ("Member Name", "audIT API"),
            ("Role ID", "Admin"),
            ("Level", "Corporate"),
        ),
    ),
    GuideStep(
        "Make its keys",
        "Open the tab API Keys of that member, press (+), type the description and save. Note the "
        "public and the private key now: ConnectWise shows the private one only once.",
        (("Description", "audIT"),),
    ),
    GuideStep(
        "Fill in the form beside this",
        "The server is the address you see when you sign in, such as na.myconnectwise.net; the "
        "company ID is what you type on that sign-in page. Save: the connection is tested at once.",
    ),
)


INFO: Final = PsaInfo(
    key="connectwise",
    name=NAME,
    fields=(
        CredentialField(
            "server_url",
            "Server",
            "url",
            help="As you see it when you sign in, for example na.myconnectwise.net.",
            identifies=True,
        ),
        CredentialField(
            "company_id",
            "Company ID",
            help="What you type as Company on ConnectWise's sign-in page.",
            identifies=True,
        ),
        CredentialField("public_key", "Public key"),
        CredentialField("private_key", "Private key", "secret"),
    ),
    guide=GUIDE,
    help_url="https://docs.connectwise.com/",
    settings=(CLIENT_ID,),
    only_active_importable=True,
    inactive_words=("Inactive", "Cancelled", "Expired"),
    fixes={
        "inactive": "ConnectWise: Company Finance, or Company Mass Maintenance for many at once"
    },
    parallel_requests=4,
    grows=True,
    company_batch=4 * IDS_PER_QUESTION,
    locks_users=False,
    logo="connectwise.svg",
    line_words="additions",
    menu_paths=MENU_PATHS,
    line_rights=("Additions",),
)
