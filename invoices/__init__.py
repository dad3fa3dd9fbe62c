"""Invoices, and the attempts to move their money."""
