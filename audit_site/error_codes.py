"""Every code that an error of ours may carry, with what it means and what to do: the one list.

REST shows it (`GET /api/v1/errors/`), names each problem by it, and takes from it what to do where
an error does not say so itself. A test sees that no code is raised which is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code; its `title` never varies, `fix` is "" where there is nothing to do."""

    code: str
    title: str
    meaning: str
    fix: str = ""


_REQUEST: Final = (
    ErrorCode(
        "bad_request",
        "Not readable",
        "The request is not one that HTTP knows, or names a host that is not ours.",
        "Check address and headers.",
    ),
    ErrorCode(
        "parse_error",
        "No JSON",
        "The body is not JSON, is nested too deeply, or holds characters that can't be kept.",
        "Send UTF-8 JSON without NUL characters, at most 32 levels deep.",
    ),
    ErrorCode(
        "body_too_large",
        "Too large",
        "The body has more bytes than are read.",
        "Send less at once.",
    ),
    ErrorCode(
        "unsupported_media_type",
        "Not JSON",
        "The body has another content type than JSON in UTF-8.",
        "Send `Content-Type: application/json`.",
    ),
    ErrorCode(
        "not_acceptable",
        "No such format",
        "`Accept` asks for a format that this endpoint does not answer in.",
        "Ask for `application/json`.",
    ),
    ErrorCode(
        "method_not_allowed",
        "No such method",
        "This address does not take this method.",
        "`Allow` names those that it takes, and so does OPTIONS.",
    ),
    ErrorCode(
        "not_found",
        "Not found",
        "There is nothing at this address, or it is not yours to see.",
        "Check the id. Every address ends in a slash.",
    ),
    ErrorCode(
        "unknown_parameter",
        "Unknown parameter",
        "The query has a parameter that this endpoint does not know.",
        "Leave it out, or correct its name; the schema lists those there are.",
    ),
    ErrorCode(
        "invalid_parameter",
        "Parameter not readable",
        "A query parameter has a value that can't be read, or is missing.",
        "Correct the value; `errors` says how it is written.",
    ),
    ErrorCode(
        "invalid_idempotency_key",
        "Key not usable",
        "`Idempotency-Key` is empty or longer than 255 characters.",
        "Send 1 to 255 characters, such as a new UUID for each new request.",
    ),
    ErrorCode(
        "idempotency_key_reused",
        "Key used before",
        "This `Idempotency-Key` came before with another request.",
        "Use a new key for a new request.",
    ),
    ErrorCode(
        "precondition_failed",
        "Changed meanwhile",
        "The object is not the one that `If-Match` names: somebody changed it. Nothing was done.",
        "`current` is the object as it is: look at it, then send the change with its ETag.",
    ),
    ErrorCode(
        "too_many_requests",
        "Too many requests",
        "Your account, or you alone, did this as often as it may be done within an hour; or too "
        "many wrong tokens came.",
        "Wait as many seconds as `Retry-After` says.",
    ),
    ErrorCode(
        "internal_error",
        "Our mistake",
        "Something went wrong on our side; it has been reported.",
        "Try again later; if it stays, tell us the `request_id`.",
    ),
)

_WHO: Final = (
    ErrorCode(
        "not_authenticated",
        "Sign in first",
        "The request carries no credentials.",
        "Send `Authorization: Bearer` with a token, or sign in.",
    ),
    ErrorCode(
        "authentication_failed",
        "Not valid any more",
        "The token is wrong or was revoked, or its owner has left.",
        "Make a new token.",
    ),
    ErrorCode(
        "token_revoked",
        "Token revoked",
        "This token was revoked.",
        "Make a new one under Account > Tokens.",
    ),
    ErrorCode(
        "token_expired",
        "Token expired",
        "This token's time is over.",
        "Make a new one under Account > Tokens.",
    ),
    ErrorCode(
        "permission_denied",
        "Not allowed",
        "The PSA refuses its API user a right; or a write of a browser lacks its CSRF token.",
        "Give the API user the right that is named; a browser sends `X-CSRFToken`.",
    ),
    ErrorCode(
        "two_factor_required",
        "Two-factor sign-in needed",
        "The account asks for two-factor sign-in, and this session began without it.",
        "Set it up on the page “You”, then go on.",
    ),
    ErrorCode(
        "viewer_required",
        "For members of the account",
        "You are no member of this account.",
        "Ask an admin of the account to add you.",
    ),
    ErrorCode(
        "member_required",
        "For members and admins",
        "Your role may read, and this is a write.",
        "Ask an admin of your account.",
    ),
    ErrorCode(
        "admin_required",
        "For admins",
        "Only admins may do this.",
        "Ask an admin of your account.",
    ),
    ErrorCode(
        "insufficient_scope",
        "Scope missing",
        "The token lacks the scope that this needs.",
        "Make a token that has it.",
    ),
    ErrorCode(
        "scope_too_wide",
        "More than you may",
        "A token may do no more than who makes it.",
        "Leave the scope out, or ask an admin of your account.",
    ),
)

