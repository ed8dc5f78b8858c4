"""The audit trail is append-only and chained: what is done to it behind its back is found."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit_site.db import walls
from audit_site.tenants.audit import record_audit
from audit_site.tenants.audit_chain import BEGINNING, HASHED, content_hash, maintenance, verify
from audit_site.tenants.models import AuditEvent, AuditLink, Tenant
from tests.concurrency import at_once
from tests.databases import ROLE
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db
TABLES = ["tenants_auditevent", "tenants_auditlink"]


def write(tenant: Tenant, *actions: str) -> None:
    for action in actions:
        record_audit(
            tenant=tenant, actor=None, action=action, subject=tenant, after={"action": action}
        )


def record(tenant: Tenant, *actions: str) -> None:
    """Write events, and have done what a commit does by itself."""
    write(tenant, *actions)
    connection.check_constraints()


def refuse(work: Callable[[], Any], why: str = "append-only") -> None:
    """Assert that the database refuses this."""
    with pytest.raises(DatabaseError, match=why), transaction.atomic():
        work()


@pytest.fixture
def trail(db: None) -> Tenant:
    """A tenant with a trail of three events, beside one with a trail of its own."""
    tenant, other = make_tenant(), make_tenant()
    record(tenant, "a.a", "b.b")
    record(other, "x.x")
    record(tenant, "c.c")
    return tenant


def found(tenant: Tenant) -> tuple[int, str, int | None, str]:
    """How many hold, and what, at which number and where the first break is."""
    verdict = verify(tenant)
    assert verdict.broken
    return verdict.count, verdict.broken.what, verdict.broken.number, verdict.broken.event_id


def ids(tenant: Tenant) -> list[str]:
    rows = AuditLink.objects.filter(tenant=tenant).order_by("number")
    return [str(pk) for pk in rows.values_list("pk", flat=True)]


@contextmanager
def as_application(tenant: Tenant) -> Iterator[Any]:
    """A cursor of the application's role, which here may do to all tables what a grant can give."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite knows no roles")
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}")  # until the test ends
    with walls.within(tenant.pk), connection.cursor() as cursor:
        yield cursor


def test_each_tenant_has_a_chain_of_its_own_from_one_on(trail: Tenant) -> None:
    links = AuditLink.objects.filter(tenant=trail).order_by("number")
    other = AuditLink.objects.exclude(tenant=trail).get()

    assert [link.number for link in links] == [1, 2, 3]
    assert other.number == 1
    assert verify(trail).broken is None
    assert (verify(trail).count, verify(trail).head) == (3, links[2].hash)
    assert [link.at for link in links] == list(
        AuditEvent.objects.filter(tenant=trail).order_by("id").values_list("at", flat=True)
    )


def test_a_trail_without_events_is_whole() -> None:
    verdict = verify(make_tenant())

    assert (verdict.count, verdict.head, verdict.broken) == (0, BEGINNING, None)


def test_what_is_hashed_is_all_of_an_event() -> None:
    columns = {field.attname for field in AuditEvent._meta.concrete_fields}

    assert columns - {"content_hash"} == set(HASHED)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET at = at", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
@pytest.mark.parametrize("setting", ["off", "on"])
def test_the_applications_role_can_not_rewrite_it(
    trail: Tenant, table: str, statement: str, setting: str
) -> None:
    with as_application(trail) as cursor:
        cursor.execute(f"SET LOCAL audit.maintenance = '{setting}'")
        refuse(lambda: cursor.execute(statement.format(table)))
        cursor.execute("SET LOCAL audit.maintenance = 'off'")

    assert verify(trail).count == 3


def test_the_applications_role_writes_events_and_no_links(trail: Tenant) -> None:
    link = (
        "INSERT INTO tenants_auditlink (id, tenant_id, number, at, content_hash, hash) "
        "SELECT gen_random_uuid(), tenant_id, 99, at, '', '' FROM tenants_auditlink LIMIT 1"
    )
    borrowed = (
        "CREATE TEMP TABLE mine (LIKE tenants_auditevent); "
        "CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION audit_link()"
    )
    with as_application(trail) as cursor:
        record(trail, "d.d")
        refuse(lambda: cursor.execute(link))
        refuse(lambda: cursor.execute(borrowed), "permission denied for function audit_link")

    assert (verify(trail).count, verify(trail).broken) == (4, None)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = at", "DELETE FROM {}"])
def test_who_owns_the_tables_does_not_rewrite_it_by_mistake(
    trail: Tenant, table: str, statement: str
) -> None:
    with connection.cursor() as cursor:
        refuse(lambda: cursor.execute(statement.format(table)))

    assert verify(trail).count == 3


def test_a_tenant_with_a_trail_can_be_erased_in_maintenance_alone(trail: Tenant) -> None:
    refuse(trail.delete)
    with maintenance():
        trail.delete()

    assert not AuditEvent.objects.filter(tenant=trail.pk).exists()
    assert AuditEvent.objects.count() == 1
    refuse(AuditEvent.objects.all().delete)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"object_name": "Somebody else"}, "It was changed."),
        ({"after": {"action": "z.z"}}, "It was changed."),
        ({"at": timezone.now()}, "It was changed."),
        ({"content_hash": "0" * 64}, "It was changed."),
    ],
)
def test_a_changed_event_is_named(trail: Tenant, values: dict[str, Any], what: str) -> None:
    second = ids(trail)[1]
    with maintenance():
        AuditEvent.objects.filter(pk=second).update(**values)

    assert found(trail) == (1, what, 2, second)


