"""Lines of agreements: read where they differ, and none is lost by a refusal."""

from __future__ import annotations

from decimal import Decimal

from agreements.models import Agreement, AgreementLine
from integrations.models import Integration, Issue, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.syncing import import_all, synced


def test_lines_are_read_only_of_agreements_whose_lines_differ(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    synced(connected)
    lines = AgreementLine.objects.exclude(agreement__lines_fingerprint="").order_by(
        "-position", "id"
    )
    first, second = lines[0], lines.exclude(agreement=lines[0].agreement)[0]  # each the last one
    assert AgreementLine.objects.count() == lines.count(), "all came whole"
    AgreementLine.objects.update(description="ours")  # where nobody notices, to see who is read
    change = sandbox.psas["connectwise"].change
    values = {"description": "theirs", "invoiceDescription": "theirs"}
    change({"do": "change", "kind": "additions", "id": first.external_id, "values": values})
    change({"do": "delete", "kind": "additions", "id": second.external_id})

    run = synced(connected)

    counts = run.counts["lines"]
    assert (counts["updated"], counts["gone"]) == (1, 1)
    assert counts["seen"] == counts["unchanged"] + 1 == AgreementLine.objects.count() - 1
    first.refresh_from_db()
    assert first.description == "theirs"
    # of the second's agreement a line was left over: its lines are read once more
    marks = dict(Agreement.objects.values_list("id", "lines_fingerprint"))
    assert [pk for pk, mark in marks.items() if not mark] == [second.agreement_id]
    assert synced(connected).counts["lines"]["unchanged"] == counts["seen"]
    assert all(Agreement.objects.values_list("lines_fingerprint", flat=True))

    sandbox.faults.switch_on("bad_record", path="/additions", how="wrong_type")
    assert synced(connected).counts["lines"]["rejected"] == 37
    assert not any(Agreement.objects.values_list("lines_fingerprint", flat=True))
    sandbox.faults.clear()
    assert synced(connected).counts["lines"]["rejected"] == 0
    assert all(Agreement.objects.values_list("lines_fingerprint", flat=True))


def test_refused_lines_leave_out_what_was_never_read_whole(
    connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("refused_right", path="/additions")

    import_all(connected)

    run = SyncRun.objects.get(trigger="import")
    assert (run.state, run.error_code) == ("partial", "permission_denied")
    assert not AgreementLine.objects.exists()
    incomplete = Agreement.objects.filter(incomplete=True).count()
    assert incomplete == 41
    assert synced(connected).state == "partial"
    assert Agreement.objects.filter(incomplete=True).count() == incomplete
    sandbox.faults.clear()
    assert synced(connected).state == "succeeded"
    assert not Agreement.objects.filter(incomplete=True).exists()
    assert not Issue.objects.filter(closed_at=None).exists()


def test_an_agreement_that_changed_counts_with_its_lines_as_last_read(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    psa = sandbox.psas["connectwise"]
    sold, bare = Agreement.objects.exclude(lines=None).order_by("external_id").distinct()[:2]
    for line in bare.lines.all():
        psa.change({"do": "delete", "kind": "additions", "id": line.external_id})
    synced(connected)
    for agreement in (sold, bare):
        values = {"name": "Renamed"}
        psa.change(
            {"do": "change", "kind": "agreements", "id": agreement.external_id, "values": values}
        )
    sandbox.faults.switch_on("refused_right", path="/additions")

    run = synced(connected)

    assert (run.state, run.counts["agreements"]["updated"]) == ("partial", 2)
    renamed = Agreement.objects.filter(name="Renamed")
    assert dict(renamed.values_list("pk", "incomplete")) == {
        sold.pk: False, bare.pk: True
    }  # fmt: skip
    assert run.counts["lines"]["updated"] == run.counts["lines"]["gone"] == 0


def test_a_refusal_of_one_agreement_holds_up_no_lines_of_another(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    agreements = Agreement.objects.order_by("external_id")
    first, second = [row for row in agreements if row.lines.count() >= 2][:2]
    good, bad = second.lines.order_by("external_id")[:2]
    psa = sandbox.psas["connectwise"]
    for line, values in ((good, {"unitPrice": 777.77}), (bad, {"quantity": "x"})):
        change = {"do": "change", "kind": "additions", "id": line.external_id, "values": values}
        psa.change(change)
    sandbox.faults.switch_on("refused_right", path=f"/agreements/{first.external_id}/additions")

    synced(connected)

    good.refresh_from_db()
    assert good.unit_price == Decimal("777.77")
    incomplete = Agreement.objects.filter(incomplete=True)
    assert list(incomplete.values_list("pk", flat=True)) == [second.pk]