_FIELDS: Final = (
    ErrorCode("invalid", "Not usable", "A value can't be used as it is.", "Correct it."),
    ErrorCode("required", "Missing", "A field that must be there is missing.", "Send it."),
    ErrorCode("null", "Empty", "A field that needs a value is null.", "Send a value."),
    ErrorCode("blank", "Empty", "A field that needs a text is empty.", "Send a text."),
    ErrorCode("empty", "Empty", "A list that needs an entry is empty.", "Send one or more."),
    ErrorCode(
        "unknown_field",
        "Unknown field",
        "The body has a field that is not known here.",
        "Leave it out, or correct its name; the schema lists those there are.",
    ),
    ErrorCode(
        "invalid_choice",
        "No such choice",
        "The value is none of those that can be chosen.",
        "Choose one that the schema lists.",
    ),
    ErrorCode("max_length", "Too long", "A text or a list is too long.", "Shorten it."),
    ErrorCode("not_a_list", "No list", "A list is needed here.", "Send a list."),
    ErrorCode("not_a_dict", "No object", "An object is needed here.", "Send an object."),
    ErrorCode(
        "null_characters_not_allowed",
        "NUL character",
        "A text holds a NUL character, which can't be kept.",
        "Leave it out.",
    ),
    ErrorCode(
        "surrogate_characters_not_allowed",
        "Half a character",
        "A text holds one half of a character that needs two.",
        "Send whole characters.",
    ),
    ErrorCode(
        "does_not_exist",
        "No such thing",
        "A field names something that there is not, or that is not yours.",
        "Send an id that you have read from this API.",
    ),
    ErrorCode(
        "too_many_ids",
        "Too many at once",
        "One call names more ids than it may.",
        "Send them in several calls.",
    ),
)

