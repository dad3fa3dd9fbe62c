"""The judge: reads the processor's ledger and Billy's tables, and asks none of Billy's code.

`books` reads both sides, `money` and `periods` compare them (conditions a to c), `chains` walks
through the events (d). Each complaint begins with the letter of the condition that it breaks.
"""
