"""The PSAs as small real HTTP servers, with believable data and faults that can be switched on.

A module in this package that has a `SANDBOX` is the stand-in of the PSA whose key it is named
after. What such a class offers is `integrations.sandbox.server.SandboxPsa`.
"""
