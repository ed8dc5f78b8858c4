"""What people do that the audit trail keeps: each action with its words, in one table.

`words` follow a name and precede that of the object: "Alex Admin" *archived the audITee* "Acme". Of
an act of people about themselves there is no object to name.
"""

from __future__ import annotations

from typing import Final

#: By what they are about. Those of signing in are about the person, unless an object is named.
GROUPS: Final[dict[str, dict[str, str]]] = {
    "Connections and keys": {
        "integration.connected": "connected",
        "integration.reconnected": "connected again",
        "integration.disconnected": "disconnected",
        "integration.renamed": "renamed",
        "integration.keys_changed": "saved keys of",
        "integration.keys_forgotten": "dropped refused keys of",
        "integration.address_changed": "changed the address of",
        "integration.tested": "tested",
        "integration.paused": "paused",
        "integration.resumed": "resumed",
        "integration.moves_asked": "asked where audITees may move from",
        "integration.schedule_changed": "changed the schedule of",
    },
    "Syncs and issues": {
        "sync.started": "started a sync of",
        "sync.cancelled": "cancelled",
        "issue.dismissed": "put aside an issue of",
        "issue.retried": "had an issue read again of",
        "issue.gone_confirmed": "confirmed what is gone of",
        "issues.retried": "had all issues read again of",
    },
    "audITees and imports": {
        "companies.imported": "imported audITees from",
        "import.started": "started the",
        "import.retried": "tried again the",
        "import.undone": "took back the",
        "import.brought_back": "brought back what was undone of the",
        "company.created": "added the audITee",
        "company.changed": "changed the audITee",
        "company.primary_chosen": "chose the primary contact of the audITee",
        "company.archived": "archived the audITee",
        "company.restored": "brought back the audITee",
        "company.linked": "linked the audITee",
        "company.moved": "moved the audITee",
        "company.unlinked": "unlinked the audITee",
        "company.link_undone": "undid the link of the audITee",
        "links.batch_undone": "undid together the",
        "links.brought_back": "brought back the",
        "suggestion.dismissed": "said that a suggested link is wrong for",
        "suggestion.restored": "took back that a suggested link is wrong for",
        "psa_company.ignored": "put aside the PSA company",
        "psa_company.unignored": "took back that they put aside the PSA company",
        "psa_companies.ignored": "put aside PSA companies of",
        "psa_companies.unignored": "took back that they put aside PSA companies of",
        "company.figure_reported": "asked about the MRR of",
    },
    "What counts in MRR": {
        "mrr.choice_made": "decided about",
        "agreement.typed": "typed in the agreement",
        "agreement.changed": "changed the typed agreement",
        "agreement.removed": "removed the typed agreement",
        "agreement.set_aside": "set aside, by linking a PSA, the agreement",
        "agreement.put_back": "put back, by undoing a link, the agreement",
        "word.said": "said what it means:",
        "word.changed": "changed what it means:",
        "word.undone": "took back what it means:",
    },
    "Signing in": {
        "person.signed_in": "signed in",
        "person.sign_in_refused": "refused a sign-in as",
        "person.second_factor_refused": "refused a second factor of",
        "person.signed_out": "signed out",
        "person.sessions_ended": "signed out of other browsers",
        "person.renamed": "changed their name",
        "person.password_changed": "changed their password",
        "person.password_reset": "set a new password by a link",
        "person.email_added": "typed another e-mail address",
        "person.email_changed": "changed their e-mail address",
        "person.email_removed": "took an e-mail address away",
        "person.email_confirmed": "proved an e-mail address",
        "person.second_factor_added": "turned on a second factor",
        "person.second_factor_removed": "turned off a second factor",
        "person.second_factor_renewed": "made new recovery codes",
        "address.asked": "asked for another e-mail address",
        "address.changed": "changed their e-mail address",
        "address.cancelled": "gave up another e-mail address",
        "address.lost": "took an address that was never proved from",
    },
    "People and the account": {
        "person.invited": "invited",
        "person.invited_again": "invited again",
        "invitation.accepted": "accepted the invitation of",
        "invitation.role_changed": "changed the role in the invitation of",
        "invitation.withdrawn": "withdrew the invitation of",
        "member.added": "added",
        "member.role_changed": "changed the role of",
        "member.removed": "removed",
        "member.left": "left the account",
        "tenant.settings_changed": "changed the settings of",
        "contact.erased": "erased a contact of",
    },
    "API tokens and downloads": {
        "token.created": "made the API token",
        "token.revoked": "revoked the API token",
        "export.downloaded": "downloaded figures of",
        "tenant.exported": "downloaded everything of",
        "audit.exported": "downloaded the audit trail of",
    },
}
ACTIONS: Final[dict[str, str]] = {
    action: words for group in GROUPS.values() for action, words in group.items()
}


def words_of(action: str) -> str:
    """The words for an action; one that is not known any more says itself."""
    return ACTIONS.get(action, action.replace(".", " ").replace("_", " "))


def actions_said(words: str) -> tuple[str, ...]:
    """All actions with these words."""
    return tuple(action for action, said in ACTIONS.items() if said == words)