_RULES: Final = (
    ErrorCode(
        "licence_exceeded",
        "Licence full",
        "All audITees that your licence covers are in use.",
        "Archive one that you no longer need, or extend the licence.",
    ),
    ErrorCode(
        "owned_by_psa",
        "Owned by the PSA",
        "The PSA owns this value; it would overwrite a change.",
        "Change it in the PSA, then sync; or unlink the audITee.",
    ),
    ErrorCode(
        "contact_without_method",
        "Contact can't be reached",
        "A primary contact needs an e-mail address or a phone number.",
        "Add one of the two.",
    ),
    ErrorCode(
        "contact_gone",
        "Contact gone",
        "The contact that was chosen is not there any more.",
        "Load the audITee again, and choose another one.",
    ),
    ErrorCode(
        "integration_exists",
        "Connected already",
        "This account of the PSA is connected already.",
        "Change the keys of that integration instead.",
    ),
    ErrorCode(
        "account_changed",
        "Another account",
        "The new credentials are of another account, and the links would not fit it.",
        "Connect the other account as an integration of its own.",
    ),
    ErrorCode(
        "not_connected",
        "Disconnected",
        "The integration is disconnected.",
        "Connect it again.",
    ),
    ErrorCode(
        "run_under_way",
        "Sync under way",
        "A sync is under way that began before this.",
        "Wait until it has ended, or cancel it.",
    ),
    ErrorCode(
        "not_linked",
        "Not linked",
        "The audITee is not linked to a PSA.",
        "Link it first.",
    ),
    ErrorCode(
        "already_linked",
        "Linked already",
        "The audITee or the PSA company is linked already.",
        "Unlink it first, if that link is wrong.",
    ),
    ErrorCode(
        "not_suggested",
        "Not suggested",
        "The pair is not suggested, or not any more.",
        "Load the suggestions again, or link the two by themselves.",
    ),
    ErrorCode(
        "suggestion_changed",
        "Changed since",
        "Names or contacts have changed since the two were compared.",
        "They are compared again now: look at the suggestion in a minute.",
    ),
    ErrorCode(
        "moved_before",
        "Came from there",
        "The audITee was linked there before it moved, or was linked, to where it is or was last.",
        "Undo that later link: figures are then as if it had not been.",
    ),
    ErrorCode(
        "named_twice",
        "Named twice",
        "Two pairs of one call name the same audITee or the same PSA company.",
        "Choose one of them.",
    ),
    ErrorCode(
        "already_undone",
        "Undone already",
        "The link was undone before, perhaps by somebody else at the same moment.",
        "Load the audITee again; nothing more was changed.",
    ),
    ErrorCode(
        "nothing_to_bring_back",
        "Nothing to bring back",
        "Nothing that the undo of this import, or of these links, took away can come back.",
        "Look at the audITees: those that you miss may have been brought back one by one, or be "
        "linked elsewhere.",
    ),
    ErrorCode(
        "nothing_to_undo",
        "Nothing to go back to",
        "There is nothing that the audITee was before the link: the import made it, or the link is "
        "older than what audIT keeps of the time before one.",
        "Unlink it, or archive the audITee.",
    ),
    ErrorCode(
        "paused",
        "Paused",
        "A person has paused the integration; nothing of it is read.",
        "Resume it first.",
    ),
    ErrorCode(
        "secret_needed",
        "Secret needed",
        "A field that says where or who changed, and a secret goes only to where it was typed for.",
        "Send the secret with it.",
    ),
    ErrorCode(
        "already_said",
        "Already said",
        "It was said that the word means something else.",
        "Change what was said (PATCH), or take it back first.",
    ),
    ErrorCode(
        "not_said",
        "Not said",
        "Nothing is said of this word any more.",
        "Read the words again.",
    ),
    ErrorCode(
        "said_meanwhile",
        "Changed meanwhile",
        "Somebody changed what the word means after you looked at it. Nothing was done.",
        "Read the words again.",
    ),
    ErrorCode(
        "unknown_meaning",
        "No such meaning",
        "A word of this kind can't mean this.",
        "Choose one of the meanings that its kind has.",
    ),
    ErrorCode(
        "understood",
        "Understood already",
        "The word is understood as it is, so nothing waits for its meaning.",
    ),
    ErrorCode(
        "mail_not_configured",
        "No e-mail",
        "This installation sends no e-mail.",
        "Download what you would send.",
    ),
    ErrorCode(
        "names_differ",
        "Names differ",
        "The audITee and the PSA's company are called differently.",
        "Link them only if they are the same company.",
    ),
    ErrorCode(
        "nothing_in_common",
        "Nothing in common",
        "The audITee and the PSA's company share no word of a name, no e-mail domain and no phone.",
        "Look in the PSA whether they are the same company.",
    ),
    ErrorCode(
        "records_set_aside",
        "Records set aside",
        "Some of the PSA's records for this company can't be read; the comparison is without them.",
        "Mend them in the PSA, then compare again.",
    ),
    ErrorCode(
        "no_agreements",
        "No agreements",
        "The PSA has no agreement for this company: a link brings no MRR.",
        "Look in the PSA whether it is the company that you mean.",
    ),
    ErrorCode(
        "other_currency",
        "Another currency",
        "The PSA's agreements are in another currency than what the audITee has now.",
        "Look in the PSA whether it is the company that you mean.",
    ),
    ErrorCode(
        "former_agreements_end",
        "Former agreements end",
        "Agreements of an earlier link count no more once this link is made.",
        "Link only if the new record takes the place of the former one.",
    ),
    ErrorCode(
        "typed_set_aside",
        "Typed agreements set aside",
        "Agreements that were typed by hand are set aside when the audITee is linked.",
        "Count them again afterwards, with a reason, where the PSA has none of them.",
    ),
    ErrorCode(
        "archived",
        "Archived",
        "The audITee is archived: it is in no sum, and no sync reads its agreements.",
        "Bring it back first.",
    ),
    ErrorCode(
        "issue_closed",
        "Issue closed",
        "The issue is closed: its cause is gone.",
    ),
    ErrorCode(
        "link_expired",
        "Link not valid any more",
        "The link was used, cancelled or replaced, or is too old.",
        "Ask for a new one.",
    ),
    ErrorCode(
        "another_person",
        "Somebody else's link",
        "The link is of another account than the one that you are signed in to.",
        "Sign in as the person that it was sent to.",
    ),
    ErrorCode(
        "no_question",
        "Nothing to confirm",
        "The issue does not ask whether something is gone.",
    ),
    ErrorCode(
        "renewal_circle",
        "In a circle",
        "The other agreement replaces this one already.",
        "Undo that decision first.",
    ),
    ErrorCode(
        "decided_meanwhile",
        "Decided meanwhile",
        "Somebody decided about this since the page was shown.",
        "Look again.",
    ),
)

