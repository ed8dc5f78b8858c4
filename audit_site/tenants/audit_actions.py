"""What people do that the audit trail keeps: each action with its words, in one table.

`words` follow a name and precede that of the object: "Alex Admin" *disconnected* "ConnectWise".
"""

from __future__ import annotations

from typing import Final

ACTIONS: Final[dict[str, str]] = {
    # connections and their keys
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
    "integration.schedule_changed": "changed the schedule of",
    # syncs and issues
    "sync.started": "started a sync of",
    "sync.cancelled": "cancelled",
    "issue.dismissed": "put aside an issue of",
    "issue.retried": "had an issue read again of",
    "issue.gone_confirmed": "confirmed what is gone of",
    "issues.retried": "had all issues read again of",
    # audITees, imports and links
    "companies.imported": "imported audITees from",
    "company.created": "added the audITee",
    "company.changed": "changed the audITee",
    "company.archived": "archived the audITee",
    "company.restored": "brought back the audITee",
    "company.linked": "linked the audITee",
    "company.unlinked": "unlinked the audITee",
    "company.figure_reported": "asked about the MRR of",
    # what decides figures
    "mrr.choice_made": "decided about",
    "word.said": "said what it means:",
    "word.changed": "changed what it means:",
    "word.undone": "took back what it means:",
    # people, their keys and what leaves the house
    "person.signed_in": "signed in:",
    "person.sign_in_refused": "was refused at sign-in:",
    "person.signed_out": "signed out:",
    "person.second_factor_refused": "gave a wrong second factor:",
    "person.password_changed": "changed the password of",
    "person.password_reset": "set a new password by e-mail link:",
    "person.email_added": "typed a new e-mail address:",
    "person.email_changed": "changed the e-mail address of",
    "person.email_removed": "took away an e-mail address of",
    "person.email_confirmed": "proved an e-mail address of",
    "person.second_factor_added": "turned on a second factor of",
    "person.second_factor_removed": "turned off a second factor of",
    "person.second_factor_renewed": "made new recovery codes of",
    "token.created": "made the API token",
    "token.revoked": "revoked the API token",
    "export.downloaded": "downloaded figures of",
    "audit.exported": "downloaded the audit trail of",
}


def words_of(action: str) -> str:
    """The words for an action; one that is not known any more says itself."""
    return ACTIONS.get(action, action.replace(".", " ").replace("_", " "))
