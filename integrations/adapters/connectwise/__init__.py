"""ConnectWise Manage (ConnectWise PSA), REST API 3.0.

Where ConnectWise is odd, the reason stands beside the code; the sources are its developer guide,
its OpenAPI documents of 2022.1 and 2025.1, and public clients (django-connectwise, pyconnectwise).
"""

from integrations.adapters.connectwise.adapter import ConnectWiseAdapter
from integrations.psa.contract import PsaAdapter

ADAPTER: type[PsaAdapter] = ConnectWiseAdapter
