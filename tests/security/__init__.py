"""The rules of docs/security.md, one file for each group of them."""
