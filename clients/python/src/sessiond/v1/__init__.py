"""Stubs of the contract, made by ../../../generate; not edited by hand."""