def test_a_changed_event_with_a_new_hash_is_named(trail: Tenant) -> None:
    second = AuditEvent.objects.get(pk=ids(trail)[1])
    second.action = "z.z"
    second.content_hash = content_hash(second)
    with maintenance():
        second.save()

    assert found(trail) == (1, "It was changed.", 2, str(second.pk))


def test_a_changed_event_with_a_changed_link_is_named(trail: Tenant) -> None:
    second = AuditEvent.objects.get(pk=ids(trail)[1])
    second.action = "z.z"
    second.content_hash = content_hash(second)
    with maintenance():
        second.save()
        AuditLink.objects.filter(pk=second.pk).update(content_hash=second.content_hash)

    assert found(trail) == (1, "Its link was changed.", 2, str(second.pk))


def test_a_removed_event_is_named_by_number_and_time(trail: Tenant) -> None:
    second = AuditEvent.objects.get(pk=ids(trail)[1])
    with maintenance():
        AuditEvent.objects.filter(pk=second.pk).delete()

    verdict = verify(trail)
    assert found(trail) == (1, "It was removed.", 2, str(second.pk))
    assert verdict.broken
    assert verdict.broken.at == second.at


def test_an_event_removed_with_its_link_is_named_by_number(trail: Tenant) -> None:
    second = ids(trail)[1]
    with maintenance():
        AuditEvent.objects.filter(pk=second).delete()
        AuditLink.objects.filter(pk=second).delete()

    assert found(trail) == (1, "Its link was removed.", 2, "")


def test_an_event_that_was_slipped_in_is_named(trail: Tenant) -> None:
    record(trail, "d.d")
    last = AuditEvent.objects.order_by("-id")[0]
    with maintenance():
        AuditLink.objects.filter(pk=last.pk).delete()

    assert found(trail) == (3, "It was put in, and has no link.", None, str(last.pk))


@pytest.mark.django_db(transaction=True)
def test_events_at_once_stand_in_one_chain() -> None:
    tenant = make_tenant()

    def work() -> None:
        for _ in range(5):
            with transaction.atomic():
                write(tenant, "a.a", "b.b")

    at_once(*[work] * 8)

    assert (verify(tenant).count, verify(tenant).broken) == (80, None)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_leaves_no_hole() -> None:
    tenant = make_tenant()
    with transaction.atomic():
        write(tenant, "a.a")
        transaction.set_rollback(True)
    with transaction.atomic():
        write(tenant, "b.b")
        with transaction.atomic():
            write(tenant, "c.c")
            transaction.set_rollback(True)
    write(tenant, "d.d")

    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["b.b", "d.d"]
    assert (verify(tenant).count, verify(tenant).broken) == (2, None)


def said(*arguments: str) -> tuple[list[dict[str, Any]], str]:
    """The lines that the command prints, and how it fails ("" = it does not)."""
    out, error = io.StringIO(), ""
    try:
        call_command("verify_audit", *arguments, stdout=out)
    except CommandError as failed:
        error = str(failed)
    return [json.loads(line) for line in out.getvalue().splitlines()], error


def test_the_command_says_how_many_and_the_head(trail: Tenant) -> None:
    lines, error = said()

    assert error == ""
    assert [line["events"] for line in lines] == [3, 1]
    assert said("--tenant", str(trail.pk))[0] == [
        {"tenant": str(trail.pk), "events": 3, "head": verify(trail).head}
    ]


def test_the_command_names_the_first_break(trail: Tenant) -> None:
    second = AuditEvent.objects.get(pk=ids(trail)[1])
    with maintenance():
        AuditEvent.objects.filter(pk__in=ids(trail)[1:]).update(action="z.z")

    (line, other), error = said()

    assert error == "The audit trail of 1 tenant(s) is not whole."
    assert line["broken"] == {
        "what": "It was changed.",
        "number": 2,
        "at": second.at.isoformat(),
        "event": str(second.pk),
    }
    assert "broken" not in other


def test_an_end_that_was_cut_off_shows_against_a_head_that_was_kept(
    trail: Tenant, tmp_path: Path
) -> None:
    kept = tmp_path / "heads"
    kept.write_text("\n".join(json.dumps(line) for line in said()[0]))
    last = ids(trail)[2]
    record(trail, "d.d")
    assert said("--expect-head", str(kept))[1] == ""
    with maintenance():
        AuditEvent.objects.filter(pk__in=ids(trail)[2:]).delete()
        AuditLink.objects.filter(tenant=trail, number__gte=3).delete()

    (line, _), error = said("--expect-head", str(kept))

    assert last not in ids(trail)
    assert said()[1] == ""
    assert line["broken"]["what"] == "Event 3, which was there, is gone: the end was cut off."
    assert error == "The audit trail of 1 tenant(s) is not whole."
    record(trail, "e.e")
    (line, _), error = said("--expect-head", str(kept))
    assert line["broken"]["what"] == "Event 3 is another one than was there."
    with maintenance():
        trail.delete()
    assert said("--expect-head", str(kept))[0][1] == {
        "tenant": str(trail.pk)
        if trail.pk
        else json.loads(kept.read_text().splitlines()[0])["tenant"],
        "broken": {"what": "It is gone."},
    }


def test_what_is_no_head_and_no_tenant_is_a_sentence(tmp_path: Path) -> None:
    for text in ("[]", "{}", "what"):
        (tmp_path / "heads").write_text(text)
        assert said("--expect-head", str(tmp_path / "heads"))[1].endswith("a line a tenant.")
    assert said("--tenant", "nobody")[1] == "There is no tenant with this id."
