from __future__ import annotations

import threading
from uuid import UUID

import pytest

from audit_site.db import walls

ACME, OTHER, GRACE = UUID(int=1), UUID(int=2), UUID(int=3)


def test_nobody_asks_for_nothing() -> None:
    assert set(walls.NOBODY.settings().values()) == {""}


def test_who_asks_is_told_by_settings() -> None:
    with walls.door():
        with walls.as_person(GRACE):
            with walls.within(str(ACME)):
                told = walls.asker().settings()

    assert told == {
        "audit.tenant": str(ACME),
        "audit.tenants": "",
        "audit.person": str(GRACE),
        "audit.secret": "",
        "audit.system": "",
        "audit.everything": "",
    }


def test_a_tenant_within_another_takes_its_place_and_gives_it_back() -> None:
    with walls.within(ACME):
        with walls.within(OTHER):
            assert walls.asker().tenant == OTHER
        assert walls.asker().tenant == ACME


def test_the_system_within_a_tenant_is_that_tenant_alone() -> None:
    with walls.as_system("sweep"):
        assert walls.asker() == walls.Asker(system="sweep")
        with walls.within(ACME):
            assert walls.asker() == walls.Asker(tenant=ACME)


def test_what_was_entered_ends_with_the_door_around_it() -> None:
    before = walls.asker()

    with walls.door():
        assert walls.asker() == walls.NOBODY
        walls.enter(walls.Asker(tenant=ACME))
        assert walls.asker().tenant == ACME

    assert walls.asker() == before


def test_an_error_leaves_nobody_behind() -> None:
    before = walls.asker()

    def fail() -> None:
        walls.enter(walls.Asker(tenant=OTHER))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), walls.within(ACME):
        fail()

    assert walls.asker() == before


def test_a_thread_asks_as_nobody_unless_it_carries_who_started_it() -> None:
    seen = []

    def look() -> None:
        seen.append(walls.asker().tenant)

    with walls.within(ACME):
        threads = [threading.Thread(target=target) for target in (look, walls.carried(look))]
    for thread in threads:
        thread.start()
        thread.join()

    assert seen == [None, ACME]


def test_work_of_a_tenant_runs_within_it() -> None:
    @walls.of_tenant
    def work(*, tenant_id: str) -> UUID | None:
        return walls.asker().tenant

    assert work(tenant_id=str(ACME)) == ACME
    with pytest.raises(ValueError, match="badly formed"):
        work(tenant_id="' OR ''='")


@pytest.mark.parametrize("odd", ["", "x'; DROP TABLE t; --", "A" * 64, "a" * 63])
def test_a_secret_is_told_by_its_hash_alone(odd: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        walls.as_holder(odd)


@pytest.mark.parametrize("odd", ["", "sweep'", "Sweep", "sweep all"])
def test_a_reason_is_a_word(odd: str) -> None:
    with pytest.raises(ValueError, match="a reason is a word"):
        walls.as_system(odd)
