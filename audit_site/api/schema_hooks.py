"""What is done to the whole OpenAPI document once it is drawn."""

from __future__ import annotations

from typing import Any, Final

#: What the document says of the API as a whole.
CONVENTIONS: Final = """\
Connect a PSA, import companies, sync, and read an MRR that explains itself.

**Sign in** with `Authorization: Bearer` and a token, or with the browser's session and its CSRF
token. All of it is about one tenant; what is another's is a 404.

**Lists** come in pages of `page_size`: follow `next` until it is null. A cursor is good for its
list alone.

**Errors** are `application/problem+json`: go by `code`, show `detail` and `fix`.
`GET /api/v1/errors/` explains each code. Unknown fields and parameters are refused.

**Sent twice, done once**: give a POST an `Idempotency-Key` of its own, and send it again after a
lost answer; for 24 hours the same key gets the same answer, with `Idempotent-Replay: true`.

**Nothing overwritten unseen**: send the `ETag` you have read as `If-Match` with PATCH and DELETE.
`412` brings `current`, the object as it is. Sent as `If-None-Match` with GET, it makes an unchanged
answer a `304`.

**Buttons**: `can` of an object names what its caller may do with it now.

**Work** (connection tests, syncs) goes on in the background: the answer is `202`, and you read its
object again and again until it is done.

**Limits**: `RateLimit` says how many are left within the hour, `Retry-After` when to try again.

Money is a decimal text with its currency beside it, as many places as that currency has. Days are
`YYYY-MM-DD`, moments RFC 3339 in UTC. Ids are texts.
"""

KNOWN: Final = frozenset({"known_at", "is_known"})
#: What only some problems have, by their code.
OF_SOME_PROBLEMS: Final = frozenset({"holder"})
#: What only some answers have: figures of which a past moment was asked for, and those of a past
#: that is not read yet.
OF_SOME: Final = {
    "TenantMrr": KNOWN,
    "CompanyMrr": KNOWN,
    "Series": KNOWN | {"ended_unread"},
    "Movement": frozenset({"known_from", "known_to", "ended_unread"}),
    "Bridge": frozenset({"restated"}),
    "MovedRow": frozenset({"field", "name", "mrr_before", "mrr_after", "run", "at", "cause"}),
}


def complete_objects(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say of each object that it has these properties and no others, and that answers have all
    but those that only some have.
    """
    for name, shape in result["components"]["schemas"].items():
        if "properties" not in shape:
            continue
        shape.setdefault("additionalProperties", False)
        if not name.endswith("Request"):
            of_some = OF_SOME_PROBLEMS | OF_SOME.get(name, frozenset())
            shape["required"] = [n for n in shape["properties"] if n not in of_some]
    return result