_IMPORT: Final = (
    ErrorCode(
        "nothing_chosen",
        "Nothing chosen",
        "None of the chosen companies can be added or linked.",
        "Choose companies of the import list that can be.",
    ),
    ErrorCode(
        "too_many_chosen",
        "Too many chosen",
        "More companies are chosen than one import takes, or than can be ticked one by one.",
        "Narrow the list by a filter, and take one part after the other.",
    ),
    ErrorCode(
        "not_in_review",
        "Not to be reviewed",
        "The import is in another state: it has ended already, or was not started yet.",
        "Read it again; `can` says what can be done.",
    ),
    ErrorCode(
        "under_way",
        "Under way",
        "The import is under way.",
        "Wait until it has ended.",
    ),
    ErrorCode(
        "nothing_to_retry",
        "Nothing to retry",
        "Everything of this import has been done.",
        "There is nothing to do.",
    ),
    ErrorCode(
        "unknown_company",
        "Not in the PSA",
        "The PSA showed no company with this id.",
        "Sync, and check that the API user may see all companies.",
    ),
    ErrorCode(
        "unknown_contact",
        "No such contact",
        "The PSA showed no contact with this id at that company.",
        "Choose one of `/psa-companies/{external_id}/contacts/`, or sync.",
    ),
    ErrorCode(
        "no_contact",
        "No contact",
        "The company has no contact in the PSA.",
        "Add a contact there, then sync.",
    ),
    ErrorCode(
        "contact_inactive",
        "Contacts inactive",
        "All contacts of the company are inactive in the PSA.",
        "Make one active there, then sync.",
    ),
    ErrorCode(
        "inactive",
        "Not active",
        "The company's status in the PSA is not Active.",
        "Set it to Active there, then sync.",
    ),
    ErrorCode(
        "deleted",
        "Gone from the PSA",
        "The PSA no longer has this company.",
        "Restore it there, then sync.",
    ),
    ErrorCode(
        "merged",
        "Merged",
        "The company was merged into another one in the PSA.",
        "Import the one that it was merged into.",
    ),
    ErrorCode(
        "own_company",
        "Not a client",
        "The company stands for you in the PSA, and not for a client.",
    ),
)

_PSA: Final = (
    ErrorCode("ok", "Passed", "The check passed."),
    ErrorCode(
        "sees_nothing",
        "Sees nothing",
        "It was not refused, and there was nothing to see.",
        "Check in the PSA what the API user may see.",
    ),
    ErrorCode(
        "lines_refused",
        "Lines refused",
        "The PSA shows agreements without their lines, so that MRR is incomplete.",
        "Give the API user the right to read lines.",
    ),
    ErrorCode("superseded", "Superseded", "Newer keys were saved before this test began."),
    ErrorCode(
        "invalid_credentials",
        "Keys refused",
        "The PSA refuses the keys, the company or the tracking identifier.",
        "Type them again.",
    ),
    ErrorCode(
        "mfa_required",
        "Second factor asked for",
        "The PSA asks this user for a second factor.",
        "Use a user that signs in without one.",
    ),
    ErrorCode(
        "account_locked",
        "User locked",
        "The PSA has locked this user.",
        "Unlock it in the PSA.",
    ),
    ErrorCode(
        "cooling_down",
        "Keys not tried",
        "The PSA locks a user after some wrong keys, so these are not tried for a while.",
        "Type other keys, or try again when the time has passed.",
    ),
    ErrorCode(
        "client_id_refused",
        "Client id refused",
        "The PSA does not know this installation's client id.",
        "Tell whoever runs this installation.",
    ),
    ErrorCode(
        "not_a_psa_server",
        "Not the PSA's server",
        "The server answers, and not as the PSA's API does.",
        "Correct the address.",
    ),
    ErrorCode("dns_failure", "No such host", "The host's name is not known.", "Correct it."),
    ErrorCode(
        "connection_refused",
        "Nobody answers",
        "The host takes no connection there.",
        "Check address and port, and whether a firewall stands in between.",
    ),
    ErrorCode(
        "tls_error",
        "Not secure",
        "The server's certificate can't be trusted.",
        "Have its certificate put right.",
    ),
    ErrorCode("timeout", "Too slow", "The PSA did not answer in time.", "Try again later."),
    ErrorCode("rate_limited", "PSA asks to wait", "The PSA was asked too often.", "Try later."),
    ErrorCode(
        "key_missing",
        "Our key is missing",
        "The key that protects the stored keys is missing on this installation.",
        "Bring it back into CREDENTIAL_KEYS, or type the keys in again.",
    ),
    ErrorCode("psa_unavailable", "PSA is down", "The PSA is not available.", "Try again later."),
    ErrorCode(
        "bad_response",
        "Answer not readable",
        "The PSA answered with something that can't be read.",
        "Try again later; if it stays, tell us.",
    ),
    ErrorCode(
        "blocked_address",
        "Address not allowed",
        "The address is private, or not one that may be asked.",
        "Use the PSA's public https address.",
    ),
)

