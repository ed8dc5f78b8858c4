from __future__ import annotations

from django.urls import path

from companies.web import contacts, erasing, links, views

app_name = "companies"
urlpatterns = [
    path("companies/", views.companies, name="list"),
    path("companies/add/", views.add, name="add"),
    path("companies/<uuid:pk>/", views.company, name="detail"),
    path("companies/<uuid:pk>/contacts/", contacts.contacts, name="contacts"),
    path("companies/<uuid:pk>/psa/", links.psa, name="psa"),
    path("companies/<uuid:pk>/edit/", views.edit, name="edit"),
    path(
        "companies/<uuid:pk>/contacts/<uuid:contact_id>/erase/",
        erasing.erase,
        name="erase-contact",
    ),
    path(
        "companies/<uuid:pk>/contacts/<uuid:contact_id>/primary/",
        contacts.make_primary,
        name="make-primary",
    ),
    path("companies/<uuid:pk>/archive/", views.archive, name="archive"),
    path("companies/<uuid:pk>/restore/", views.restore, name="restore"),
    path("companies/<uuid:pk>/sync/", views.resync, name="sync"),
    path("companies/<uuid:pk>/sync/state/", views.sync_fragment, name="sync-state"),
    path("companies/<uuid:pk>/link/", links.link, name="link"),
    path("companies/<uuid:pk>/link/preview/", links.start, name="link-previews"),
    path("companies/<uuid:pk>/link/preview/<uuid:preview_id>/", links.preview, name="link-preview"),
    path("companies/<uuid:pk>/unlink/", links.unlink, name="unlink"),
    path("companies/<uuid:pk>/undo-link/", links.undo, name="undo-link"),
]
