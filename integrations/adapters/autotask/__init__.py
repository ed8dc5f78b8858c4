"""Autotask PSA, REST API 1.0.

Where Autotask is odd, the reason stands beside the code; the sources are its Swagger file, its
online help, and public clients (django-autotask, AutotaskAPI, apigrate, autotask-mcp).
"""

from integrations.adapters.autotask.adapter import AutotaskAdapter
from integrations.psa.contract import PsaAdapter

ADAPTER: type[PsaAdapter] = AutotaskAdapter