_SYNC: Final = (
    ErrorCode(
        "too_many_gone",
        "Suspiciously many are gone",
        "So many records are missing at once that nothing was marked as gone.",
        "Check the API user's rights; if they are really gone, say so in the issue.",
    ),
    ErrorCode(
        "records_withheld",
        "Records withheld",
        "The PSA counts more records than it shows.",
        "Give the API user the right to see all of them.",
    ),
    ErrorCode(
        "list_ended_early",
        "List ended early",
        "The PSA's list ended before the number of records that it gave itself.",
        "Sync again; what did not come is not taken as gone.",
    ),
    ErrorCode(
        "invalid_record",
        "Record not usable",
        "A record of the PSA lacks something, or has it in another form; it is set aside.",
        "Correct it in the PSA, then sync.",
    ),
    ErrorCode(
        "missing_id",
        "Record without an id",
        "A record of the PSA has no id, so that it can't be kept.",
        "Report it to the PSA's support.",
    ),
    ErrorCode(
        "too_long",
        "Id too long",
        "A record of the PSA has an id that is too long to be kept.",
        "Report it to the PSA's support.",
    ),
    ErrorCode(
        "two_claims",
        "Claimed twice",
        "Two companies of the PSA show the same agreement; it stays where it was.",
        "Give it to one of them in the PSA, then sync.",
    ),
)

_PEOPLE: Final = (
    ErrorCode(
        "last_admin",
        "Last admin",
        "Without an admin nobody could connect a PSA or invite people.",
        "Make somebody else an admin first.",
    ),
    ErrorCode(
        "already_member",
        "Member already",
        "The person is a member of this tenant.",
        "Change their role instead.",
    ),
    ErrorCode(
        "already_invited",
        "Invited already",
        "The person has an invitation that is still open.",
        "Send it again, or withdraw it first.",
    ),
    ErrorCode(
        "no_member",
        "No member any more",
        "The person has left the tenant meanwhile.",
        "Read the list of people again.",
    ),
    ErrorCode(
        "no_invitation",
        "No open invitation",
        "The invitation was accepted or withdrawn meanwhile.",
        "Read the list of people again.",
    ),
    ErrorCode(
        "invitation_used",
        "Invitation used",
        "The invitation was accepted already: a link is good once.",
        "Sign in as usual.",
    ),
    ErrorCode(
        "invitation_withdrawn",
        "Invitation withdrawn",
        "The invitation was taken back.",
        "Ask the person who invited you for another one.",
    ),
    ErrorCode(
        "invitation_expired",
        "Invitation expired",
        "The invitation was good for seven days, which are over.",
        "Ask the person who invited you for another one.",
    ),
    ErrorCode(
        "invitation_replaced",
        "Older invitation",
        "A newer e-mail with another link was sent.",
        "Open the link of the newest one.",
    ),
    ErrorCode(
        "invitation_for_another",
        "For another address",
        "The invitation is for another address than the one that you are signed in with.",
        "Sign out, and go on as the person who is invited.",
    ),
    ErrorCode(
        "sign_in_first",
        "Sign in first",
        "The address that is invited has an account.",
        "Sign in with it to accept the invitation.",
    ),
)

CODES: Final[dict[str, ErrorCode]] = {
    entry.code: entry
    for group in (_REQUEST, _WHO, _FIELDS, _RULES, _PEOPLE, _IMPORT, _PSA, _SYNC)
    for entry in group
}
