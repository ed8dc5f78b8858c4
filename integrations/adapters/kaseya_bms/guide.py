"""What BMS is called and asks for, and the menu paths that its users are sent to."""

from __future__ import annotations

from typing import Final

from integrations.psa.contract import CredentialField, GuideStep, ProcessSetting, PsaInfo, UserLock

NAME: Final = "Kaseya BMS"
API_URL: Final = ProcessSetting(
    "KASEYA_BMS_API_URL",
    "Where the API of Kaseya BMS is; empty = at the customer's server, anything else is for "
    "sandboxes",
)
#: Where a missing right is granted: Admin > Security > Roles > the user's role.
MENU_PATHS: Final[dict[str, str]] = {
    "read_companies": "CRM > Accounts: View, with Allow View All",
    "read_contacts": "CRM > Contacts: View, with Allow View All",
    "read_agreements": "Finance > Contracts: View, with Allow View All",
}

GUIDE: Final = (
    GuideStep(
        "Make a user for audIT",
        "In BMS go to Admin > HR > Employees and add an employee. User type: API Employee, which "
        "needs no licence and, other than a normal user, no second factor to sign in by program.",
        (("First Name", "audIT"), ("Last Name", "API"), ("User Type", "API Employee")),
    ),
    GuideStep(
        "Give it its rights",
        "Give the user a security role that has the special feature as below, and that may view "
        "CRM (accounts, contacts) and Finance (contracts), both with Allow View All.",
        (("Special feature", "Has API Access"),),
    ),
    GuideStep(
        "Set its password",
        "Follow the link in the e-mail that BMS sends to the user. BMS lets passwords expire after "
        "180 days unless you turn that off, and locks a user for 30 minutes after 5 wrong tries.",
    ),
    GuideStep(
        "Fill in the form beside this",
        "The server name is the address at which you sign in; the tenant is the company name as "
        "the sign-in page shows it. Save: the connection is tested at once.",
        (("Server Name", "https://bms.kaseya.com"),),
    ),
)
INFO: Final = PsaInfo(
    key="kaseya_bms",
    name=NAME,
    fields=(
        CredentialField(
            "server_url",
            "Server Name",
            "url",
            default="https://bms.kaseya.com",
            help="The address at which you sign in to BMS.",
            identifies=True,
        ),
        CredentialField("username", "Username"),
        CredentialField(
            "tenant",
            "Tenant",
            help="The company name as the sign-in page shows it.",
            identifies=True,
        ),
        CredentialField("password", "Password", "secret", is_password=True),
    ),
    guide=GUIDE,
    help_url="https://help.bms.kaseya.com/help/Content/BMS%20API/bms-api-v2-bms-rest-apis.html",
    settings=(API_URL,),
    user_lock=UserLock(
        words="5 wrong passwords", fields=("server_url", "tenant", "username"), signs_in=True
    ),
    parallel_requests=4,
    grows=True,
    company_batch=200,
    logo="kaseya_bms.svg",
    agreement_word="contract",
    line_words="",
    recurring_type="Recurring Services",
    inactive_words=("Inactive", "New"),
    menu_paths=MENU_PATHS,
)
