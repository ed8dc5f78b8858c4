"""Kaseya BMS (Vorex, Pulseway PSA), REST API 2.0.

Where BMS is odd, the reason stands beside the code; the sources are the vendor's OpenAPI document
(product 5.58), its help pages, and public clients (Power Query, PowerShell and C# ones).
"""

from integrations.adapters.kaseya_bms.adapter import KaseyaBmsAdapter
from integrations.psa.contract import PsaAdapter

ADAPTER: type[PsaAdapter] = KaseyaBmsAdapter
