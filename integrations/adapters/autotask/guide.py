"""What Autotask is called and asks for, and the menu paths that its users are sent to."""

from __future__ import annotations

from typing import Final

from integrations.psa.contract import CredentialField, GuideStep, ProcessSetting, PsaInfo, UserLock

NAME: Final = "Autotask"
#: Ids in one `in`: each counts as an OR condition, of which a query takes 500.
IDS_PER_QUESTION: Final = 200
ZONE_URL: Final = ProcessSetting(
    "AUTOTASK_ZONE_INFORMATION_URL",
    "Where Autotask is asked for zones; empty = at its own address, anything else is for sandboxes",
)
#: Where a right is granted: the API user's own security level.
LEVEL: Final = (
    "Admin > Account Settings & Users > Resources/Users (HR) > Security > Security Levels"
)
MENU_PATHS: Final[dict[str, str]] = {
    "read_companies": "CRM > Object Permissions > Organizations: View All",
    "read_contacts": "CRM > Object Permissions > Contacts: View All",
    "read_agreements": "Contracts > Contract Visibility: All",
    "read_lines": "Contracts > Contract Visibility: All, with Services and Bundles",
}

GUIDE: Final = (
    GuideStep(
        "Open the form for an API user",
        "In Autotask open the three-bar menu, go to Admin > Resources (Users), press the arrow "
        "beside New and choose New API User.",
    ),
    GuideStep(
        "Say who it is",
        "Fill in the general part as below. Autotask sends notices to the e-mail address, also the "
        "one that says the user is locked out.",
        (
            ("First Name", "audIT"),
            ("Last Name", "API"),
            ("Email Address", "{help_email}"),
            ("Security Level", "API User (system)"),
        ),
    ),
    GuideStep(
        "Make its keys",
        "Under Credentials press Generate Key for Username (Key) and Generate Secret for Password "
        "(Secret). Note both now: Autotask does not show the secret again.",
    ),
    GuideStep(
        "Make a tracking identifier",
        "Under API Tracking Identifier choose Custom (Internal Integration), type the name, and "
        "note the identifier that appears. Then press Save & Close.",
        (("Internal Integration Name", "audIT"),),
    ),
    GuideStep(
        "Fill in the form beside this",
        "Type the three values you noted. Your zone is found by itself. Save: the connection is "
        "tested at once.",
    ),
)
INFO: Final = PsaInfo(
    key="autotask",
    name=NAME,
    fields=(
        CredentialField("username", "Username (Key)"),
        CredentialField("secret", "Password (Secret)", "secret"),
        CredentialField(
            "tracking_identifier",
            "Tracking identifier",
            help="The identifier of the Custom (Internal Integration) of the API user.",
            identifies=True,
        ),
    ),
    guide=GUIDE,
    help_url=(
        "https://ww1.autotask.net/help/Content/"
        "4_Admin/1CompanySettings_Users/ResourcesUsersHR/Resources/API_User_Add_Edit.htm"
    ),
    settings=(ZONE_URL,),
    bills_when_inactive=True,
    parallel_requests=2,
    account_requests=6,
    endpoint_requests=3,
    company_batch=IDS_PER_QUESTION,
    user_lock=UserLock(fields=("username",)),
    new_user_minutes=5,
    logo="autotask.svg",
    agreement_word="contract",
    line_words="services and units",
    recurring_type="Recurring Service",
    inactive_words=("Inactive",),
    menu_paths=MENU_PATHS,
    line_rights=("Services", "Bundles", "Units"),
)
